//! An export as a ZIP that streams: nothing is read back or written twice, so that it can go
//! through a pipe.
//!
//! APPNOTE.TXT 6.3.10 (PKWARE, 2022): sizes and checksum follow each file (bit 3), names are UTF-8
//! (bit 11), what does not fit 32 bits stands in ZIP64 records. The date is in the DOS field (in
//! UTC, whole pairs of seconds) and exactly in the extended timestamp (0x5455).
//!
//! All is deflated; what is compressed already goes in stored blocks of deflate, which cost no time
//! and 5 bytes in 64 KiB: the method "stored" cannot be read from a pipe when its size comes after.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use holdfast_model::Timestamp;
use jiff::tz::TimeZone;

use super::names::File;
use super::part::{Part, Root};
use super::{Content, ExportReport, REPORT, Sink};
use crate::{Error, Result, compare};

/// Sizes and offsets from here on stand in ZIP64 records. A deflated file grows by less than the
/// distance to 32 bits.
const ZIP64_FROM: u64 = 0xff00_0000;

const IN_ZIP64: u32 = u32::MAX;

/// Version needed for ZIP64; made on Unix.
const VERSION: u16 = 45;
const MADE_BY: u16 = 3 << 8 | VERSION;

/// Sizes follow; names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;

const DEFLATE: u16 = 8;

/// A regular file that its owner reads and writes.
const MODE: u32 = 0o100_600 << 16;

/// Endings of files that are compressed already.
const COMPRESSED: [&str; 44] = [
    "7z", "aac", "apk", "avi", "avif", "bz2", "cab", "docm", "docx", "epub", "flac", "gif", "gz",
    "heic", "jar", "jpeg", "jpg", "lz4", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg",
    "odp", "ods", "odt", "ogg", "opus", "png", "potx", "pptx", "rar", "vsdx", "webm", "webp",
    "wma", "wmv", "xlsm", "xlsx", "xz", "zip",
];

/// Counts what goes through.
struct Counted<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Deflates what is written to it and sums it up.
struct Body<W: Write> {
    out: DeflateEncoder<W>,
    crc: Crc,
}

impl<W: Write> Write for Body<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A ZIP on its way.
struct Zip<W: Write> {
    out: Counted<W>,
    /// The central directory so far.
    directory: Vec<u8>,
    files: u64,
    zip64_from: u64,
}

/// A file in it.
struct Entry<'n> {
    name: &'n str,
    date: Timestamp,
    /// Bytes that will come.
    size: u64,
}

/// What is known of a file once it is written.
struct Written {
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl<W: Write> Zip<W> {
    fn new(out: W) -> Self {
        let out = Counted { out, count: 0 };
        Self { out, directory: Vec::new(), files: 0, zip64_from: ZIP64_FROM }
    }

    /// Adds a file with what `content` writes. Where that fails half way, the file is left out of
    /// the directory, and the ZIP goes on.
    fn file(
        &mut self,
        entry: &Entry<'_>,
        shown: &str,
        content: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let failed = |source| Error::File { action: "write", path: shown.into(), source };
        let offset = self.out.count;
        self.out.write_all(&local_header(entry, self.zip64_from)).map_err(failed)?;
        let start = self.out.count;
        let (copied, crc, size) = {
            let out = DeflateEncoder::new(&mut self.out, level(entry.name));
            let mut body = Body { out, crc: Crc::new() };
            let copied = content(&mut body);
            body.out.try_finish().map_err(failed)?;
            (copied, body.crc.sum(), body.out.total_in())
        };
        let written = Written { crc, packed: self.out.count - start, size, offset };
        let descriptor = descriptor(&written, entry.size >= self.zip64_from);
        self.out.write_all(&descriptor).map_err(failed)?;
        copied?;
        self.directory.extend(central_header(entry, &written, self.zip64_from));
        self.files += 1;
        Ok(())
    }

    /// Writes the directory; answers with the number of files.
    fn finish(mut self) -> io::Result<(W, u64)> {
        let start = self.out.count;
        self.out.write_all(&self.directory)?;
        let end = self.out.count;
        let (size, files) = (end - start, self.files);
        if end >= self.zip64_from || files >= u64::from(u16::MAX) {
            self.out.write_all(&end_64(files, size, start, end))?;
        }
        let short = u16::try_from(files).unwrap_or(u16::MAX);
        let mut record = Record::new(0x0605_4b50);
        record.u16(0).u16(0).u16(short).u16(short);
        record.u32(limited(size, self.zip64_from)).u32(limited(start, self.zip64_from)).u16(0);
        self.out.write_all(&record.0)?;
        self.out.flush()?;
        Ok((self.out.out, files))
    }
}

/// A record of little-endian numbers.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }
}

fn local_header(entry: &Entry<'_>, zip64_from: u64) -> Vec<u8> {
    let is_large = entry.size >= zip64_from;
    // The sizes that stand here are told later; that they stand here says how long they will be.
    let numbers: &[u64] = if is_large { &[0, 0] } else { &[] };
    let (size, extra) = (if is_large { IN_ZIP64 } else { 0 }, extra(entry.date, numbers));
    let mut record = Record::new(0x0403_4b50);
    record.u16(VERSION).u16(FLAGS).u16(DEFLATE).u32(dos(entry.date)).u32(0).u32(size).u32(size);
    record.u16(entry.name.len() as u16).u16(extra.len() as u16);
    [record.0.as_slice(), entry.name.as_bytes(), &extra].concat()
}

fn descriptor(written: &Written, is_large: bool) -> Vec<u8> {
    let mut record = Record::new(0x0807_4b50);
    record.u32(written.crc);
    match is_large {
        true => record.u64(written.packed).u64(written.size),
        false => record.u32(written.packed as u32).u32(written.size as u32),
    };
    record.0
}

fn central_header(entry: &Entry<'_>, written: &Written, zip64_from: u64) -> Vec<u8> {
    let numbers = [written.size, written.packed, written.offset];
    let large: Vec<u64> = numbers.into_iter().filter(|number| *number >= zip64_from).collect();
    let [size, packed, offset] = numbers.map(|number| limited(number, zip64_from));
    let extra = extra(entry.date, &large);
    let mut record = Record::new(0x0201_4b50);
    record.u16(MADE_BY).u16(VERSION).u16(FLAGS).u16(DEFLATE).u32(dos(entry.date));
    record.u32(written.crc).u32(packed).u32(size);
    record.u16(entry.name.len() as u16).u16(extra.len() as u16);
    record.u16(0).u16(0).u16(0).u32(MODE).u32(offset);
    [record.0.as_slice(), entry.name.as_bytes(), &extra].concat()
}

/// ZIP64 end of the directory, and where it stands.
fn end_64(files: u64, size: u64, start: u64, at: u64) -> Vec<u8> {
    let mut record = Record::new(0x0606_4b50);
    record.u64(44).u16(MADE_BY).u16(VERSION).u32(0).u32(0);
    record.u64(files).u64(files).u64(size).u64(start);
    let mut locator = Record::new(0x0706_4b50);
    locator.u32(0).u64(at).u32(1);
    [record.0, locator.0].concat()
}

/// Extra fields: large numbers, and the date as far as it fits 32 bits (until 2038).
fn extra(date: Timestamp, large: &[u64]) -> Vec<u8> {
    let mut extra = Record(Vec::new());
    if !large.is_empty() {
        extra.u16(0x0001).u16(8 * large.len() as u16);
        for number in large {
            extra.u64(*number);
        }
    }
    if let Ok(seconds) = i32::try_from(date.as_second()) {
        extra.u16(0x5455).u16(5);
        extra.0.push(1);
        extra.0.extend(seconds.to_le_bytes());
    }
    extra.0
}

fn limited(number: u64, zip64_from: u64) -> u32 {
    if number >= zip64_from { IN_ZIP64 } else { number as u32 }
}

/// Time and date as DOS has them: from 1980 to 2107.
fn dos(date: Timestamp) -> u32 {
    let civil = date.to_zoned(TimeZone::UTC).datetime();
    let year = i32::from(civil.year()) - 1980;
    let number = |part: i8| u32::from(part.unsigned_abs());
    match u32::try_from(year) {
        Err(_) => 1 << 21 | 1 << 16,
        Ok(year) if year > 127 => 127 << 25 | 12 << 21 | 31 << 16 | 23 << 11 | 59 << 5 | 29,
        Ok(year) => {
            let day = year << 25 | number(civil.month()) << 21 | number(civil.day()) << 16;
            let seconds = number(civil.second()) / 2;
            day | number(civil.hour()) << 11 | number(civil.minute()) << 5 | seconds
        }
    }
}

fn level(name: &str) -> Compression {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.is_some_and(|ending| COMPRESSED.contains(&ending.as_str())) {
        true => Compression::none(),
        false => Compression::default(),
    }
}

fn put<W: Write>(zip: &mut Zip<W>, shown: &str, file: &File, content: &Content<'_>) -> Result<()> {
    let (name, size) = (file.path(), compare::size(&file.item.found.node));
    let entry = Entry { name: &name, date: file.date, size };
    zip.file(&entry, shown, |out| content.copy(out, shown))
}

/// A ZIP of small files that are at hand, in memory.
pub(crate) fn archive(files: &[(&str, &str)], date: Timestamp) -> Result<Vec<u8>> {
    let mut zip = Zip::new(Vec::new());
    for (name, text) in files {
        let entry = Entry { name, date, size: text.len() as u64 };
        let failed = |source| Error::File { action: "write", path: (*name).into(), source };
        zip.file(&entry, name, |out| out.write_all(text.as_bytes()).map_err(failed))?;
    }
    let failed = |source| Error::File { action: "write", path: "the archive".into(), source };
    Ok(zip.finish().map_err(failed)?.0)
}

/// A ZIP that goes to a file.
pub(super) struct ZipFile {
    zip: Zip<Part>,
    shown: String,
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl ZipFile {
    /// To a file that is not there yet.
    pub fn create(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::Usage(format!("'{shown}' cannot be the name of a ZIP file")));
        };
        if path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!(
                "{shown} is there already and is not overwritten; name a new file"
            )));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let part = Root::at(&folder)?.part(&Arc::default(), name)?;
        Ok(Self { zip: Zip::new(part), shown })
    }
}

impl Sink for ZipFile {
    fn put(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        put(&mut self.zip, &self.shown, file, content)
    }

    fn finish(self: Box<Self>, report: &mut ExportReport) -> Result<()> {
        let shown = self.shown;
        let failed = |source| Error::File { action: "write", path: shown.into(), source };
        let written = self.zip.finish().and_then(|(part, files)| {
            part.file.sync_all()?;
            Ok((part, files))
        });
        let (part, files) = written.map_err(failed)?;
        part.finish(None)?;
        report.files = files;
        Ok(())
    }
}

/// A ZIP that goes through a pipe.
pub(super) struct ZipStream<'w> {
    zip: Zip<&'w mut (dyn Write + Send)>,
    has_report: bool,
}

/// How a stream is called in errors.
const STREAM: &str = "standard output";

impl<'w> ZipStream<'w> {
    pub fn new(out: &'w mut (dyn Write + Send)) -> Self {
        Self { zip: Zip::new(out), has_report: false }
    }

    /// One whose last file is the report.
    pub fn with_report(out: &'w mut (dyn Write + Send)) -> Self {
        Self { has_report: true, ..Self::new(out) }
    }
}

impl Sink for ZipStream<'_> {
    fn put(&mut self, file: &File, content: &Content<'_>) -> Result<()> {
        put(&mut self.zip, STREAM, file, content)
    }

    fn finish(mut self: Box<Self>, report: &mut ExportReport) -> Result<()> {
        let failed = |source| Error::File { action: "write", path: STREAM.into(), source };
        report.files = self.zip.files;
        if self.has_report {
            let text = serde_json::to_vec_pretty(report).expect("a report has text keys");
            let (date, size) = (report.restore_point, text.len() as u64);
            let entry = Entry { name: REPORT, date, size };
            self.zip.file(&entry, STREAM, |out| out.write_all(&text).map_err(failed))?;
        }
        self.zip.finish().map_err(failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
