//! `tenant certificate`: a key and a certificate by which Holdfast signs in.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_graph::certificate::{self, Made};
use holdfast_model::{Clock, Timestamp};
use serde::Serialize;

use crate::args::Certificate;
use crate::error::{Error, Result};
use crate::output::{Output, clean, time};

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    key: PathBuf,
    upload: PathBuf,
    thumbprint_sha1: String,
    thumbprint_sha256: String,
    expires: Timestamp,
}

pub fn run(args: &Certificate, out: Output) -> Result<u8> {
    let paths = ["holdfast.key", "holdfast.pem", "holdfast.cer"].map(|name| args.out.join(name));
    if let Some(taken) = paths.iter().find(|path| path.exists()) {
        return Err(Error::Usage(format!(
            "{} exists already and is not overwritten; choose another folder",
            taken.display()
        )));
    }
    let made = certificate::make(&args.name, Clock::system().now(), args.days)?;
    fs::create_dir_all(&args.out).map_err(Error::file("create", &args.out))?;
    let report = write(&made, paths)?;
    out.show(&report, || human(&report))?;
    Ok(0)
}

fn write(made: &Made, [key, pem, cer]: [PathBuf; 3]) -> Result<Report> {
    write_new(&key, made.key_pem.expose(), 0o600)?;
    write_new(&pem, made.certificate_pem.as_bytes(), 0o644)?;
    write_new(&cer, &made.certificate_der, 0o644)?;
    Ok(Report {
        certificate: pem,
        key,
        upload: cer,
        thumbprint_sha1: made.thumbprint_sha1_hex.clone(),
        thumbprint_sha256: made.thumbprint_sha256_hex.clone(),
        expires: made.not_after,
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Error::file("write", path))
}

fn human(report: &Report) -> String {
    let path = |path: &Path| clean(&path.display().to_string());
    format!(
        "Private key (stays here, readable by you alone): {}\n\
         Certificate for 'tenant add': {}\n\
         Upload this to the app registration (Certificates & secrets): {}\n\
         Thumbprint: {}\n\
         Expires: {}; make and upload the next one before that",
        path(&report.key),
        path(&report.certificate),
        path(&report.upload),
        report.thumbprint_sha1,
        time(Some(report.expires)),
    )
}
