//! The table of all endpoints × roles: who is let through, who is refused.

use std::collections::BTreeSet;

use super::*;

/// Who may.
#[derive(Clone, Copy, Debug)]
enum May {
    /// Anybody, signed in or not.
    Anybody,
    /// Whoever is signed in, with a token too.
    SignedIn,
    /// Whoever is signed in with a session.
    InPerson,
    /// These roles.
    Roles(&'static [Role]),
}

use May::{Anybody, InPerson, Roles, SignedIn};
use Role::{Administrator, Auditor, ComplianceOfficer, Operator, ReadOnly, RestoreOperator};

const ALL: May = Roles(&Role::ALL);
const SYSTEM: May = Roles(&[Administrator, Operator, Auditor, ReadOnly]);
const OPERATE: May = Roles(&[Administrator, Operator]);
const CONTENT: May = Roles(&[Administrator, RestoreOperator, ComplianceOfficer]);
const RESTORE: May = Roles(&[Administrator, RestoreOperator]);
const AUDIT: May = Roles(&[Administrator, ComplianceOfficer, Auditor]);
const POLICY: May = Roles(&[Administrator, ComplianceOfficer]);
const MANAGE: May = Roles(&[Administrator]);

/// Method, path, who may, and a body that makes sense (`null` for none).
fn table() -> Vec<(&'static str, &'static str, May, Value)> {
    [table_of_people(), table_of_data()].concat()
}

/// The rows about sessions, users and tokens.
fn table_of_people() -> Vec<(&'static str, &'static str, May, Value)> {
    let proof = json!({ "kind": "password", "password": PASSWORD });
    let none = Value::Null;
    let everywhere = json!({ "tenants": "all", "workloads": "all", "resources": "all" });
    vec![
        ("post", "/session", Anybody, json!({ "name": "root", "password": PASSWORD })),
        ("get", "/session", SignedIn, none.clone()),
        ("delete", "/session", InPerson, none.clone()),
        ("post", "/session/second-factor", Anybody, json!({ "handle": "x", "proof": proof })),
        ("post", "/session/second-factor/passkey", Anybody, json!({ "handle": "x" })),
        ("post", "/session/step-up", InPerson, json!({ "proof": proof })),
        ("post", "/session/step-up/passkey", InPerson, none.clone()),
        ("put", "/session/password", InPerson, json!({ "old": PASSWORD, "new": PASSWORD })),
        ("get", "/session/all", InPerson, none.clone()),
        ("delete", "/session/all/{id}", InPerson, none.clone()),
        ("post", "/session/totp", InPerson, none.clone()),
        ("delete", "/session/totp", InPerson, none.clone()),
        ("post", "/session/totp/confirm", InPerson, json!({ "handle": "x", "code": "1" })),
        ("post", "/session/recovery-codes", InPerson, none.clone()),
        ("post", "/session/passkeys", InPerson, none.clone()),
        (
            "post",
            "/session/passkeys/confirm",
            InPerson,
            json!({ "handle": "x", "label": "x", "credential": {} }),
        ),
        ("delete", "/session/passkeys/{id}", InPerson, none.clone()),
        (
            "post",
            "/setup",
            Anybody,
            json!({ "secret": "x", "name": "x", "display_name": "x", "password": PASSWORD }),
        ),
        ("post", "/invitation", Anybody, json!({ "secret": "x", "password": PASSWORD })),
        ("get", "/roles", SignedIn, none.clone()),
        ("get", "/users", MANAGE, none.clone()),
        (
            "post",
            "/users",
            MANAGE,
            json!({ "name": "root", "display_name": "twice", "grants": [] }),
        ),
        ("get", "/users/{id}", MANAGE, none.clone()),
        ("patch", "/users/{id}", MANAGE, json!({ "display_name": "x" })),
        ("delete", "/users/{id}", MANAGE, none.clone()),
        ("post", "/users/{id}/reset", MANAGE, none.clone()),
        ("get", "/users/{id}/sessions", MANAGE, none.clone()),
        ("delete", "/users/{id}/sessions", MANAGE, none.clone()),
        ("get", "/tokens", InPerson, none.clone()),
        (
            "post",
            "/tokens",
            InPerson,
            json!({
                "label": "x", "rights": ["view_jobs"], "scope": everywhere,
                "expires_at": "2026-03-03T00:00:00Z",
            }),
        ),
        ("delete", "/tokens/{id}", InPerson, none.clone()),
    ]
}

/// The rows about what is protected and about the installation.
fn table_of_data() -> Vec<(&'static str, &'static str, May, Value)> {
    let none = Value::Null;
    vec![
        ("get", "/tenants", ALL, none.clone()),
        (
            "post",
            "/tenants",
            MANAGE,
            json!({ "name": "a/b", "tenant_id": "x", "backup": { "client_id": "x" } }),
        ),
        ("get", "/tenants/{name}", ALL, none.clone()),
        ("patch", "/tenants/{name}", MANAGE, json!({ "file_versions": "latest" })),
        ("post", "/tenants/{name}/test", MANAGE, none.clone()),
        ("get", "/resources", ALL, none.clone()),
        ("get", "/resources/{resource}", ALL, none.clone()),
        ("get", "/snapshots", ALL, none.clone()),
        ("get", "/schedules", ALL, none.clone()),
        ("get", "/overview", ALL, none.clone()),
        ("get", "/objectives", ALL, none.clone()),
        ("put", "/tenants/{tenant}/schedules/{name}", OPERATE, json!({ "rpo": "4h" })),
        ("delete", "/tenants/{tenant}/schedules/{name}", OPERATE, none.clone()),
        ("get", "/jobs", ALL, none.clone()),
        ("get", "/jobs/{id}", ALL, none.clone()),
        ("get", "/jobs/{id}/steps", ALL, none.clone()),
        ("post", "/jobs/{id}/pause", OPERATE, none.clone()),
        ("post", "/jobs/{id}/resume", OPERATE, none.clone()),
        ("post", "/jobs/{id}/cancel", OPERATE, none.clone()),
        ("post", "/backups", OPERATE, json!({ "tenant": "contoso" })),
        ("post", "/discoveries", OPERATE, json!({ "tenant": "contoso" })),
        ("post", "/restores", RESTORE, json!({ "resource": "RESOURCE", "dry_run": true })),
        ("get", "/resources/{resource}/items", CONTENT, none.clone()),
        ("get", "/resources/{resource}/content?path=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/preview?path=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/preview/body?path=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/preview/attachments/{number}?path=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/export", CONTENT, none.clone()),
        ("get", "/resources/{resource}/versions?path=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/history?item=x", CONTENT, none.clone()),
        ("get", "/resources/{resource}/changes", CONTENT, none.clone()),
        ("get", "/search?query=x", CONTENT, none.clone()),
        ("get", "/vaults", SYSTEM, none.clone()),
        ("get", "/vaults/{vault}/stats", SYSTEM, none.clone()),
        ("post", "/vaults", MANAGE, json!({ "name": "x", "location": "no/whole/path" })),
        ("post", "/vaults/{vault}/kit", MANAGE, none.clone()),
        ("post", "/vaults/{vault}/kit/proof", MANAGE, json!({ "secret": "00" })),
        ("post", "/vaults/{vault}/checks", OPERATE, json!({})),
        ("post", "/vaults/{vault}/prunes", OPERATE, json!({ "keep_last": 1, "dry_run": true })),
        ("post", "/vaults/{vault}/prunes", POLICY, json!({ "keep_within": "30d" })),
        ("post", "/vaults/{vault}/repairs", OPERATE, json!({ "from": "no such vault" })),
        ("post", "/vaults/{vault}/copies", OPERATE, json!({ "to": "no such vault" })),
        ("get", "/audit", AUDIT, none.clone()),
        ("post", "/audit/verification", AUDIT, none.clone()),
        ("get", "/events", ALL, none.clone()),
        ("get", "/system", SYSTEM, none.clone()),
        ("get", "/system/findings", SYSTEM, none.clone()),
        ("get", "/system/support-bundle", OPERATE, none),
    ]
}

#[test]
fn every_endpoint_has_its_row() {
    let document: Value = serde_json::from_str(&holdfast_server::api::openapi()).unwrap();
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    let row = |(method, path, ..): (&str, &str, _, _)| {
        format!("{method} /api/v1{}", path.split('?').next().unwrap())
    };
    let rows: BTreeSet<String> = table().into_iter().map(row).collect();
    assert_eq!(documented, rows);
}

/// Puts things that are there into a path and a body; users and jobs that are not there, for most of
/// them would be changed.
fn filled(text: &str, resource: &str) -> String {
    text.replace("{resource}", resource)
        .replace("RESOURCE", resource)
        .replace("{name}", "contoso")
        .replace("{tenant}", "contoso")
        .replace("{vault}", "default")
        .replace("{number}", "0")
        .replace("{id}", "00000000-0000-4000-8000-000000000000")
}

async fn status(s: &Service, who: Option<&Signed>, row: &(&str, &str, May, Value)) -> u16 {
    let (method, path, _, body) = row;
    let resource = s.context.people()[0].clone();
    let path = filled(&format!("/api/v1{path}"), &resource);
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = match who {
        Some(who) => s.of(who, method, &path),
        None => s.call(method, &path),
    };
    let request = match body {
        Value::Null => request,
        body => request
            .header("content-type", "application/json")
            .body(filled(&body.to_string(), &resource)),
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 403 {
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["code"], "denied", "{row:?}: {body}");
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_let_through_where_the_table_says_and_nowhere_else() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let body = json!({ "tenant": "contoso" });
    let queued = s.post(&root, "/api/v1/backups", body, StatusCode::ACCEPTED).await;
    s.ended(&root, &queued).await;
    for role in Role::ALL {
        s.user(role.as_str(), role, Scope::ALL).await;
    }
    for row in table() {
        let outside = status(&s, None, &row).await;
        assert_eq!(
            outside == 401,
            !matches!(row.2, Anybody) || is_wrong(&row),
            "{row:?}: {outside}"
        );
        for role in Role::ALL {
            // Some rows end sessions.
            let who = s.sign_in(role.as_str()).await;
            let got = status(&s, Some(&who), &row).await;
            let may = match row.2 {
                Anybody | SignedIn | InPerson => true,
                Roles(roles) => roles.contains(&role),
            };
            assert_eq!(got != 403, may, "{role}: {row:?}: {got}");
            assert!(got < 500, "{role}: {row:?}: {got}");
        }
    }
    s.end().await;
}

/// True for an open row whose body is refused like a wrong password.
fn is_wrong(row: &(&str, &str, May, Value)) -> bool {
    row.1.starts_with("/session/second-factor")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_rights_allow_and_never_what_needs_a_person() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let scope = json!({ "tenants": "all", "workloads": "all", "resources": "all" });
    let token = |rights: Value| {
        json!({
            "label": "monitoring", "rights": rights, "scope": scope,
            "expires_at": "2026-03-03T00:00:00Z",
        })
    };
    for right in ["manage_users", "take_keys", "approve_deletion"] {
        let body = token(json!([right]));
        s.post(&root, "/api/v1/tokens", body, StatusCode::FORBIDDEN).await;
    }
    let body = token(json!(["view_jobs", "view_system"]));
    let made = s.post(&root, "/api/v1/tokens", body, StatusCode::CREATED).await;
    let text = made["text"].as_str().unwrap();
    for row in table() {
        let (method, path, may, body) = &row;
        let resource = s.context.people()[0].clone();
        let path = filled(&format!("/api/v1{path}"), &resource);
        let request = s.call(method.to_uppercase().parse().unwrap(), &path).bearer_auth(text);
        let request = match body {
            Value::Null => request,
            body => request
                .header("content-type", "application/json")
                .body(filled(&body.to_string(), &resource)),
        };
        let got = request.send().await.unwrap().status().as_u16();
        let is_its = path.contains("/jobs") && *method == "get"
            || ["/vaults", "/system", "/events"].iter().any(|own| path.contains(own))
                && *method == "get"
                && !path.ends_with("/support-bundle");
        match may {
            Anybody => {}
            SignedIn => assert!(got != 403 && got != 401, "{row:?}: {got}"),
            InPerson => assert_eq!(got, 403, "{row:?}"),
            Roles(_) => assert_eq!(got == 403, !is_its, "{row:?}: {got}"),
        }
    }
    // Revoked it opens nothing.
    let revoke = format!("/api/v1/tokens/{}", made["token"]["id"].as_str().unwrap());
    answer(s.of(&root, Method::DELETE, &revoke), StatusCode::NO_CONTENT).await;
    let after = s.call(Method::GET, "/api/v1/session").bearer_auth(text);
    answer(after, StatusCode::UNAUTHORIZED).await;
    s.end().await;
}
