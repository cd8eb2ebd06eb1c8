//! `/users` and `/organization`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::page::{bad_token, collection, entity};
use crate::filter::{Filter, Literal, Subject};
use crate::http::{Answer, Call};
use crate::query::{Select, top};
use crate::render::time;
use crate::state::User;
use crate::tenant::Tenant;

/// The properties of `microsoft.graph.user` that the tenant holds.
const PROPERTIES: [&str; 17] = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
    "accountEnabled",
    "assignedLicenses",
    "createdDateTime",
    "department",
    "proxyAddresses",
    "userType",
];

/// How many of them are shown without `$select`.
const DEFAULT_COUNT: usize = 11;

/// What `User.ReadBasic.All` lets see (source: Graph permissions reference, read 2026-11).
const BASIC: [&str; 6] = ["displayName", "givenName", "id", "mail", "surname", "userPrincipalName"];

/// The product id of Office 365 E3 (source: "Product names and service plan identifiers for
/// licensing", Microsoft, read 2026-11).
const OFFICE_E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

#[derive(Serialize, Deserialize)]
struct SkipToken {
    from: usize,
}

/// A user's properties.
fn properties(user: &User) -> Map<String, Value> {
    let profile = &user.profile;
    let licences =
        if user.disabled { json!([]) } else { json!([{"disabledPlans": [], "skuId": OFFICE_E3}]) };
    let all = json!({
        "businessPhones": [],
        "displayName": profile.display_name,
        "givenName": profile.given_name,
        "jobTitle": profile.job_title,
        "mail": profile.upn,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": profile.language,
        "surname": profile.surname,
        "userPrincipalName": profile.upn,
        "id": user.id,
        "accountEnabled": true,
        "assignedLicenses": licences,
        "createdDateTime": time(user.mailbox.created),
        "department": profile.department,
        "proxyAddresses": [format!("SMTP:{}", profile.upn)],
        "userType": "Member",
    });
    all.as_object().cloned().unwrap_or_default()
}

fn shown(call: &Call, user: &User, select: &Select) -> Map<String, Value> {
    let mut all = properties(user);
    let basic = !call.roles.iter().any(|role| is_wide(role));
    let defaults = &PROPERTIES[..DEFAULT_COUNT];
    all.retain(|name, _| {
        let name = name.as_str();
        let wanted = name == "id" || select.shows(name, defaults.contains(&name));
        wanted && (!basic || BASIC.contains(&name))
    });
    all
}

/// Whether the permission shows all of a user.
fn is_wide(role: &str) -> bool {
    ["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"].contains(&role)
}

impl Subject for User {
    fn property(&self, path: &str) -> Option<Literal> {
        let all = properties(self);
        let name = all.keys().find(|name| name.eq_ignore_ascii_case(path))?;
        Some(match &all[name] {
            Value::String(text) => Literal::Text(text.clone()),
            Value::Bool(value) => Literal::Bool(*value),
            _ => Literal::Null,
        })
    }

    fn extended(&self, _: &str) -> Option<String> {
        None
    }
}

/// `GET /users`
pub fn list(tenant: &Tenant, call: &Call) -> Answer {
    let select = Select::read(call, "microsoft.graph.user", &PROPERTIES)?;
    let size = top(call, 100, 999)?;
    let filter = call.option("$filter").map(Filter::parse).transpose()?;
    let from = match call.option("$skiptoken") {
        None => 0,
        Some(token) => {
            let token: Option<SkipToken> = tenant.seal().open("users", token);
            token.ok_or_else(|| bad_token("$skiptoken"))?.from
        }
    };
    let state = tenant.state();
    let mut value = Vec::new();
    let mut next = None;
    for (index, user) in state.users.iter().enumerate().skip(from) {
        let wanted = filter.as_ref().map_or(Ok(true), |filter| filter.holds(user))?;
        if user.removed || !wanted {
            continue;
        }
        if value.len() == size {
            next = Some(next_link(tenant, call, index));
            break;
        }
        value.push(Value::Object(shown(call, user, &select)));
    }
    Ok(collection(call, "users", value, next))
}

fn next_link(tenant: &Tenant, call: &Call, from: usize) -> String {
    let token = tenant.seal().token("users", &SkipToken { from });
    let mut query: Vec<(&str, &str)> = call
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"))
        .collect();
    query.push(("$skiptoken", &token));
    call.link(call.own_path(), &query)
}

/// `GET /users/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let select = Select::read(call, "microsoft.graph.user", &PROPERTIES)?;
    let state = tenant.state();
    let user = &state.users[super::user_index(&state, call)?];
    Ok(entity(call, 200, "users", shown(call, user, &select)))
}

/// `GET /organization`
pub fn organization(tenant: &Tenant, call: &Call) -> Answer {
    let value = json!({
        "id": tenant.tenant_id(),
        "deletedDateTime": null,
        "displayName": "Contoso (simulated)",
        "countryLetterCode": "DE",
        "createdDateTime": "2020-01-01T00:00:00Z",
        "tenantType": "AAD",
        "preferredLanguage": "en",
        "businessPhones": [],
        "technicalNotificationMails": [],
        "verifiedDomains": [{
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": true,
            "isInitial": true,
            "name": tenant.domain(),
            "type": "Managed",
        }],
    });
    Ok(collection(call, "organization", vec![value], None))
}
