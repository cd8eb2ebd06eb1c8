//! The binary `holdfast`: reads the command line, runs one command, answers with its exit code.

mod args;
mod commands;
mod error;
mod output;
mod progress;
mod remote;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, LogFormat};
use crate::error::{Error, Result};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    start_log(&cli);
    let json = cli.global.json;
    match run(cli) {
        Ok(code) => code.into(),
        Err(error) if error.is_closed_pipe() => ExitCode::FAILURE,
        Err(error) => {
            output::error(json, &error);
            error.exit_code().into()
        }
    }
}

fn run(cli: Cli) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System { what: "threads", source })?;
    let ran = runtime.block_on(commands::run(cli));
    // What was cut off, maintenance in a stopping server, must not keep the process; it bears that.
    runtime.shutdown_background();
    ran
}

/// Help and version, or a command line that makes no sense.
fn refused(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !shown && std::env::args_os().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        output::error_document(&error::document(message, &[], code));
    } else {
        // Nothing can be done when the terminal is gone.
        let _ = error.print();
    }
    code.into()
}

/// A command line tool is quiet unless something is wrong. What libraries find wrong is in our
/// errors and reports, in the words of our commands.
const QUIET: &str = "warn,rustic_core=off,sqlx=error,rustls_platform_verifier=off";

/// Of what works by itself the log tells what it does: jobs by id and kind, and no name.
const WORKING: &str = "warn,holdfast=info,rustic_core=off,sqlx=error,rustls_platform_verifier=off";

/// The log goes to standard error.
fn start_log(cli: &Cli) {
    let usual =
        if matches!(cli.command, Command::Worker(_) | Command::Serve(_)) { WORKING } else { QUIET };
    let filter = EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match cli.global.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
