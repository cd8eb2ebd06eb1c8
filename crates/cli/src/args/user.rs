//! What can be typed about the users of a server and their tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_model::Role;
use holdfast_server::access::Right;
use url::Url;

/// Who signs in for a command that no token may do.
#[derive(Debug, Args)]
pub struct SignIn {
    /// Name at sign-in
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// File that holds the password; without it you are asked
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Time-based code or recovery code, where the user has a second factor; without it you are
    /// asked
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Choose a password by the link of the first start, or of an invitation
    Accept(UserAccept),
    /// List the users
    List(SignIn),
    /// Invite somebody; prints the link by which he chooses his password
    Add(UserAdd),
    /// Let somebody sign in no more; his sessions and tokens end
    Disable(UserNamed),
    /// Let somebody sign in again
    Enable(UserNamed),
    /// Remove a user; his sessions and tokens end
    Remove(UserNamed),
    /// Take password and second factors from somebody who has lost them, and invite him anew
    Reset(UserNamed),
}

#[derive(Debug, Args)]
pub struct UserAccept {
    /// The link: https://HOST:PORT/setup#SECRET or https://HOST:PORT/invitation#SECRET
    pub link: Url,
    /// Name at sign-in, for the link of the first start
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Name for people, for the link of the first start [default: the name at sign-in]
    #[arg(long, value_name = "TEXT", requires = "name")]
    pub display_name: Option<String>,
    /// File that holds the password; without it you are asked
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UserAdd {
    /// Name at sign-in
    pub name: String,
    /// Name for people [default: the name at sign-in]
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// Role (docs/access.md); may be given several times
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<Role>,
    /// Tenant in which the roles count; may be given several times [default: all]
    #[arg(long = "tenant", value_name = "NAME")]
    pub tenants: Vec<String>,
    #[command(flatten)]
    pub sign_in: SignIn,
}

#[derive(Debug, Args)]
pub struct UserNamed {
    /// Name of the user
    pub name: String,
    #[command(flatten)]
    pub sign_in: SignIn,
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and write it to a file
    Create(TokenCreate),
    /// List the tokens of a user
    List(SignIn),
    /// Revoke a token
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        sign_in: SignIn,
    },
}

#[derive(Debug, Args)]
pub struct TokenCreate {
    #[command(flatten)]
    pub sign_in: SignIn,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub label: String,
    /// What it may do, as far as its maker may (docs/access.md); may be given several times
    #[arg(long = "right", value_name = "RIGHT", required = true)]
    pub rights: Vec<Right>,
    /// Tenant in which it may; may be given several times [default: all]
    #[arg(long = "tenant", value_name = "NAME")]
    pub tenants: Vec<String>,
    /// Days until it ends
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=365))]
    pub days: u16,
    /// A file that is absent; only its owner will be able to read it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
