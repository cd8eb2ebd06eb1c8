//! What the demo says: each step in one plain sentence, then its figures.

use std::time::Instant;

use holdfast_engine::backup::BackupReport;
use holdfast_engine::browse::Entry;
use holdfast_engine::restore::RestoreReport;
use holdfast_engine::tenant::TestReport;
use holdfast_sim::{DriveView, RansomView};

use super::Report;
use super::compare::Comparison;
use super::files::FileProof;
use super::restic::Witness;
use super::scene::{Changes, Victim};
use crate::commands::backup::summary as backup_summary;
use crate::commands::restore::{loss_name, loss_words, summary as restore_summary};
use crate::error::Result;
use crate::output::{Output, clean, count, of, short, table, time};

/// Messages of a listing that are shown.
const SHOWN: usize = 4;

/// Tells the story, with numbers for its steps and the time each one took.
pub struct Script {
    out: Output,
    step: usize,
    since: Instant,
}

impl Script {
    pub fn new(out: Output) -> Self {
        Self { out, step: 0, since: Instant::now() }
    }

    /// A step: heading, what happens and why it matters.
    fn step(&mut self, title: &str, why: &str, lines: &[String]) -> Result<()> {
        self.step += 1;
        let heading = self.out.heading(&format!("{}. {title}", self.step));
        let mut text = format!("\n{heading}\n");
        for line in why.lines() {
            text.push_str(&format!("   {}\n", line.trim()));
        }
        for line in lines.iter().flat_map(|line| line.lines()) {
            text.push_str(&format!("     {line}\n"));
        }
        self.since = Instant::now();
        self.out.say(text.trim_end())
    }

    fn seconds(&self) -> String {
        format!("{:.1} s", self.since.elapsed().as_secs_f64())
    }

    pub fn opening(&self) -> Result<()> {
        let title =
            self.out.heading("Holdfast: your half of Microsoft 365's shared responsibility");
        self.out.say(&format!(
            "{title}\n\
             Microsoft keeps the service running; keeping the data safe is the customer's part. This demo\n\
             shows it on an invented company: backup, a loss, a restore, and the proof that it worked.\n\
             Everything happens on this machine, in a temporary folder."
        ))
    }

    pub fn tenant(&mut self, users: usize, messages: usize) -> Result<()> {
        self.step(
            "A company with mail",
            "A simulated Microsoft 365 tenant starts. It speaks Microsoft Graph over HTTPS, so Holdfast\n\
             talks to it exactly as it would to Microsoft.",
            &[format!("{}, {}", of(users as u64, "mailbox"), of(messages as u64, "message"))],
        )
    }

    pub fn installed(&mut self, tested: &[TestReport]) -> Result<()> {
        let mut lines = vec![
            "$ holdfast init --vault vault --passphrase-file …".to_owned(),
            "$ holdfast tenant add contoso --tenant-id … --client-id … --restore-client-id …"
                .to_owned(),
            "$ holdfast tenant test contoso".to_owned(),
        ];
        for report in tested {
            let uses: Vec<String> = report.features.iter().map(ToString::to_string).collect();
            let missing = report.permissions.missing.len();
            lines.push(match missing {
                0 => format!("Registration for {}: has what it needs", uses.join(" and ")),
                _ => format!("Registration for {}: lacks permissions", uses.join(" and ")),
            });
        }
        self.step(
            "A vault and a connection",
            "The vault is a folder of the company's own, encrypted under its own passphrase. The\n\
             application that backs up can only read; a second one, which may write, serves restores.",
            &lines,
        )
    }

    pub fn first_backup(&mut self, report: &BackupReport) -> Result<()> {
        let seconds = self.seconds();
        self.step(
            "The first backup",
            "Every message is fetched once, as the very bytes that were sent, and stored compressed,\n\
             encrypted and without doubles.",
            &["$ holdfast backup".to_owned(), backup_summary(&report.into()), seconds],
        )
    }

    pub fn loss(&mut self, victim: &Victim, in_mailbox: usize, changes: &Changes) -> Result<()> {
        let lost = format!(
            "{} loses the folder {}: {} of {}, deleted for good",
            clean(&victim.user.upn),
            clean(&victim.folder.path.join("/")),
            count(victim.messages as u64),
            of(in_mailbox as u64, "message"),
        );
        let changed = format!(
            "{}: {} arrived, {} marked read or unread, {} given a category, {} moved, {} deleted",
            clean(&changes.user),
            changes.arrived,
            changes.marked,
            changes.categorised,
            changes.moved,
            changes.discarded + changes.deleted,
        );
        self.step(
            "Something goes wrong",
            "Somebody deletes a folder past the recycle bin. Microsoft replicates that deletion, it does\n\
             not undo it. Meanwhile a colleague simply goes on working.",
            &[lost, changed],
        )
    }

    pub fn incremental(&mut self, report: &BackupReport, first: &BackupReport) -> Result<()> {
        let seconds = self.seconds();
        let cost = format!(
            "{} instead of {}: one question per folder, one fetch per new message",
            of(report.requests, "request"),
            count(first.requests),
        );
        self.step(
            "The next backup",
            "Only what changed is asked for, so its cost follows the change, not the size. A message that\n\
             was moved or marked is not fetched again. What was deleted stays in the earlier restore point.",
            &["$ holdfast backup".to_owned(), backup_summary(&report.into()), cost, seconds],
        )
    }

    pub fn found(
        &mut self,
        first: &BackupReport,
        victim: &Victim,
        entries: &[Entry],
        equal: usize,
    ) -> Result<()> {
        let id = first.snapshots.first().map_or("", |id| &id[..id.len().min(8)]);
        let mut lines = vec![format!(
            "$ holdfast ls --resource {} --at {id} -r '{}'",
            clean(&victim.user.upn),
            clean(&victim.folder.path.join("/")),
        )];
        let messages: Vec<&Entry> = entries.iter().filter(|e| e.kind == "message").collect();
        for entry in messages.iter().take(SHOWN) {
            lines.push(format!("{}  {}", time(entry.received), short(&entry.title, 60)));
        }
        if messages.len() > SHOWN {
            lines.push(format!("… and {} more", count((messages.len() - SHOWN) as u64)));
        }
        lines.push(format!(
            "{} of {} in the vault are byte for byte what the tenant gave before the loss",
            count(equal as u64),
            of(messages.len() as u64, "message"),
        ));
        self.step(
            "Looking back",
            "Every backup is a restore point. The one before the loss still shows the folder; it can be\n\
             listed and read without restoring anything.",
            &lines,
        )
    }

    pub fn dry_run(&mut self, report: &RestoreReport) -> Result<()> {
        let mut lines = vec!["$ holdfast restore … --dry-run".to_owned(), restore_summary(report)];
        for (loss, number) in &report.losses {
            let words = loss_words(&loss_name(*loss));
            lines.push(format!("{} with {words}", of(*number, "message")));
        }
        self.step(
            "A dry run",
            "Before anything is written, Holdfast says what it would write, and what Microsoft's interface\n\
             does not let anybody put back.",
            &lines,
        )
    }

    pub fn restored(&mut self, report: &RestoreReport) -> Result<()> {
        let seconds = self.seconds();
        let mut lines = vec!["$ holdfast restore …".to_owned(), restore_summary(report), seconds];
        for item in report.items.iter().filter(|item| item.result == "failed") {
            let detail = item.detail.as_deref().unwrap_or_default();
            lines.push(format!("failed: {}: {}", clean(&item.path), clean(detail)));
        }
        self.step(
            "The restore",
            "The folder is made again and each message written into it with its dates, marks and\n\
             attachments, read back, and compared. Running it twice doubles nothing.",
            &lines,
        )
    }

    pub fn comparison(
        &mut self,
        comparison: &Comparison,
        before: usize,
        after: usize,
    ) -> Result<()> {
        let mut lines = vec![
            format!(
                "{} lost, {} restored, {} too many; the mailbox had {} and has {} again",
                of(comparison.lost as u64, "message"),
                count(comparison.found as u64),
                count(comparison.surplus as u64),
                of(before as u64, "message"),
                count(after as u64),
            ),
            fields(comparison),
        ];
        for one in &comparison.announced {
            let (fields, subject) = (one.fields.join(", "), short(&one.subject, 50));
            lines.push(format!("as announced: '{subject}' ({}): {fields}", clean(&one.class)));
        }
        for one in &comparison.differences {
            let (fields, subject) = (one.fields.join(", "), short(&one.subject, 50));
            lines.push(format!("DIFFERENT: '{subject}' ({}): {fields}", clean(&one.class)));
        }
        self.step(
            "The proof",
            "Not Holdfast but the tenant itself is asked: each lost message as it was, against the\n\
             message that is there now.",
            &lines,
        )
    }

    pub fn ransomware(
        &mut self,
        drive: &DriveView,
        ransom: &RansomView,
        backup: &BackupReport,
    ) -> Result<()> {
        let owner = clean(drive.owner.as_deref().unwrap_or_default());
        self.step(
            "Ransomware",
            "A program encrypts a OneDrive file by file, renames what it encrypts, and leaves its demand\n\
             in each folder. The next backup stores that too: the restore point before it stays.",
            &[
                format!(
                    "{} of {owner} encrypted, {} left",
                    of(ransom.files.len() as u64, "file"),
                    of(ransom.notes.len() as u64, "ransom note"),
                ),
                "$ holdfast backup".to_owned(),
                backup_summary(&backup.into()),
            ],
        )
    }

    pub fn files_back(&mut self, report: &RestoreReport, proof: &FileProof) -> Result<()> {
        let seconds = self.seconds();
        self.step(
            "The files come back",
            "The OneDrive as it was the minute before: what is missing is written again, with its dates,\n\
             and compared with the hash that the service makes of what it received.",
            &[
                format!("$ holdfast restore --resource onedrive/{} --at …", clean(&proof.owner)),
                restore_summary(report),
                format!(
                    "the tenant shows {} of {} at their paths, byte for byte",
                    count(proof.back as u64),
                    of(proof.files as u64, "file"),
                ),
                seconds,
            ],
        )
    }

    pub fn restic(&mut self, witness: Option<&Witness>) -> Result<()> {
        let lines = match witness {
            None => vec!["restic is not installed here, so this step is left out".to_owned()],
            Some(witness) => vec![
                "$ restic -r vault/shards/1 --password-command 'holdfast vault password --shard 1' snapshots"
                    .to_owned(),
                clean_lines(&witness.snapshots),
                "$ restic … check --read-data".to_owned(),
                clean_lines(if witness.ok { last_line(&witness.check) } else { &witness.check }),
            ],
        };
        self.step(
            "No lock-in",
            "The vault is in the open format of restic: a free tool, written by others, lists and checks\n\
             it. The company can read its mail without Holdfast, for as long as it likes.",
            &lines,
        )
    }

    /// The last words.
    pub fn ending(&self, report: &Report, stays: bool) -> String {
        let title = self.out.heading(if report.ok { "Done" } else { "NOT PROVED" });
        let c = &report.comparison;
        let differing = c.differences.len() as u64;
        format!(
            "\n{title}\n   {} in {} are protected. {} lost, {} back, {}.\n   \
             The first backup took {}, the next one {}.{}",
            of(report.messages as u64, "message"),
            of(report.users as u64, "mailbox"),
            of(c.lost as u64, "message"),
            count(c.found as u64),
            match differing {
                0 => "no unexpected difference".to_owned(),
                n => of(n, "difference"),
            },
            of(report.first_backup.requests, "request"),
            count(report.incremental.requests),
            match stays {
                true => "",
                false =>
                    " The temporary folder is gone.\n   Try it yourself:  holdfast sim serve  and  \
                     holdfast --help",
            },
        )
    }
}

fn fields(comparison: &Comparison) -> String {
    let row = |field: &super::compare::Field| {
        let announced = match field.announced {
            0 => String::new(),
            n => n.to_string(),
        };
        vec![field.field.to_owned(), field.compared.to_string(), field.equal.to_string(), announced]
    };
    let rows = comparison.fields.iter().map(row).collect();
    table(&["field", "compared", "equal", "differs as announced"], rows, &[1, 2, 3])
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}
