//! Which handler stands behind which path, and who may call it.
//!
//! The permissions are those of Microsoft's permission data of 2026-08-07 (`x-permissions`,
//! application, `all`), cut to the roles that matter here. As there, reading one message or its
//! attachments takes `Mail.Read`; `Mail.ReadWrite` alone does not do. What that file does not
//! describe (MIME, counts, single attachments, items addressed by path) follows its neighbours.

use crate::api::drive::{
    self, download, drives, items, labels, list_delta, list_items, permissions, sites, versions,
    write,
};
use crate::api::{attachments, create, delta, folders, messages, update, upload, users};
use crate::http::{Answer, Call, GraphError};
use crate::tenant::Tenant;

/// What carries out a request.
pub type Handler = fn(&Tenant, &Call) -> Answer;

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path below the version; `{id}` stands for one part.
    pub path: &'static str,
    /// The application permissions of which one is needed.
    pub roles: &'static [&'static str],
    /// What it costs in resource units of SharePoint; nothing elsewhere.
    pub units: u32,
    /// What carries it out.
    pub handler: Handler,
}

const DIRECTORY: &[&str] =
    &["User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All"];
const ORGANIZATION: &[&str] =
    &["Organization.Read.All", "Directory.Read.All", "User.Read.All", "Organization.ReadWrite.All"];
const BASIC: &[&str] = &["Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"];
const BASIC_MESSAGE: &[&str] = &["Mail.ReadBasic.All", "Mail.Read"];
const READ: &[&str] = &["Mail.Read"];
const WRITE: &[&str] = &["Mail.ReadWrite"];
const FILES: &[&str] =
    &["Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"];
const FILES_WRITE: &[&str] = &["Files.ReadWrite.All", "Sites.ReadWrite.All"];
const SITES_WRITE: &[&str] = &["Sites.ReadWrite.All"];
const SITES: &[&str] = &["Sites.Read.All", "Sites.ReadWrite.All"];

/// One thing, a page of changes or the address of a download.
const ONE: u32 = 1;

/// A list, the first page of a delta, or a change.
const MANY: u32 = 2;

/// Anything about permissions.
const PERMISSIONS: u32 = 5;

const fn route(
    method: &'static str,
    path: &'static str,
    roles: &'static [&'static str],
    handler: Handler,
) -> Route {
    Route { method, path, roles, units: 0, handler }
}

/// A route of SharePoint, with its price.
const fn file(
    method: &'static str,
    path: &'static str,
    roles: &'static [&'static str],
    units: u32,
    handler: Handler,
) -> Route {
    Route { method, path, roles, units, handler }
}

/// Directory and mail. A path with a fixed word comes before one with `{id}` in its place.
const ROUTES: &[Route] = &[
    route("GET", "users", DIRECTORY, users::list),
    route("GET", "users/{id}", DIRECTORY, users::get),
    route("GET", "organization", ORGANIZATION, users::organization),
    route("GET", "users/{id}/mailFolders", BASIC, folders::list),
    route("POST", "users/{id}/mailFolders", WRITE, folders::create),
    route("GET", "users/{id}/mailFolders/delta", BASIC, delta::folders),
    route("GET", "users/{id}/mailFolders/{id}", BASIC, folders::get),
    route("PATCH", "users/{id}/mailFolders/{id}", WRITE, folders::rename),
    route("DELETE", "users/{id}/mailFolders/{id}", WRITE, folders::delete),
    route("GET", "users/{id}/mailFolders/{id}/childFolders", BASIC, folders::children),
    route("POST", "users/{id}/mailFolders/{id}/childFolders", WRITE, folders::create_child),
    route("POST", "users/{id}/mailFolders/{id}/move", WRITE, folders::move_to),
    route("GET", "users/{id}/mailFolders/{id}/messages", BASIC, messages::list_folder),
    route("POST", "users/{id}/mailFolders/{id}/messages", WRITE, create::in_folder),
    route("GET", "users/{id}/mailFolders/{id}/messages/delta", BASIC, delta::messages),
    route("GET", "users/{id}/mailFolders/{id}/messages/$count", BASIC, messages::count),
    route(
        "GET",
        "users/{id}/mailFolders/{id}/messages/{id}",
        BASIC_MESSAGE,
        messages::get_in_folder,
    ),
    route(
        "GET",
        "users/{id}/mailFolders/{id}/messages/{id}/$value",
        READ,
        messages::mime_in_folder,
    ),
    route("GET", "users/{id}/messages", BASIC, messages::list_all),
    route("POST", "users/{id}/messages", WRITE, create::in_drafts),
    route("GET", "users/{id}/messages/{id}", BASIC_MESSAGE, messages::get),
    route("PATCH", "users/{id}/messages/{id}", WRITE, update::patch),
    route("DELETE", "users/{id}/messages/{id}", WRITE, messages::delete),
    route("GET", "users/{id}/messages/{id}/$value", READ, messages::mime),
    route("POST", "users/{id}/messages/{id}/move", WRITE, messages::move_to),
    route("POST", "users/{id}/messages/{id}/copy", WRITE, messages::copy),
    route("POST", "users/{id}/messages/{id}/permanentDelete", WRITE, messages::delete_for_good),
    route("GET", "users/{id}/messages/{id}/attachments", READ, attachments::list),
    route("POST", "users/{id}/messages/{id}/attachments", WRITE, attachments::add),
    route(
        "POST",
        "users/{id}/messages/{id}/attachments/createUploadSession",
        WRITE,
        upload::create,
    ),
    route("GET", "users/{id}/messages/{id}/attachments/{id}", READ, attachments::get),
    route("DELETE", "users/{id}/messages/{id}/attachments/{id}", WRITE, attachments::delete),
    route("GET", "users/{id}/messages/{id}/attachments/{id}/$value", READ, attachments::content),
];

/// What stands behind sites.
const SITE_ROUTES: &[Route] = &[
    file("GET", "users/{id}/drive", FILES, ONE, drives::of_user),
    file("GET", "users/{id}/drives", FILES, MANY, drives::all_of_user),
    file("GET", "sites/getAllSites", SITES, MANY, sites::all),
    file("GET", "sites/{id}", SITES, ONE, sites::get),
    file("GET", "sites/{id}/drive", FILES, ONE, drives::of_site),
    file("GET", "sites/{id}/drives", FILES, MANY, drives::all_of_site),
    file("GET", "sites/{id}/lists", SITES, MANY, list_items::lists),
    file("GET", "sites/{id}/lists/{id}", SITES, ONE, list_items::get_list),
    file("GET", "sites/{id}/lists/{id}/columns", SITES, MANY, list_items::list_columns),
    file("GET", "sites/{id}/lists/{id}/items", SITES, MANY, list_items::items),
    file("GET", "sites/{id}/lists/{id}/items/delta", SITES, MANY, list_delta::items),
    file("GET", "sites/{id}/lists/{id}/items/{id}", SITES, ONE, list_items::get),
    file(
        "PATCH",
        "sites/{id}/lists/{id}/items/{id}/fields",
        SITES_WRITE,
        MANY,
        list_items::patch_listed,
    ),
];

/// What stands behind drives.
const DRIVE_ROUTES: &[Route] = &[
    file("GET", "drives/{id}", FILES, ONE, drives::get),
    file("GET", "drives/{id}/list", FILES, ONE, list_items::of_drive),
    file("GET", "drives/{id}/root", FILES, ONE, items::get),
    file("GET", "drives/{id}/root/delta", FILES, MANY, drive::delta::root),
    file("GET", "drives/{id}/items/{id}/delta", FILES, MANY, drive::delta::of_item),
    file("GET", "drives/{id}/root/children", FILES, MANY, items::children),
    file("POST", "drives/{id}/root/children", FILES_WRITE, MANY, write::create_folder),
    file("GET", "drives/{id}/root:/{path}", FILES, ONE, items::get),
    file("GET", "drives/{id}/root:/{path}:/children", FILES, MANY, items::children),
    file("POST", "drives/{id}/root:/{path}:/children", FILES_WRITE, MANY, write::create_folder),
    file("GET", "drives/{id}/root:/{path}:/content", FILES, ONE, download::content),
    file("PUT", "drives/{id}/root:/{path}:/content", FILES_WRITE, MANY, write::put_content),
    file(
        "POST",
        "drives/{id}/root:/{path}:/createUploadSession",
        SITES_WRITE,
        MANY,
        drive::upload::create,
    ),
    file("GET", "drives/{id}/items/{id}:/{path}", FILES, ONE, items::get),
    file("GET", "drives/{id}/items/{id}:/{path}:/content", FILES, ONE, download::content),
    file("PUT", "drives/{id}/items/{id}:/{path}:/content", FILES_WRITE, MANY, write::put_content),
    file(
        "POST",
        "drives/{id}/items/{id}:/{path}:/createUploadSession",
        SITES_WRITE,
        MANY,
        drive::upload::create,
    ),
];

/// What stands behind items.
const ITEM_ROUTES: &[Route] = &[
    file("GET", "drives/{id}/items/{id}", FILES, ONE, items::get),
    file("PATCH", "drives/{id}/items/{id}", FILES_WRITE, MANY, write::patch),
    file("DELETE", "drives/{id}/items/{id}", FILES_WRITE, MANY, write::delete),
    file("GET", "drives/{id}/items/{id}/children", FILES, MANY, items::children),
    file("POST", "drives/{id}/items/{id}/children", FILES_WRITE, MANY, write::create_folder),
    file("GET", "drives/{id}/items/{id}/content", FILES, ONE, download::content),
    file("PUT", "drives/{id}/items/{id}/content", FILES_WRITE, MANY, write::put_content),
    file(
        "POST",
        "drives/{id}/items/{id}/createUploadSession",
        SITES_WRITE,
        MANY,
        drive::upload::create,
    ),
    file("GET", "drives/{id}/items/{id}/versions", FILES, MANY, versions::list),
    file("GET", "drives/{id}/items/{id}/versions/{id}", FILES, ONE, versions::get),
    file("GET", "drives/{id}/items/{id}/versions/{id}/content", FILES, ONE, versions::content),
    file(
        "POST",
        "drives/{id}/items/{id}/versions/{id}/restoreVersion",
        FILES_WRITE,
        MANY,
        versions::restore,
    ),
    file("GET", "drives/{id}/items/{id}/permissions", FILES, PERMISSIONS, permissions::list),
    file("GET", "drives/{id}/items/{id}/permissions/{id}", FILES, PERMISSIONS, permissions::get),
    file(
        "PATCH",
        "drives/{id}/items/{id}/permissions/{id}",
        FILES_WRITE,
        PERMISSIONS,
        permissions::patch,
    ),
    file(
        "DELETE",
        "drives/{id}/items/{id}/permissions/{id}",
        FILES_WRITE,
        PERMISSIONS,
        permissions::delete,
    ),
    file("POST", "drives/{id}/items/{id}/invite", FILES_WRITE, PERMISSIONS, permissions::invite),
    file(
        "POST",
        "drives/{id}/items/{id}/createLink",
        FILES_WRITE,
        PERMISSIONS,
        permissions::create_link,
    ),
    file("GET", "drives/{id}/items/{id}/listItem", FILES, ONE, list_items::of_item),
    file("GET", "drives/{id}/items/{id}/listItem/fields", FILES, ONE, list_items::fields_of_item),
    file(
        "PATCH",
        "drives/{id}/items/{id}/listItem/fields",
        FILES_WRITE,
        MANY,
        list_items::patch_fields,
    ),
    file("GET", "drives/{id}/items/{id}/retentionLabel", FILES, ONE, labels::get),
    file("PATCH", "drives/{id}/items/{id}/retentionLabel", FILES_WRITE, MANY, labels::patch),
    file("DELETE", "drives/{id}/items/{id}/retentionLabel", FILES_WRITE, MANY, labels::delete),
];

/// Every route of every part.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [ROUTES, SITE_ROUTES, DRIVE_ROUTES, ITEM_ROUTES].into_iter().flatten()
}

impl Route {
    /// The name of the route in statistics.
    pub fn name(&self) -> String {
        format!("{} /{}", self.method, self.path)
    }

    /// What the placeholders stand for if the path is this one.
    fn params(&self, segments: &[String]) -> Option<Vec<String>> {
        let parts = template(self.path);
        if parts.len() != segments.len() {
            return None;
        }
        let mut params = Vec::new();
        for (part, segment) in parts.iter().zip(segments) {
            if *part == "{id}" || *part == "{path}" {
                params.push(segment.clone());
            } else if !part.eq_ignore_ascii_case(segment) {
                return None;
            }
        }
        Some(params)
    }
}

/// The parts of a route: in `root:/{path}:/content` the first colon is a part of its own, as
/// [`crate::address`] makes it.
fn template(path: &'static str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part.strip_suffix(':') {
            Some("{path}") => parts.push("{path}"),
            Some(head) => parts.extend([head, ":"]),
            None => parts.push(part),
        }
    }
    parts
}

/// The route of a request, its parts taken below the version; placeholders go into the call.
pub fn find(call: &mut Call) -> Result<&'static Route, GraphError> {
    let segments = call.segments.get(1..).unwrap_or_default();
    let fitting: Vec<(&Route, Vec<String>)> =
        all().filter_map(|route| route.params(segments).map(|params| (route, params))).collect();
    let is_known = !fitting.is_empty();
    let same = |(route, _): &(&Route, Vec<String>)| route.method == call.method;
    if let Some((route, params)) = fitting.into_iter().find(same) {
        call.params = params;
        return Ok(route);
    }
    if is_known {
        let message = "Specified HTTP method is not allowed for the request target.";
        return Err(GraphError::new(405, "Request_BadRequest", message));
    }
    let last = segments.last().map_or("", String::as_str);
    let message = format!("Resource not found for the segment '{last}'.");
    Err(GraphError::new(400, "BadRequest", message))
}

/// 403 in the words of the directory, or of Exchange.
pub fn denied(route: &Route) -> GraphError {
    if route.path.contains("mailFolders") || route.path.contains("messages") {
        let message = "Access is denied. Check credentials and try again.";
        return GraphError::new(403, "ErrorAccessDenied", message);
    }
    if route.units > 0 {
        return GraphError::new(403, "accessDenied", "Access denied");
    }
    let message = "Insufficient privileges to complete the operation.";
    GraphError::new(403, "Authorization_RequestDenied", message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn find_path(method: &str, path: &str) -> Result<(String, Vec<String>), u16> {
        let mut call = Call::new(method, path, HeaderMap::new(), Bytes::new(), "https://x");
        let route = find(&mut call).map_err(|error| error.status)?;
        Ok((route.name(), call.params))
    }

    #[test]
    fn paths_lead_to_their_routes() {
        let (name, params) =
            find_path("GET", "/v1.0/users('u')/mailfolders('f')/messages/delta()?x=1").unwrap();
        assert_eq!(name, "GET /users/{id}/mailFolders/{id}/messages/delta");
        assert_eq!(params, ["u", "f"]);
        let (name, _) = find_path("GET", "/v1.0/users/u/messages/m/$value").unwrap();
        assert_eq!(name, "GET /users/{id}/messages/{id}/$value");
        let (name, params) = find_path("GET", "/v1.0/drives/d/items/i:/a/b.txt:/content").unwrap();
        assert_eq!(name, "GET /drives/{id}/items/{id}:/{path}:/content");
        assert_eq!(params, ["d", "i", "a/b.txt"]);
        let (name, _) = find_path("GET", "/v1.0/drives/d/root:/a").unwrap();
        assert_eq!(name, "GET /drives/{id}/root:/{path}");
        assert_eq!(find_path("GET", "/v1.0/users/u/nothing"), Err(400));
        assert_eq!(find_path("PUT", "/v1.0/users/u"), Err(405));
    }

    /// Microsoft's description, where the project's shared folder is present.
    fn description() -> Option<serde_json::Value> {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/graph/openapi-subset.json");
        let text = std::fs::read_to_string(path).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn permissions_are_those_of_the_data() {
        use std::collections::BTreeSet;
        let Some(description) = description() else {
            println!("no description of Graph beside the project: permissions are not compared");
            return;
        };
        let known: BTreeSet<&str> = all().flat_map(|route| route.roles).copied().collect();
        let mut compared = 0;
        for (path, item) in description["paths"].as_object().unwrap() {
            let parts = path.trim_start_matches('/').split('/').map(|part| {
                if part.starts_with('{') { "{id}" } else { part.trim_end_matches("()") }
            });
            let path = parts.collect::<Vec<_>>().join("/");
            for route in all().filter(|route| route.path == path) {
                let operation = &item[route.method.to_lowercase()];
                let all = &operation["x-permissions"]["application"]["all"];
                let Some(all) = all.as_array() else { continue };
                let all: BTreeSet<&str> = all
                    .iter()
                    .filter_map(|role| role.as_str())
                    .filter(|role| known.contains(role))
                    .collect();
                let own: BTreeSet<&str> = route.roles.iter().copied().collect();
                assert_eq!(own, all, "{}", route.name());
                compared += 1;
            }
        }
        assert_eq!(compared, 59);
    }
}
