//! The paths below `/_sim`, by which other processes control the tenant: statistics, faults,
//! clock, and changes. Only the all-powerful application may use them.

mod drives;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::Refused;
use crate::fault::{Fault, FaultProfile};
use crate::http::{Answer, Call, GraphError, Reply};
use crate::mail::Importance;
use crate::state::Flag;
use crate::tenant::Tenant;
use crate::token;

/// A change to the tenant: the body of `POST /_sim/tenant`, named by `action`.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Command {
    UserAdd {
        display_name: String,
        upn: String,
    },
    UserRemove {
        user: String,
    },
    MailboxDisable {
        user: String,
        disabled: bool,
    },
    FolderCreate {
        user: String,
        parent: Option<String>,
        name: String,
    },
    FolderRename {
        user: String,
        folder: String,
        name: String,
    },
    FolderMove {
        user: String,
        folder: String,
        parent: Option<String>,
    },
    FolderDelete {
        user: String,
        folder: String,
        #[serde(default)]
        for_good: bool,
    },
    Deliver {
        user: String,
        folder: String,
        mime_base64: String,
    },
    MessageUpdate(Update),
    MessageMove {
        user: String,
        id: String,
        folder: String,
    },
    MessageCopy {
        user: String,
        id: String,
        folder: String,
    },
    MessageDelete {
        user: String,
        id: String,
        #[serde(default)]
        for_good: bool,
    },
    Grant {
        client_id: String,
        role: String,
    },
    Revoke {
        client_id: String,
        role: String,
    },
    SecretExpires {
        client_id: String,
        at: Timestamp,
    },
    Certificate {
        client_id: String,
        pem: String,
    },
}

/// What of a message is to change.
#[derive(Debug, Deserialize)]
struct Update {
    user: String,
    id: String,
    is_read: Option<bool>,
    flagged: Option<bool>,
    categories: Option<Vec<String>>,
    importance: Option<Importance>,
    subject: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Advance {
    advance_seconds: u64,
}

#[derive(Deserialize)]
struct Profile {
    profile: FaultProfile,
}

/// Answers a request below `/_sim`.
pub fn answer(tenant: &Tenant, call: &Call) -> Answer {
    authorise(tenant, call)?;
    let path: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["stats"]) => Ok(Reply::json(200, json!(tenant.stats()))),
        ("DELETE", ["stats"]) => {
            tenant.stats_reset();
            Ok(Reply::empty(204))
        }
        ("GET", ["faults"]) => Ok(Reply::json(200, json!({"struck": tenant.faults().struck()}))),
        ("POST", ["faults"]) => {
            tenant.faults().inject(body::<Fault>(call)?);
            Ok(Reply::empty(204))
        }
        ("PUT", ["faults"]) => {
            tenant.faults().set_profile(body::<Profile>(call)?.profile);
            Ok(Reply::empty(204))
        }
        ("DELETE", ["faults"]) => {
            tenant.faults().clear();
            Ok(Reply::empty(204))
        }
        ("GET", ["clock"]) => Ok(clock(tenant)),
        ("POST", ["clock"]) => {
            let seconds = body::<Advance>(call)?.advance_seconds;
            tenant.clock().advance(Duration::from_secs(seconds));
            Ok(clock(tenant))
        }
        ("POST", ["tenant"]) => change(tenant, body(call)?),
        ("POST", ["drives"]) => drives::change(tenant, body(call)?),
        ("GET", ["tenant", "sites"]) => Ok(Reply::json(200, json!(tenant.sites()))),
        ("GET", ["tenant", "drives"]) => Ok(Reply::json(200, json!(tenant.drives()))),
        ("GET", ["tenant", "drives", drive]) => {
            Ok(Reply::json(200, json!(tenant.drive_items(drive)?)))
        }
        ("GET", ["tenant", "users"]) => Ok(Reply::json(200, json!(tenant.users()))),
        ("GET", ["tenant", "users", user, "folders"]) => {
            Ok(Reply::json(200, json!(tenant.folders(user)?)))
        }
        ("GET", ["tenant", "users", user, "folders", folder]) => {
            Ok(Reply::json(200, json!(tenant.messages(user, folder)?)))
        }
        ("GET", ["tenant", "users", user, "messages", id]) => {
            Ok(Reply::json(200, json!(tenant.message(user, id)?)))
        }
        _ => Err(GraphError::new(404, "NotFound", "There is no such admin path.")),
    }
}

fn authorise(tenant: &Tenant, call: &Call) -> Result<(), GraphError> {
    let claims = token::check_bearer(tenant, call.header("authorization"))
        .map_err(|message| GraphError::new(401, "InvalidAuthenticationToken", message))?;
    if tenant.registration(&claims.appid).is_some_and(|registration| registration.is_admin) {
        return Ok(());
    }
    let message = "Only the all-powerful application may control the tenant.";
    Err(GraphError::new(403, "Authorization_RequestDenied", message))
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, GraphError> {
    serde_json::from_slice(&call.body)
        .map_err(|error| GraphError::new(400, "BadRequest", error.to_string()))
}

fn clock(tenant: &Tenant) -> Reply {
    Reply::json(200, json!({"now": tenant.clock().now().to_string()}))
}

fn change(tenant: &Tenant, command: Command) -> Answer {
    match carry_out(tenant, command)? {
        Some(id) => Ok(Reply::json(200, json!({"id": id}))),
        None => Ok(Reply::empty(204)),
    }
}

/// Carries out a command; gives the id of what it made.
fn carry_out(tenant: &Tenant, command: Command) -> Result<Option<String>, GraphError> {
    use Command as C;
    let made: Result<String, Refused> = match command {
        C::UserAdd { display_name, upn } => tenant.user_add(&display_name, &upn),
        C::FolderCreate { user, parent, name } => {
            tenant.folder_create(&user, parent.as_deref(), &name)
        }
        C::Deliver { user, folder, mime_base64 } => {
            let mime = STANDARD
                .decode(mime_base64)
                .map_err(|_| GraphError::invalid("mime_base64 is not valid base64."))?;
            tenant.deliver(&user, &folder, &mime)
        }
        C::MessageCopy { user, id, folder } => tenant.message_copy(&user, &id, &folder),
        other => return Ok(carry_out_silent(tenant, other).map(|()| None)?),
    };
    Ok(Some(made?))
}

fn carry_out_silent(tenant: &Tenant, command: Command) -> Result<(), Refused> {
    use Command as C;
    match command {
        C::UserRemove { user } => tenant.user_remove(&user),
        C::MailboxDisable { user, disabled } => tenant.mailbox_disable(&user, disabled),
        C::FolderRename { user, folder, name } => tenant.folder_rename(&user, &folder, &name),
        C::FolderMove { user, folder, parent } => {
            tenant.folder_move(&user, &folder, parent.as_deref())
        }
        C::FolderDelete { user, folder, for_good } => {
            tenant.folder_delete(&user, &folder, for_good)
        }
        C::MessageUpdate(update) => message_update(tenant, &update),
        C::MessageMove { user, id, folder } => tenant.message_move(&user, &id, &folder),
        C::MessageDelete { user, id, for_good } => tenant.message_delete(&user, &id, for_good),
        C::Grant { client_id, role } => tenant.registration_grant(&client_id, &role),
        C::Revoke { client_id, role } => tenant.registration_revoke(&client_id, &role),
        C::SecretExpires { client_id, at } => tenant.secret_expires(&client_id, at),
        C::Certificate { client_id, pem } => tenant.certificate_upload(&client_id, &pem),
        C::UserAdd { .. } | C::FolderCreate { .. } | C::Deliver { .. } | C::MessageCopy { .. } => {
            Ok(())
        }
    }
}

fn message_update(tenant: &Tenant, update: &Update) -> Result<(), Refused> {
    let Update { user, id, .. } = update;
    tenant.message_update(user, id, |edit| {
        edit.is_read = update.is_read.unwrap_or(edit.is_read);
        edit.importance = update.importance.unwrap_or(edit.importance);
        if let Some(flagged) = update.flagged {
            edit.flag = if flagged { Flag::flagged() } else { Flag::default() };
        }
        if let Some(categories) = update.categories.clone() {
            edit.categories = categories;
        }
        if let Some(subject) = update.subject.clone() {
            edit.content.subject = subject;
        }
        if let Some(body) = update.body.clone() {
            edit.content.body.content = body;
        }
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::Value;

    use super::*;
    use crate::desk::{Desk, mime};

    /// A token of the registration with this number.
    fn bearer(desk: &Desk, client: usize) -> String {
        let registration = desk.tenant.state().registrations[client].clone();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=x/.default",
            registration.client_id, registration.secret
        );
        let target = format!("/{}/oauth2/v2.0/token", desk.tenant.tenant_id());
        let call = Call::new("POST", &target, HeaderMap::new(), Bytes::from(form), "https://x");
        let document = token::answer(&desk.tenant, &call).unwrap().json.unwrap();
        format!("Bearer {}", document["access_token"].as_str().unwrap())
    }

    fn ask(desk: &Desk, client: usize, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", bearer(desk, client).parse().unwrap());
        let body = Bytes::from(body.to_string());
        let call = Call::new(method, &format!("/_sim/{path}"), headers, body, "https://x");
        let now = desk.tenant.clock().now();
        let reply = answer(&desk.tenant, &call).unwrap_or_else(|error| error.reply(&call, now));
        (reply.status, reply.json.unwrap_or_default())
    }

    #[test]
    fn only_the_all_powerful_application_controls_the_tenant() {
        let desk = Desk::empty(1);
        assert_eq!(ask(&desk, 0, "GET", "stats", &Value::Null).0, 200);
        assert_eq!(ask(&desk, 1, "GET", "stats", &Value::Null).0, 403);
        assert_eq!(ask(&desk, 2, "POST", "clock", &json!({"advance_seconds": 1})).0, 403);
    }

    #[test]
    fn scripts_change_drives() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let change = |body: Value| ask(&desk, 0, "POST", "drives", &body);
        let (_, made) = change(json!({"action": "onedrive_add", "user": user}));
        let drive = made["id"].as_str().unwrap();
        let step = |action: &str, more: Value| {
            let mut body = json!({"action": action, "drive": drive});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (status, made) = change(body);
            (status, made["id"].as_str().unwrap_or_default().to_owned())
        };
        let (_, folder) = step("folder_add", json!({"parent": "root", "name": "Folder"}));
        let bytes = json!({"base64": STANDARD.encode("text")});
        let (status, file) =
            step("file_add", json!({"parent": folder, "name": "a", "bytes": bytes}));
        assert_eq!(status, 200);
        let made = json!({"made": {"seed": 1, "size": 7}});
        assert_eq!(step("file_replace", json!({"item": file, "bytes": made})).0, 204);
        assert_eq!(step("rename", json!({"item": file, "name": "b"})).0, 204);
        assert_eq!(step("move", json!({"item": file, "parent": "root"})).0, 204);
        let (status, permission) = step("share", json!({"item": file, "to": user, "role": "read"}));
        assert_eq!((status, permission.len()), (200, 36));
        let (_, items) = ask(&desk, 0, "GET", &format!("tenant/drives/{drive}"), &Value::Null);
        let view = items.as_array().unwrap().iter().find(|view| view["id"] == file.as_str());
        assert_eq!((&view.unwrap()["path"], &view.unwrap()["size"]), (&json!(["b"]), &json!(7)));
        assert_eq!(step("remove", json!({"item": file})).0, 204);
        assert_eq!(step("remove", json!({"item": file})).0, 404);
        let (status, _) = change(json!({"action": "site_add", "name": "s", "display_name": "S"}));
        assert_eq!(status, 200);
        let (_, sites) = ask(&desk, 0, "GET", "tenant/sites", &Value::Null);
        let (_, drives) = ask(&desk, 0, "GET", "tenant/drives", &Value::Null);
        assert_eq!((sites.as_array().unwrap().len(), drives.as_array().unwrap().len()), (2, 2));
        assert_eq!(ask(&desk, 1, "POST", "drives", &json!({})).0, 403);
    }

    #[test]
    fn scripts_change_mailboxes_faults_and_clock() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let change = |body: Value| ask(&desk, 0, "POST", "tenant", &body);
        let (status, folder) =
            change(json!({"action": "folder_create", "user": user, "name": "Orders"}));
        assert_eq!(status, 200);
        let (_, made) = change(json!({"action": "deliver", "user": user, "folder": "inbox",
                                      "mime_base64": STANDARD.encode(mime(1))}));
        let id = made["id"].as_str().unwrap();
        let step = |action: &str, more: Value| {
            let mut body = json!({"action": action, "user": user, "id": id});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            change(body).0
        };
        assert_eq!(step("message_move", json!({"folder": folder["id"]})), 204);
        let update =
            json!({"is_read": true, "flagged": true, "subject": "New", "categories": ["A"]});
        assert_eq!(step("message_update", update), 204);
        let path = format!("tenant/users/{user}/messages/{id}");
        let (_, message) = ask(&desk, 0, "GET", &path, &Value::Null);
        assert_eq!(message["subject"], "New");
        assert_eq!(message["folder_id"], folder["id"]);
        assert_eq!(message["flag"]["status"], "flagged");
        assert_eq!(message["content"]["body"]["content"], "Text 1\r\n");
        assert_eq!(step("message_delete", json!({"for_good": true})), 204);
        assert_eq!(ask(&desk, 0, "GET", &path, &Value::Null).0, 404);
        assert_eq!(change(json!({"action": "nothing"})).0, 400);

        let before = desk.tenant.clock().now();
        ask(&desk, 0, "POST", "clock", &json!({"advance_seconds": 60}));
        assert_eq!(desk.tenant.clock().now().as_second() - before.as_second(), 60);
        let fault = json!({"kind": "bad_gateway", "path": "/messages"});
        assert_eq!(ask(&desk, 0, "POST", "faults", &fault).0, 204);
        let list = format!("/v1.0/users/{user}/messages");
        assert_eq!(desk.refusal("GET", &list, &Value::Null).0, 502);
        assert_eq!(desk.refusal("GET", &list, &Value::Null).0, 200);
    }
}
