//! `token`: by what programs use a server.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use holdfast_model::Clock;
use holdfast_server::api::view::{LimitView, Made, ScopeView, TokenView};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{Global, SignIn, Token, TokenCreate};
use crate::error::{Error, Result};
use crate::output::{Output, clean, table, time};
use crate::remote::Server;
use crate::remote::session::Session;

const DAY: u64 = 24 * 3_600;

pub async fn run(global: &Global, command: &Token, out: Output) -> Result<u8> {
    let who: &SignIn = match command {
        Token::Create(args) => &args.sign_in,
        Token::List(who) => who,
        Token::Revoke { sign_in, .. } => sign_in,
    };
    let session = Session::begin(global, who).await?;
    let done = signed_in(session.server(), command, out).await;
    // What failed is told, whether or not the session could be ended.
    let ended = session.end().await;
    let code = done?;
    ended.map(|()| code)
}

async fn signed_in(server: &Server, command: &Token, out: Output) -> Result<u8> {
    match command {
        Token::Create(args) => create(server, args, out).await,
        Token::List(_) => {
            let tokens: Vec<TokenView> = server.whole(&["tokens"], &[]).await?;
            out.show(&tokens, || token_table(&tokens))?;
            Ok(0)
        }
        Token::Revoke { id, .. } => {
            server.order(Method::DELETE, &["tokens", id], None::<&Value>).await?;
            out.show(&json!({ "revoked": id }), || format!("Token {} is revoked.", clean(id)))?;
            Ok(0)
        }
    }
}

async fn create(server: &Server, args: &TokenCreate, out: Output) -> Result<u8> {
    let tenants = match args.tenants.is_empty() {
        true => LimitView::All,
        false => LimitView::Only(args.tenants.clone()),
    };
    let scope = ScopeView { tenants, workloads: LimitView::All, resources: LimitView::All };
    let length = Duration::from_secs(u64::from(args.days) * DAY);
    let ends = Clock::system().now().checked_add(length);
    let ends = ends.map_err(|_| Error::Usage("the token would never end".to_owned()))?;
    let rights: Vec<String> = args.rights.iter().map(ToString::to_string).collect();
    let body = json!({ "label": args.label, "rights": rights, "scope": scope, "expires_at": ends });
    // The file first: a token that cannot be kept is not made.
    let mut file = new_file(&args.out)?;
    let made: Made = match server.post(&["tokens"], &body).await {
        Ok(made) => made,
        Err(error) => {
            // It is empty, and was made a moment ago.
            let _ = std::fs::remove_file(&args.out);
            return Err(error);
        }
    };
    let written = writeln!(file, "{}", made.text).and_then(|()| file.sync_all());
    written.map_err(Error::file("write", &args.out))?;
    out.show(&made.token, || {
        format!(
            "Token {} may {} until {}; it is in {}",
            clean(&made.token.id),
            clean(&made.token.rights.join(", ")),
            time(Some(made.token.expires_at)),
            clean(&args.out.display().to_string()),
        )
    })?;
    Ok(0)
}

fn new_file(path: &Path) -> Result<std::fs::File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.map_err(Error::file("make", path))
}

fn token_table(tokens: &[TokenView]) -> String {
    let row = |token: &TokenView| {
        let state = match token.revoked_at {
            Some(at) => format!("revoked {}", time(Some(at))),
            None => format!("until {}", time(Some(token.expires_at))),
        };
        let used = time(token.used_at);
        vec![token.id.clone(), token.label.clone(), token.rights.join(", "), state, used]
    };
    let headings = ["token", "for", "rights", "state", "last used"];
    table(&headings, tokens.iter().map(row).collect(), &[])
}
