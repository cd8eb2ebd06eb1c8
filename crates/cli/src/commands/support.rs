//! `support-bundle`: what helps support, in a file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdfast_engine::{Home, support};
use serde_json::json;

use crate::error::{Error, Result};
use crate::output::{Output, clean};

pub async fn run(home: &Home, file: &Path, out: Output) -> Result<u8> {
    let shown = file.display().to_string();
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Error::Usage(format!(
            "{shown} is there already and is not overwritten; name a new file"
        )),
        _ => holdfast_engine::Error::File { action: "write", path: file.to_owned(), source }.into(),
    };
    // First the file: what takes long is not done in vain.
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(file).map_err(&failed)?;
    let bundle = support::bundle(home, env!("CARGO_PKG_VERSION"), None).await?;
    to.write_all(&bundle).and_then(|()| to.sync_all()).map_err(&failed)?;
    let report = json!({ "file": file, "bytes": bundle.len() });
    out.show(&report, || {
        format!(
            "{} is written. Names in it are pseudonyms, and there are no secrets; look into it \
             before you send it.",
            clean(&shown)
        )
    })?;
    Ok(0)
}
