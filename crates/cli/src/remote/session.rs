//! Somebody signs in at a server, for what no token may do.

use std::io::IsTerminal;
use std::path::Path;

use holdfast_model::Secret;
use holdfast_server::api::view::SignedInView;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Server;
use crate::args::{Global, SignIn};
use crate::commands::init::{ask_passphrase, secret_file};
use crate::error::{Error, Result};

/// A server at which somebody is signed in; [`Session::end`] signs him out.
pub struct Session {
    server: Server,
}

impl Session {
    /// Signs in: with the password, and the second factor where there is one.
    ///
    /// # Errors
    /// Where no server is named, or it does not let him in.
    pub async fn begin(global: &Global, who: &SignIn) -> Result<Self> {
        let Some(address) = &global.server else {
            return Err(Error::Usage("name the server with --server".to_owned()));
        };
        let mut server = Server::open(address, global.server_ca_file.as_deref())?;
        let password = password(who.password_file.as_deref(), false)?;
        let body = json!({ "name": who.user, "password": text(&password)? });
        let (mut headers, mut answer) =
            server.tell::<SignedInView>(Method::POST, &["session"], &body).await?;
        if let SignedInView::SecondFactor { handle, factors } = &answer {
            let body = json!({ "handle": handle, "proof": proof(who, factors)? });
            let path = ["session", "second-factor"];
            (headers, answer) = server.tell(Method::POST, &path, &body).await?;
        }
        let SignedInView::SignedIn { csrf } = answer else {
            return Err(Error::Usage("the server asks for yet another factor".to_owned()));
        };
        server.enter(&headers, &csrf)?;
        Ok(Self { server })
    }

    /// The server, as the one who has signed in sees it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Signs out.
    ///
    /// # Errors
    /// Where the server cannot be told.
    pub async fn end(self) -> Result<()> {
        self.server.order(Method::DELETE, &["session"], None::<&Value>).await
    }
}

/// The second factor: a code of six digits is a time-based one, any other a recovery code.
fn proof(who: &SignIn, factors: &[String]) -> Result<Value> {
    let has = |name: &str| factors.iter().any(|factor| factor == name);
    if !has("totp") && !has("recovery_code") {
        return Err(Error::Usage(
            "the user has a passkey only, which needs a browser: sign in there".to_owned(),
        ));
    }
    let code = match &who.code {
        Some(code) => code.trim().to_owned(),
        None => asked_code()?,
    };
    let is_totp = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    let kind = if is_totp { "totp" } else { "recovery_code" };
    Ok(json!({ "kind": kind, "code": code }))
}

fn asked_code() -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "the user has a second factor: give its code with --code; there is no terminal to ask \
             at"
            .to_owned(),
        ));
    }
    let prompt = "Code of the second factor, or a recovery code: ";
    let asked = rpassword::prompt_password(prompt);
    let code = asked.map_err(|source| Error::System { what: "the terminal", source })?;
    Ok(code.trim().to_owned())
}

/// A password from a file, or asked for; twice where it is a new one.
///
/// # Errors
/// Where there is no file and no terminal.
pub fn password(file: Option<&Path>, is_new: bool) -> Result<Secret> {
    match file {
        Some(file) => secret_file(file),
        None if !std::io::stdin().is_terminal() => Err(Error::Usage(
            "give the password with --password-file; there is no terminal to ask at".to_owned(),
        )),
        None => ask_passphrase("Password: ", is_new),
    }
}

/// A password as text: JSON takes nothing else.
///
/// # Errors
/// Where it is none.
pub fn text(secret: &Secret) -> Result<&str> {
    secret.expose_str().ok_or_else(|| Error::Usage("the password is no UTF-8 text".to_owned()))
}
