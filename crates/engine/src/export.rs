//! `export`: mail and files out of the vault as ordinary files, for whoever has no Microsoft 365.
//!
//! `item` says what of an item is exported, `names` gives each a path that every file system
//! takes, and a sink writes it: a folder tree, mbox files, or a ZIP. A damaged item is reported and
//! the rest goes on; a target that takes nothing more ends the export.

mod folder;
mod item;
mod mbox;
mod names;
mod part;
mod report;
mod zip;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use futures::StreamExt;
use holdfast_model::{Outcome, Timestamp, Workload};
use holdfast_vault as vault;
use serde::{Deserialize, Serialize};

use crate::browse::At;
use crate::home::blocking;
use crate::select::{self, Choice, Picked};
use crate::{Error, Exit, Home, Progress, Result};

use names::File;
pub use report::{REPORT, ReportReader};
pub(crate) use zip::archive;

/// Items up to this size are read ahead, in bytes; larger ones flow through.
const READ_AHEAD_BYTES: u64 = 1024 * 1024;

/// How many items are read ahead: an object store answers in tens of milliseconds.
const READ_AHEAD: usize = 8;

/// What an export consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A folder tree of the stored files as they are, with their dates.
    #[default]
    Files,
    /// The same, said of mail: messages are stored as `.eml` files.
    Eml,
    /// One mbox file per mail folder (RFC 4155, quoted as mboxrd).
    Mbox,
    /// The folder tree in a ZIP.
    Zip,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Eml => "eml",
            Self::Mbox => "mbox",
            Self::Zip => "zip",
        })
    }
}

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct ExportRequest {
    /// Tenant of the resource.
    pub tenant: Option<String>,
    /// The resource.
    pub resource: String,
    /// Which restore point.
    pub at: At,
    /// Not what was there at a time, but what has vanished since then; `at` has no part in it.
    pub deleted_since: Option<Timestamp>,
    /// A folder or an item; everything where absent.
    pub path: Option<String>,
    /// In which form.
    pub format: Format,
}

/// Where an export goes.
pub enum Target<'w> {
    /// A folder that is absent or empty; for a ZIP a file that is absent.
    Path(PathBuf),
    /// A stream that takes a ZIP.
    Stream(&'w mut (dyn Write + Send)),
    /// The same, for somebody who gets nothing but the stream: the report is its last file,
    /// [`REPORT`].
    Archive(&'w mut (dyn Write + Send)),
}

/// What an export came to: the `--json` form of `holdfast export`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportReport {
    /// Over all items.
    pub outcome: Outcome,
    /// Name of the resource.
    pub resource: String,
    /// Time of the restore point; the newest, where it is about what has vanished.
    pub restore_point: Timestamp,
    /// In which form.
    pub format: Format,
    /// Messages and files written.
    pub items_exported: u64,
    /// Those that could not be read; a folder that cannot be listed counts as one.
    pub items_failed: u64,
    /// Stored bytes of those written.
    pub bytes: u64,
    /// Files made, in the target folder or in the ZIP.
    pub files: u64,
    /// The target; `-` for standard output.
    pub out: String,
    /// What failed, and what is not as it was in the vault.
    pub problems: Vec<Problem>,
}

/// Something that whoever uses the export should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path in the restore point.
    pub path: String,
    /// What kind of thing.
    pub kind: ProblemKind,
    /// In words.
    pub detail: String,
}

/// Kinds of [`Problem`]; only the first is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// It could not be read and is not in the export.
    Failed,
    /// It is stored without MIME and was exported as Graph's JSON.
    NoMime,
    /// Its name was shortened.
    Shortened,
    /// Its path is longer than old Windows programs take.
    LongPath,
}

impl ExportReport {
    fn failed(&mut self, path: String, error: &Error) {
        self.items_failed += 1;
        let (kind, detail) = (ProblemKind::Failed, error.to_string());
        self.problems.push(Problem { path, kind, detail });
    }

    fn settle(&mut self) {
        self.outcome = match (self.items_failed, self.items_exported) {
            (0, _) => Outcome::Complete,
            (_, 0) => Outcome::Failed,
            _ => Outcome::Partial,
        };
    }
}

/// What takes the files of an export.
trait Sink {
    /// Writes one file, whole or not at all.
    fn put(&mut self, file: &File, content: &Content<'_>) -> Result<()>;

    /// Makes the last of it final, and notes the number of files in the report.
    fn finish(self: Box<Self>, report: &mut ExportReport) -> Result<()>;
}

/// The bytes of an item.
enum Content<'i> {
    Read(Vec<u8>),
    Stored(&'i Picked),
}

impl Content<'_> {
    /// Writes the bytes to `out`, which is shown as `shown` in errors.
    fn copy(&self, out: &mut dyn Write, shown: &str) -> Result<()> {
        let failed = |source| Error::File { action: "write", path: shown.into(), source };
        match self {
            Content::Read(bytes) => out.write_all(bytes).map_err(failed),
            Content::Stored(item) => match item.reader.read(&item.found.node, out) {
                Err(vault::Error::Output(source)) => Err(failed(source)),
                read => Ok(read.map(drop)?),
            },
        }
    }
}

/// Exports and reports.
///
/// # Errors
/// [`Error::Usage`] where the target is there already or does not fit the format; [`Error::File`]
/// where it takes nothing more: no half file is left under its final name.
pub async fn export(
    home: &Home,
    request: &ExportRequest,
    target: Target<'_>,
    progress: &Progress,
) -> Result<ExportReport> {
    let choice = Choice {
        tenant: request.tenant.as_deref(),
        resource: &request.resource,
        at: &request.at,
        deleted_since: request.deleted_since,
        path: request.path.as_deref(),
    };
    let mut selection = select::select(home, &choice).await?;
    let is_mail = selection.resource.workload == Workload::Exchange;
    if !is_mail && matches!(request.format, Format::Eml | Format::Mbox) {
        return Err(Error::Usage(format!(
            "{} is for mail; export the files of a drive as 'files' or 'zip'",
            request.format
        )));
    }
    let items = std::mem::take(&mut selection.items);
    progress.expect_items(items.len());
    let mut report = ExportReport {
        outcome: Outcome::Complete,
        resource: selection.resource.name.clone(),
        restore_point: selection.read_at,
        format: request.format,
        items_exported: 0,
        items_failed: 0,
        bytes: 0,
        files: 0,
        out: shown(&target),
        problems: Vec::new(),
    };
    let plan = names::plan(items, request.format);
    report.problems = plan.problems;
    for unread in std::mem::take(&mut selection.unread) {
        report.failed(unread.path, &unread.error);
    }
    let sink = open(request.format, target)?;
    write(plan.files, sink, progress, &mut report).await?;
    selection.end().await?;
    Ok(report)
}

fn shown(target: &Target<'_>) -> String {
    match target {
        Target::Path(path) => path.display().to_string(),
        Target::Stream(_) | Target::Archive(_) => "-".to_owned(),
    }
}

fn open<'w>(format: Format, target: Target<'w>) -> Result<Box<dyn Sink + Send + 'w>> {
    Ok(match (format, target) {
        (Format::Files | Format::Eml, Target::Path(path)) => Box::new(folder::Folder::open(&path)?),
        (Format::Mbox, Target::Path(path)) => Box::new(mbox::Mboxes::open(&path)?),
        (Format::Zip, Target::Path(path)) => Box::new(zip::ZipFile::create(&path)?),
        (Format::Zip, Target::Stream(out)) => Box::new(zip::ZipStream::new(out)),
        (Format::Zip, Target::Archive(out)) => Box::new(zip::ZipStream::with_report(out)),
        (format, Target::Stream(_)) => {
            return Err(Error::Usage(format!(
                "standard output takes one file, and '{format}' makes many; \
                 name a folder, or take 'zip'"
            )));
        }
        (format, Target::Archive(_)) => {
            return Err(Error::Usage(format!("'{format}' is not one file; take 'zip'")));
        }
    })
}

async fn write(
    files: Vec<File>,
    mut sink: Box<dyn Sink + Send + '_>,
    progress: &Progress,
    report: &mut ExportReport,
) -> Result<()> {
    let mut read = futures::stream::iter(&files)
        .map(|file| async move { (file, read_ahead(&file.item).await) })
        .buffered(READ_AHEAD);
    while let Some((file, content)) = read.next().await {
        let put = |content| tokio::task::block_in_place(|| sink.put(file, &content));
        match content.and_then(put) {
            Ok(()) => {
                let bytes = crate::compare::size(&file.item.found.node);
                progress.item_done(bytes);
                report.items_exported += 1;
                report.bytes += bytes;
            }
            Err(error) if error.exit() == Exit::Damaged => {
                progress.item_done(0);
                report.failed(file.item.found.path(), &error);
            }
            Err(error) => return Err(error),
        }
    }
    drop(read);
    report.settle();
    tokio::task::block_in_place(|| sink.finish(report))
}

/// The bytes of a small item; of a large one the way to them.
async fn read_ahead(item: &Picked) -> Result<Content<'_>> {
    if crate::compare::size(&item.found.node) > READ_AHEAD_BYTES {
        return Ok(Content::Stored(item));
    }
    let (reader, node) = (item.reader.clone(), item.found.node.clone());
    blocking(move || Ok(Content::Read(reader.bytes(&node)?))).await
}
