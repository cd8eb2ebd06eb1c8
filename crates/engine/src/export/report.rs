//! The report in an exported ZIP, and how somebody who only gets the ZIP finds it: it is the last
//! file, so that the stream need not be held, nor read twice.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::ExportReport;

/// Name of the report in the ZIP. No exported file has it.
pub const REPORT: &str = "holdfast-export.json";

/// How a file in a ZIP begins, and how much stands before its name.
const SIGNATURE: [u8; 4] = 0x0403_4b50_u32.to_le_bytes();
const HEAD: usize = 30;

/// Largest report that is read: deflated, and whole.
const MAX_PACKED: usize = 64 * 1024 * 1024;
const MAX_REPORT: u64 = 256 * 1024 * 1024;

/// Finds the report in a ZIP that goes by. The ZIP is not trusted.
#[derive(Default)]
pub struct ReportReader {
    /// What has come since the last beginning of a report; else the last bytes.
    kept: Vec<u8>,
    has_begun: bool,
}

impl ReportReader {
    /// Takes the next bytes of the ZIP.
    pub fn take(&mut self, bytes: &[u8]) {
        let seen = self.kept.len().saturating_sub(HEAD + REPORT.len() - 1);
        self.kept.extend_from_slice(bytes);
        // What looks like one may be a part of something exported: the last one is the report.
        if let Some(at) = last_report(&self.kept[seen..]) {
            self.kept.drain(..seen + at);
            self.has_begun = true;
        }
        if !self.has_begun || self.kept.len() > MAX_PACKED {
            let short = self.kept.len().min(HEAD + REPORT.len() - 1);
            self.kept.drain(..self.kept.len() - short);
            self.has_begun = false;
        }
    }

    /// The report; `None` where there was none, so that the ZIP is not whole.
    pub fn report(self) -> Option<ExportReport> {
        let head = self.kept.get(..HEAD).filter(|_| self.has_begun)?;
        let extra = usize::from(u16::from_le_bytes([head[28], head[29]]));
        let packed = self.kept.get(HEAD + REPORT.len() + extra..)?;
        serde_json::from_reader(DeflateDecoder::new(packed).take(MAX_REPORT)).ok()
    }
}

/// Where the last file that has the name of the report begins.
fn last_report(bytes: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(HEAD + REPORT.len());
    let length = (REPORT.len() as u16).to_le_bytes();
    windows.rposition(|window| {
        window[0] == SIGNATURE[0]
            && window.starts_with(&SIGNATURE)
            && window[26..28] == length
            && window.ends_with(REPORT.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use holdfast_model::{Outcome, Timestamp};

    use super::super::zip::archive;
    use super::super::{Format, Problem, ProblemKind};
    use super::*;

    fn report(items_failed: u64) -> ExportReport {
        ExportReport {
            outcome: Outcome::Partial,
            resource: "ann".to_owned(),
            restore_point: Timestamp::UNIX_EPOCH,
            format: Format::Zip,
            items_exported: 7,
            items_failed,
            bytes: 1,
            files: 7,
            out: "-".to_owned(),
            problems: vec![Problem {
                path: "x".repeat(10_000),
                kind: ProblemKind::Failed,
                detail: "damaged".to_owned(),
            }],
        }
    }

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        archive(files, "2026-03-02T08:00:00Z".parse().unwrap()).unwrap()
    }

    fn read(zip: &[u8], piece: usize) -> Option<ExportReport> {
        let mut reader = ReportReader::default();
        zip.chunks(piece).for_each(|bytes| reader.take(bytes));
        reader.report()
    }

    #[test]
    fn the_last_file_is_the_report_however_the_zip_comes() {
        let text = |failed| serde_json::to_string(&report(failed)).unwrap();
        // Somebody was sent an export: it is no report of this one.
        let decoy = String::from_utf8_lossy(&zipped(&[(REPORT, &text(9))])).into_owned();
        let whole = zipped(&[("a.zip", &decoy), (REPORT, &text(5)), (REPORT, &text(3))]);
        for piece in [1, 7, 49, 50, 51, 4096, whole.len()] {
            let found = read(&whole, piece).unwrap();
            assert_eq!((found.items_failed, found.items_exported), (3, 7), "{piece}");
            assert_eq!(found.problems, report(3).problems);
        }
    }

    #[test]
    fn a_zip_that_is_cut_or_has_none_gives_no_report() {
        let text = serde_json::to_string(&report(1)).unwrap();
        let whole = zipped(&[("a.txt", &"a".repeat(100_000)), (REPORT, &text)]);
        let start = last_report(&whole).unwrap();
        for end in [0, start, start + 49, start + 50, start + 60, start + 100] {
            assert!(read(&whole[..end], 64).is_none(), "{end}");
        }
        assert!(read(&zipped(&[("a.txt", "b")]), 64).is_none());
    }
}
