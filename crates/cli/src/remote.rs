//! Commands that a server does: `--server` sends what was typed to its API, and shows the answer as
//! if the work had been done here.
//!
//! Who may do what is the server's to say, and the record is the server's. `client` asks, `failure`
//! is what can go wrong; `look`, `content`, `protect`,
//! `maintain` and `work` are the commands.

mod client;
mod content;
mod failure;
mod look;
mod maintain;
mod protect;
pub mod session;
mod work;

use url::Url;

use crate::args::{Audit, Command, Global, Tenant, Vault};
use crate::error::{Error, Result};
use crate::output::Output;

pub use client::Server;
pub use failure::Failure;

/// The server that a command is for: the one that was named, unless the command concerns neither a
/// server nor a home.
pub fn meant<'a>(global: &'a Global, command: &Command) -> Option<&'a Url> {
    let is_of_neither = match command {
        Command::Demo(_) | Command::Sim(_) | Command::Completions { .. } => true,
        // These find their server themselves.
        Command::User(_) | Command::Token(_) => true,
        Command::Tenant(Tenant::Permissions { .. } | Tenant::Certificate(_)) => true,
        Command::Audit(Audit::Verify { file, .. }) => file.is_some(),
        _ => false,
    };
    global.server.as_ref().filter(|_| !is_of_neither)
}

fn on_its_machine() -> Error {
    Error::Usage(
        "this command works on the server's machine only: run it there, in the home of the \
         server, without --server (and without HOLDFAST_SERVER)"
            .to_owned(),
    )
}

/// Lets a server do a command; answers with the exit code.
pub async fn run(address: &Url, global: &Global, command: &Command, out: Output) -> Result<u8> {
    if !serves(command) {
        return Err(on_its_machine());
    }
    let server = Server::with_token(global, address)?;
    match command {
        Command::Tenant(command) => protect::tenant(&server, command, out).await,
        Command::Resources(args) => protect::resources(&server, args, out).await,
        Command::Schedule(command) => protect::schedule(&server, command, out).await,
        Command::Vault(command) => maintain::vault(&server, command, out).await,
        Command::Audit(command) => protect::audit(&server, command, out).await,
        Command::Doctor => protect::doctor(&server, out).await,
        Command::Backup(args) => work::backup(&server, args, out).await,
        Command::Restore(args) => work::restore(&server, args, out).await,
        Command::Job(command) => work::job(&server, command, out).await,
        Command::Snapshots(args) => look::snapshots(&server, args, out).await,
        Command::Ls(args) => look::ls(&server, args, out).await,
        Command::Cat(args) => content::cat(&server, args).await,
        Command::Export(args) => content::export(&server, args, out).await,
        Command::Find(args) => look::find(&server, args, out).await,
        Command::History(args) => look::history(&server, args, out).await,
        Command::Diff(args) => look::diff(&server, args, out).await,
        _ => Err(on_its_machine()),
    }
}

/// True for what a server does.
fn serves(command: &Command) -> bool {
    match command {
        Command::Tenant(command) => {
            matches!(command, Tenant::List | Tenant::Set { .. } | Tenant::Test { .. })
        }
        Command::Vault(command) => matches!(
            command,
            Vault::List
                | Vault::Stats { .. }
                | Vault::Check { .. }
                | Vault::Prune(_)
                | Vault::Repair(_)
                | Vault::Copy { .. }
        ),
        Command::Audit(command) => {
            matches!(command, Audit::List(_) | Audit::Verify { file: None, .. })
        }
        Command::Resources(_)
        | Command::Schedule(_)
        | Command::Doctor
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Job(_)
        | Command::Snapshots(_)
        | Command::Ls(_)
        | Command::Cat(_)
        | Command::Export(_)
        | Command::Find(_)
        | Command::History(_)
        | Command::Diff(_) => true,
        _ => false,
    }
}
