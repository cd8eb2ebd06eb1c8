//! Whole processes, measured from outside: CPU seconds and peak memory by GNU time.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// GNU time: it reads the figures of a child from `wait4`, as nothing without unsafe code can.
const TIME: &str = "/usr/bin/time";

/// What a process used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// User and system time in seconds.
    pub(crate) cpu: f64,
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// The largest resident set, in MB (10⁶ bytes).
    pub(crate) peak: f64,
    /// What it printed.
    pub(crate) stdout: String,
}

/// Runs a command to its end; any exit code but 0 is an error.
pub(crate) fn measure(command: &Command, scratch: &Path) -> Result<Measured> {
    ensure!(Path::new(TIME).exists(), "{TIME} is needed: install GNU time");
    let figures = scratch.join("time.txt");
    let mut timed = Command::new(TIME);
    timed.args(["-q", "-f", "%U %S %M", "-o"]).arg(&figures);
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let start = Instant::now();
    let output = timed.output().with_context(|| format!("cannot run {TIME}"))?;
    let wall = start.elapsed().as_secs_f64();
    let stdout = succeeded(command, output)?;
    let (cpu, peak) = parse(&std::fs::read_to_string(&figures)?)?;
    Ok(Measured { cpu, wall, peak, stdout })
}

/// Runs a command that is not measured; gives what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    succeeded(command, output)
}

fn succeeded(command: &Command, output: Output) -> Result<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().display();
    let first: Vec<_> = command.get_args().take(3).collect();
    ensure!(output.status.success(), "{program} {first:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no UTF-8"))
}

/// CPU seconds and peak in MB from `user system KiB`.
fn parse(figures: &str) -> Result<(f64, f64)> {
    let numbers: Vec<f64> = figures.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [user, system, kib] = numbers[..] else { anyhow::bail!("{TIME} wrote {figures:?}") };
    Ok((user + system, kib * 1024.0 / 1e6))
}

/// The middle value; of an even number the lower middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The run with the median CPU time.
pub(crate) fn middle(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let at = runs.len().saturating_sub(1) / 2;
    runs.into_iter().nth(at).unwrap_or_default()
}

/// The mean of several runs; the largest peak.
pub(crate) fn mean(runs: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| {
        runs.iter().map(value).sum::<f64>() / runs.len().max(1) as f64
    };
    let peak = runs.iter().map(|run| run.peak).fold(0.0, f64::max);
    Measured { cpu: of(|run| run.cpu), wall: of(|run| run.wall), peak, stdout: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_process_are_read() {
        assert_eq!(parse("1.50 0.25 1000\n").unwrap(), (1.75, 1.024));
        assert!(parse("1.50 0.25\n").is_err());
        assert!(parse("Command exited with non-zero status 1\n").is_err());
    }

    #[test]
    fn the_middle_is_neither_the_best_nor_the_worst() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.0);
        assert_eq!(median([]), 0.0);
        let runs = [3.0, 1.0, 2.0].map(|cpu| Measured { cpu, ..Measured::default() });
        assert_eq!(middle(runs.into()).cpu, 2.0);
    }

    #[test]
    fn a_failing_command_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]);
        let error = run(&mut command).unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
    }
}
