//! The tables, and the page that holds them.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use holdfast_model::Clock;

use super::process::{Measured, run};
use super::{rival, say};

const BEGIN: &str = "<!-- bench: begin (written by cargo xtask bench) -->";
const END: &str = "<!-- bench: end -->";

/// A figure beside what it should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    figure: f64,
    words: String,
    /// Nothing where the target does not apply.
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

    fn verdict(&self) -> &'static str {
        match self.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
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
    pub(crate) fn here(binary: &Path) -> Result<Self> {
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
        let holdfast = run(Command::new(binary).arg("--version"))?;
        let (holdfast, restic) = (holdfast.trim(), rival::version()?);
        let restic = restic.trim();
        let gb = kib * 1024.0 / 1e9;
        let words = format!(
            "{cores} cores ({model}), {gb:.0} GB of memory, load {load} from other work when the \
             bench began; {holdfast} (release build), {restic}"
        );
        Ok(Self { date, words })
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    notes: Vec<String>,
    rows: Vec<String>,
    processes: Vec<String>,
}

impl Report {
    pub(crate) fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, notes: Vec::new(), rows: Vec::new(), processes: Vec::new() }
    }

    /// A figure of ours, the rival's, and what it should be.
    pub(crate) fn row(&mut self, work: &str, ours: &str, rival: &str, target: Target) {
        let (number, verdict) = (figure(target.figure), target.verdict());
        let words = target.words;
        let row = format!("| {work} | {ours} | {rival} | {number} | {words} | {verdict} |");
        say(&row);
        self.rows.push(row);
    }

    /// What a process used.
    pub(crate) fn used(&mut self, work: &str, used: &Measured) {
        let Measured { cpu, wall, peak, .. } = used;
        self.processes.push(format!("| {work} | {cpu:.2} | {wall:.1} | {peak:.0} |"));
    }

    /// A sentence about what was measured.
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// The tables as they stand in the page.
    pub(crate) fn markdown(&self) -> String {
        let command = if self.quick { "cargo xtask bench --quick" } else { "cargo xtask bench" };
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "`{command}`, {}; {}.\n", self.machine.date, self.machine.words);
        for note in &self.notes {
            let _ = writeln!(text, "{note}\n");
        }
        text.push_str(
            "| work | Holdfast | restic | figure | target | |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        text.push_str("\n| process | CPU s | wall s | peak MB |\n|---|---|---|---|\n");
        for row in &self.processes {
            let _ = writeln!(text, "{row}");
        }
        text
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

/// Puts the tables between the marks of the page; what stands around them is kept.
pub(crate) fn write(page: &Path, tables: &str) -> Result<()> {
    let failed = || format!("cannot update {}", page.display());
    let text = fs::read_to_string(page).with_context(failed)?;
    fs::write(page, replaced(&text, tables).with_context(failed)?).with_context(failed)
}

fn replaced(page: &str, tables: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the mark of the beginning is missing")?;
    let (_, after) = rest.split_once(END).context("the mark of the end is missing")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("# Speed\n\n{BEGIN}\nold\n{END}\n\nwords\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Speed\n\n{BEGIN}\n\nnew\n\n{END}\n\nwords\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert!(replaced("# Speed\n", "new").is_err());
        assert!(replaced(&format!("{END}{BEGIN}"), "new").is_err());
    }

    #[test]
    fn a_missed_target_is_said_to_be_missed() {
        let machine = Machine { date: "2026-01-02".into(), words: "1 core".into() };
        let mut report = Report::new(machine, false);
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
    }

    #[test]
    fn figures_have_about_three_digits() {
        assert_eq!([0.1234, 12.34, 1234.4].map(figure), ["0.12", "12.3", "1234"]);
        assert_eq!(mb(1_234_000), "1.23 MB");
    }
}
