//! The tables, and the page that holds them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use holdfast_model::Clock;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::process::Measured;
use super::{rival, say};

/// What is measured usually.
const RELEASE: &str = "release build";

/// Which part of the page a campaign writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Section {
    Product,
    Drives,
    Vault,
    Catalog,
    Recover,
    Leases,
    Server,
}

impl Section {
    fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Product => {
                ["<!-- bench: begin (written by cargo xtask bench) -->", "<!-- bench: end -->"]
            }
            Self::Drives => [
                "<!-- bench drives: begin (written by cargo xtask bench drives --write) -->",
                "<!-- bench drives: end -->",
            ],
            Self::Vault => [
                "<!-- bench vault: begin (written by cargo xtask bench vault) -->",
                "<!-- bench vault: end -->",
            ],
            Self::Catalog => [
                "<!-- bench catalog: begin (written by cargo xtask bench catalog --write) -->",
                "<!-- bench catalog: end -->",
            ],
            Self::Recover => [
                "<!-- bench recover: begin (written by cargo xtask bench recover --write) -->",
                "<!-- bench recover: end -->",
            ],
            Self::Leases => [
                "<!-- bench leases: begin (written by cargo xtask bench leases --write) -->",
                "<!-- bench leases: end -->",
            ],
            Self::Server => [
                "<!-- bench server: begin (written by cargo xtask bench server --write) -->",
                "<!-- bench server: end -->",
            ],
        }
    }
}

/// A figure beside what it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Target {
    figure: f64,
    #[serde(rename = "target")]
    words: String,
    /// Nothing where the target does not apply.
    #[serde(rename = "met")]
    is_met: Option<bool>,
}

impl Target {
    /// Must not be more than `most`.
    pub(crate) fn at_most(figure: f64, most: f64, words: &str) -> Self {
        Self { figure, words: format!("≤ {words}"), is_met: Some(figure <= most) }
    }

    /// Must lie between two limits.
    pub(crate) fn between(figure: f64, least: f64, most: f64, words: &str) -> Self {
        let is_met = Some((least..=most).contains(&figure));
        Self { figure, words: words.to_owned(), is_met }
    }

    /// A figure to which the target does not apply.
    pub(crate) fn none(figure: f64, words: &str) -> Self {
        Self { figure, words: format!("≤ {words}"), is_met: None }
    }

    /// A figure for which there is no target.
    pub(crate) fn without(figure: f64) -> Self {
        Self { figure, words: String::new(), is_met: None }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None if self.words.is_empty() => "",
            None => "does not apply",
        }
    }
}

/// Where and with what was measured.
pub(crate) struct Machine {
    date: String,
    words: String,
}

impl Machine {
    /// This machine; `ours` is the version line of what is measured.
    pub(crate) fn here(ours: &str) -> Result<Self> {
        let date = Clock::system().now().strftime("%Y-%m-%d").to_string();
        let cores = std::thread::available_parallelism()?;
        let field = |path: &str, name: &str| -> Option<String> {
            let text = fs::read_to_string(path).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?.split_once(':')?.1;
            Some(line.trim().to_owned())
        };
        let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: f64 = memory.split_whitespace().next().unwrap_or_default().parse().unwrap_or(0.0);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or_default();
        let (ours, restic) = (ours.trim(), rival::version()?);
        let restic = restic.trim();
        let borg = rival::borg_version().map(|version| format!(", {version}")).unwrap_or_default();
        let gb = kib * 1024.0 / 1e9;
        let words = format!(
            "{cores} cores ({model}), {gb:.0} GB of memory, load {load} from other work when the \
             bench began; {ours} ({RELEASE}), {restic}{borg}"
        );
        Ok(Self { date, words })
    }

    /// The same, said of what was built for development: several times slower.
    pub(crate) fn with_dev_build(mut self, is_dev: bool) -> Self {
        if is_dev {
            self.words = self.words.replace(RELEASE, "**dev build: not what users get**");
        }
        self
    }

    /// The line above a table that this command has made.
    pub(crate) fn line(&self, command: &str) -> String {
        format!("`{command}`, {}; {}.", self.date, self.words)
    }
}

/// A row of the table.
#[derive(Serialize)]
struct Row {
    work: String,
    ours: String,
    rival: String,
    #[serde(flatten)]
    target: Target,
}

/// What a process used.
#[derive(Serialize)]
struct Used {
    work: String,
    cpu_s: f64,
    wall_s: f64,
    peak_mb: f64,
}

/// Everything that was measured.
pub(crate) struct Report {
    machine: Machine,
    command: String,
    notes: Vec<String>,
    rows: Vec<Row>,
    processes: Vec<Used>,
    /// Figures that scripts read, by their names in the JSON form.
    named: Map<String, Value>,
}

impl Report {
    pub(crate) fn new(machine: Machine, command: &str) -> Self {
        Self {
            machine,
            command: command.to_owned(),
            notes: Vec::new(),
            rows: Vec::new(),
            processes: Vec::new(),
            named: Map::new(),
        }
    }

    /// A figure of ours, the rival's, and what it should be.
    pub(crate) fn row(&mut self, work: &str, ours: &str, rival: &str, target: Target) {
        let [work, ours, rival] = [work, ours, rival].map(str::to_owned);
        let row = Row { work, ours, rival, target };
        say(&row.markdown());
        self.rows.push(row);
    }

    /// What a process used.
    pub(crate) fn used(&mut self, work: &str, used: &Measured) {
        let Measured { cpu, wall, peak, .. } = *used;
        self.processes.push(Used {
            work: work.to_owned(),
            cpu_s: cpu,
            wall_s: wall,
            peak_mb: peak,
        });
    }

    /// A sentence about what was measured.
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// A figure that scripts read.
    pub(crate) fn name(&mut self, name: &str, figure: f64) {
        self.named.insert(name.to_owned(), json!((figure * 1e4).round() / 1e4));
    }

    /// The tables as they stand in the page.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n", self.machine.line(&self.command));
        for note in &self.notes {
            let _ = writeln!(text, "{note}\n");
        }
        text.push_str(
            "| work | Holdfast | rival | figure | target | |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.markdown());
        }
        text.push_str("\n| process | CPU s | wall s | peak MB |\n|---|---|---|---|\n");
        for Used { work, cpu_s, wall_s, peak_mb } in &self.processes {
            let _ = writeln!(text, "| {work} | {cpu_s:.2} | {wall_s:.1} | {peak_mb:.0} |");
        }
        text
    }

    /// The same for scripts.
    pub(crate) fn json(&self) -> Value {
        let mut document = self.named.clone();
        let more = json!({
            "command": self.command,
            "date": self.machine.date,
            "machine": self.machine.words,
            "notes": self.notes,
            "rows": self.rows,
            "processes": self.processes,
        });
        document.extend(more.as_object().cloned().unwrap_or_default());
        Value::Object(document)
    }
}

impl Row {
    fn markdown(&self) -> String {
        let Self { work, ours, rival, target } = self;
        let (number, verdict) = (figure(target.figure), target.verdict());
        format!("| {work} | {ours} | {rival} | {number} | {} | {verdict} |", target.words)
    }
}

/// A number with about three digits.
pub(crate) fn figure(number: f64) -> String {
    match number.abs() {
        small if small < 10.0 => format!("{number:.2}"),
        middle if middle < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Bytes in MB (10⁶).
pub(crate) fn mb(bytes: u64) -> String {
    format!("{} MB", figure(bytes as f64 / 1e6))
}

/// Puts the tables between the marks of a section; what stands around them is kept.
pub(crate) fn write(page: &Path, section: Section, tables: &str) -> Result<()> {
    let failed = || format!("cannot update {}", page.display());
    let text = fs::read_to_string(page).with_context(failed)?;
    fs::write(page, replaced(&text, section, tables).with_context(failed)?).with_context(failed)
}

fn replaced(page: &str, section: Section, tables: &str) -> Result<String> {
    let [begin, end] = section.marks();
    let (before, rest) = page.split_once(begin).context("the mark of the beginning is missing")?;
    let (_, after) = rest.split_once(end).context("the mark of the end is missing")?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", tables.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let [[begin, end], [other, last]] = [Section::Product, Section::Vault].map(Section::marks);
        let rest = format!("words\n{other}\n\nolder\n\n{last}\n");
        let page = format!("# Speed\n\n{begin}\nold\n{end}\n\n{rest}");
        let new = replaced(&page, Section::Product, "new\n").unwrap();
        assert_eq!(new, format!("# Speed\n\n{begin}\n\nnew\n\n{end}\n\n{rest}"));
        assert_eq!(replaced(&new, Section::Product, "new\n").unwrap(), new);
        let both = replaced(&new, Section::Vault, "newer").unwrap();
        assert_eq!(both, new.replace("older", "newer"));
        assert!(replaced("# Speed\n", Section::Product, "new").is_err());
        assert!(replaced(&format!("{end}{begin}"), Section::Product, "new").is_err());
    }

    #[test]
    fn a_missed_target_is_said_to_be_missed() {
        let machine = Machine { date: "2026-01-02".into(), words: "1 core".into() };
        let mut report = Report::new(machine, "cargo xtask bench");
        report.row("fast", "1", "2", Target::at_most(0.5, 0.5, "0.5"));
        report.row("slow", "2", "2", Target::at_most(1.0, 0.5, "0.5"));
        report.row("same", "2", "2", Target::between(1.31, 0.7, 1.3, "0.7 to 1.3"));
        report.row("other", "2", "2", Target::none(9.0, "0.6"));
        let text = report.markdown();
        assert!(text.contains("| fast | 1 | 2 | 0.50 | ≤ 0.5 | met |"), "{text}");
        assert!(text.contains("| slow | 2 | 2 | 1.00 | ≤ 0.5 | **missed** |"), "{text}");
        assert!(text.contains("| 1.31 | 0.7 to 1.3 | **missed** |"), "{text}");
        assert!(text.contains("| 9.00 | ≤ 0.6 | does not apply |"), "{text}");
        assert!(text.contains("2026-01-02; 1 core."), "{text}");
        report.name("cpu_ratio", 0.123_456);
        let json = report.json();
        assert_eq!(json["cpu_ratio"], 0.1235);
        assert_eq!(json["rows"][1]["met"], false);
        assert_eq!(json["rows"][1]["figure"], 1.0);
        assert_eq!(json["rows"][3]["met"], Value::Null);
    }

    #[test]
    fn figures_have_about_three_digits() {
        assert_eq!([0.1234, 12.34, 1234.4].map(figure), ["0.12", "12.3", "1234"]);
        assert_eq!(mb(1_234_000), "1.23 MB");
    }
}
