//! Sites: all of them, one of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::page::{bad_token, collection, entity};
use crate::http::{Answer, Call, GraphError};
use crate::query::top;
use crate::render::drive::site;
use crate::tenant::Tenant;

/// Sites of a page without `$top`.
const PAGE_DEFAULT: usize = 200;

/// Where a page begins.
#[derive(Serialize, Deserialize)]
struct SkipToken {
    from: usize,
}

/// The place in `$skiptoken`; 0 without one.
pub fn skip_token(tenant: &Tenant, call: &Call) -> Result<usize, GraphError> {
    let Some(token) = call.option("$skiptoken") else { return Ok(0) };
    let token: Option<SkipToken> = tenant.seal().open("skip", token);
    Ok(token.ok_or_else(|| bad_token("$skiptoken"))?.from)
}

/// The own query with another place.
pub fn next_link(tenant: &Tenant, call: &Call, from: usize) -> String {
    let token = tenant.seal().token("skip", &SkipToken { from });
    let mut query: Vec<(&str, &str)> = call
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"))
        .collect();
    query.push(("$skiptoken", &token));
    call.link(call.own_path(), &query)
}

/// `GET /sites/getAllSites`
pub fn all(tenant: &Tenant, call: &Call) -> Answer {
    let (size, from) = (top(call, PAGE_DEFAULT, 999)?, skip_token(tenant, call)?);
    let state = tenant.state();
    let mut sites =
        state.sharepoint.sites.iter().filter(|site| !site.removed && site.number >= from);
    let value: Vec<Value> =
        sites.by_ref().take(size).map(|found| Value::Object(site(found))).collect();
    let next = sites.next().map(|next| next_link(tenant, call, next.number));
    Ok(collection(call, "sites", value, next))
}

/// `GET /sites/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let found = state.sharepoint.site(call.param(0))?;
    Ok(entity(call, 200, "sites", site(found)))
}
