//! `user`: who may use a server.

use holdfast_server::api::view::{GrantView, Invited, LimitView, ScopeView, UserView};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{Global, SignIn, User, UserAccept, UserAdd};
use crate::error::{Error, Result};
use crate::output::{Output, clean, table, time};
use crate::remote::Server;
use crate::remote::session::{Session, password, text};

pub async fn run(global: &Global, command: &User, out: Output) -> Result<u8> {
    let (who, name): (&SignIn, &str) = match command {
        User::Accept(args) => return accept(global, args, out).await,
        User::List(who) => (who, ""),
        User::Add(args) => (&args.sign_in, &args.name),
        User::Disable(one) | User::Enable(one) | User::Remove(one) | User::Reset(one) => {
            (&one.sign_in, &one.name)
        }
    };
    let session = Session::begin(global, who).await?;
    let done = signed_in(session.server(), command, name, out).await;
    // What failed is told, whether or not the session could be ended.
    let ended = session.end().await;
    let code = done?;
    ended.map(|()| code)
}

async fn signed_in(server: &Server, command: &User, name: &str, out: Output) -> Result<u8> {
    match command {
        User::Add(args) => add(server, args, out).await,
        User::Disable(_) => disable(server, name, true, out).await,
        User::Enable(_) => disable(server, name, false, out).await,
        User::Remove(_) => remove(server, name, out).await,
        User::Reset(_) => {
            let id = id_of(server, name).await?;
            let again: Invited = server.post(&["users", &id, "reset"], &json!({})).await?;
            show_invited(&again, out)
        }
        User::List(_) | User::Accept(_) => {
            let users: Vec<UserView> = server.whole(&["users"], &[]).await?;
            out.show(&users, || user_table(&users))?;
            Ok(0)
        }
    }
}

/// Takes a link up: the first administrator names himself, who was invited has a name.
async fn accept(global: &Global, args: &UserAccept, out: Output) -> Result<u8> {
    let (page, secret) = (args.link.path(), args.link.fragment().unwrap_or_default());
    let is_setup = page == "/setup";
    if secret.is_empty() || !(is_setup || page == "/invitation") {
        return Err(Error::Usage(
            "the link is https://HOST/setup#SECRET or https://HOST/invitation#SECRET; quote it, for \
             the shell takes what follows # for a comment"
                .to_owned(),
        ));
    }
    let name = match (&args.name, is_setup) {
        (None, true) => {
            return Err(Error::Usage("name the first administrator with --name".to_owned()));
        }
        (Some(_), false) => {
            return Err(Error::Usage(
                "who was invited has a name: leave out --name and --display-name".to_owned(),
            ));
        }
        (name, _) => name.as_deref(),
    };
    let mut address = args.link.clone();
    address.set_path("/");
    address.set_fragment(None);
    let server = Server::open(&address, global.server_ca_file.as_deref())?;
    let password = password(args.password_file.as_deref(), true)?;
    let mut body = json!({ "secret": secret, "password": text(&password)? });
    if let Some(name) = name {
        body["name"] = json!(name);
        body["display_name"] = json!(args.display_name.as_deref().unwrap_or(name));
    }
    let page = if is_setup { "setup" } else { "invitation" };
    server.order(Method::POST, &[page], Some(&body)).await?;
    let host = address.as_str().trim_end_matches('/');
    out.show(&json!({ "accepted": page, "server": host }), || {
        format!("The password is set. Sign in at {}", clean(host))
    })?;
    Ok(0)
}

async fn add(server: &Server, args: &UserAdd, out: Output) -> Result<u8> {
    let tenants = match args.tenants.is_empty() {
        true => LimitView::All,
        false => LimitView::Only(args.tenants.clone()),
    };
    let scope = ScopeView { tenants, workloads: LimitView::All, resources: LimitView::All };
    let grant =
        |role: &holdfast_model::Role| GrantView { role: role.to_string(), scope: scope.clone() };
    let grants: Vec<GrantView> = args.roles.iter().map(grant).collect();
    let display_name = args.display_name.as_ref().unwrap_or(&args.name);
    let body = json!({ "name": args.name, "display_name": display_name, "grants": grants });
    show_invited(&server.post(&["users"], &body).await?, out)
}

fn show_invited(invited: &Invited, out: Output) -> Result<u8> {
    out.show(invited, || {
        format!(
            "{} chooses a password by this link, once, within 72 hours:\n  {link}\n  holdfast user \
             accept '{link}'",
            clean(&invited.user.name),
            link = clean(&invited.link),
        )
    })?;
    Ok(0)
}

async fn id_of(server: &Server, name: &str) -> Result<String> {
    let users: Vec<UserView> = server.whole(&["users"], &[]).await?;
    let found = users.into_iter().find(|user| user.name == name || user.id == name);
    let missing = || holdfast_engine::Error::NotFound {
        what: "user",
        name: name.to_owned(),
        hint: "; 'holdfast user list' lists them",
    };
    Ok(found.ok_or_else(missing)?.id)
}

async fn disable(server: &Server, name: &str, disabled: bool, out: Output) -> Result<u8> {
    let id = id_of(server, name).await?;
    let body = json!({ "disabled": disabled });
    let (_, user): (_, UserView) = server.tell(Method::PATCH, &["users", &id], &body).await?;
    out.show(&user, || {
        let may = if user.disabled { "may not sign in any more" } else { "may sign in" };
        format!("{} {may}.", clean(&user.name))
    })?;
    Ok(0)
}

async fn remove(server: &Server, name: &str, out: Output) -> Result<u8> {
    let id = id_of(server, name).await?;
    server.order(Method::DELETE, &["users", &id], None::<&Value>).await?;
    out.show(&json!({ "removed": id }), || format!("{} is removed.", clean(name)))?;
    Ok(0)
}

fn user_table(users: &[UserView]) -> String {
    let row = |user: &UserView| {
        let roles: Vec<_> = user.grants.iter().map(grant_words).collect();
        let state = match (user.disabled, user.is_invited) {
            (true, _) => "disabled",
            (false, true) => "invited",
            (false, false) => "active",
        };
        vec![
            user.name.clone(),
            user.display_name.clone(),
            roles.join(", "),
            user.factors.join(", "),
            state.to_owned(),
            time(Some(user.created_at)),
        ]
    };
    let headings = ["user", "name", "roles", "second factors", "state", "made"];
    table(&headings, users.iter().map(row).collect(), &[])
}

fn grant_words(grant: &GrantView) -> String {
    let scope = &grant.scope;
    let all = [&scope.tenants, &scope.workloads, &scope.resources];
    match all.iter().all(|limit| **limit == LimitView::All) {
        true => grant.role.clone(),
        false => format!("{} in a scope", grant.role),
    }
}
