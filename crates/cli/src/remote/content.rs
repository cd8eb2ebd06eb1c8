//! `cat` and `export` of a server: content that is written as it comes.

use std::io::{self, Write};
use std::path::Path;

use holdfast_engine::export::{ExportReport, ReportReader};
use reqwest::Response;
use tempfile::NamedTempFile;

use super::client::Server;
use super::failure::Failure;
use super::look::text;
use crate::args::{Cat, Export, ExportFormat};
use crate::commands::export::{STANDARD_OUTPUT, show};
use crate::error::{Error, Result};
use crate::output::Output;

/// Writes content to its end; `failed` says on what.
async fn write(
    mut content: Response,
    out: &mut (dyn Write + Send),
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let mut bytes = 0;
    loop {
        match content.chunk().await {
            Ok(Some(piece)) => {
                out.write_all(&piece).map_err(&failed)?;
                bytes += piece.len() as u64;
            }
            Ok(None) => break,
            Err(source) => return Err(Failure::Cut { bytes, source }.into()),
        }
    }
    out.flush().map_err(failed)
}

pub async fn cat(server: &Server, args: &Cat) -> Result<u8> {
    let source = &args.source;
    let query = [
        ("tenant", source.tenant.clone()),
        ("at", text(source.at.as_ref())),
        ("path", Some(args.path.clone())),
        ("version", args.version.clone()),
    ];
    let path = ["resources", &source.resource, "content"];
    let content = server.stream(&path, &query).await?;
    write(content, &mut io::stdout(), Error::Output).await?;
    Ok(0)
}

pub async fn export(server: &Server, args: &Export, out: Output) -> Result<u8> {
    if args.format != ExportFormat::Zip {
        return Err(Error::Usage("a server exports a ZIP: add --format zip".to_owned()));
    }
    let target = Path::new(&args.out);
    if args.out != STANDARD_OUTPUT && target.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!(
            "{} is there already and is not overwritten; name a new file",
            target.display()
        )));
    }
    let source = &args.source;
    let query = [
        ("tenant", source.tenant.clone()),
        ("at", text(source.at.as_ref())),
        ("deleted_since", args.deleted_since.map(|since| since.0.to_string())),
        ("path", args.path.clone()),
    ];
    let path = ["resources", &source.resource, "export"];
    let content = server.stream(&path, &query).await?;
    let mut report = match args.out == STANDARD_OUTPUT {
        true => watched(content, &mut io::stdout(), Error::Output).await?,
        false => to_file(content, target).await?,
    };
    report.out.clone_from(&args.out);
    show(&report, out)
}

/// Writes a ZIP to a file that has its name only once it is whole.
async fn to_file(content: Response, path: &Path) -> Result<ExportReport> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new("."))).map_err(failed)?;
    let report = watched(content, &mut file, failed).await?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    Ok(report)
}

/// Writes a ZIP and reads its report as it goes by.
async fn watched(
    content: Response,
    out: &mut (dyn Write + Send),
    failed: impl Fn(io::Error) -> Error,
) -> Result<ExportReport> {
    let mut watched = Watched { out, reader: ReportReader::default() };
    write(content, &mut watched, failed).await?;
    watched.reader.report().ok_or_else(|| Failure::NoReport.into())
}

/// What is written, and the report in it.
struct Watched<'w> {
    out: &'w mut (dyn Write + Send),
    reader: ReportReader,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.reader.take(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
