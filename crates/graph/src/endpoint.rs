//! Addresses: from a path or a link to a URL of the configured Graph, and back to a form that may
//! be stored (links without host) or shown (endpoints without ids).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

use crate::error::{Error, Result};

/// The only version of Graph that is spoken.
pub(crate) const VERSION: &str = "/v1.0";

/// What messages say in place of a pre-authenticated address. Those are secrets and hold names.
pub(crate) const UPLOAD: &str = "upload";
pub(crate) const DOWNLOAD: &str = "download";

const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'=');
const QUERY: &AsciiSet = &SEGMENT
    .remove(b'=')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b':')
    .remove(b'/')
    .remove(b'@')
    .add(b'=');

/// Percent-encodes an id for use as one segment of a path (`/users/{segment}/messages`). Ids are
/// text from outside: without this, one with `/` or `?` would lead elsewhere.
///
/// `.` and `..` have no encoded form that a URL keeps apart from a step up; they become a name that
/// no object has.
pub fn segment(id: &str) -> String {
    match id {
        "." | ".." => id.replace('.', "%252E"),
        _ => utf8_percent_encode(id, SEGMENT).to_string(),
    }
}

/// `key=value` for a query, with `%20` for a space (Graph takes `+` as a plus sign in places).
pub(crate) fn query_pair(key: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(key, QUERY), utf8_percent_encode(value, QUERY))
}

/// The URL of a path below `/v1.0` (`/users`), of an absolute path (`/v1.0/users?…`), or of a full
/// URL of the same origin. Anything else is [`Error::ForeignLink`].
pub(crate) fn resolve(graph: &Url, path: &str) -> Result<Url> {
    let text = if path.starts_with("/v1.0/") {
        format!("{}{path}", graph.origin().ascii_serialization())
    } else if path.starts_with('/') {
        format!("{}{VERSION}{path}", graph.origin().ascii_serialization())
    } else {
        path.to_owned()
    };
    let url = Url::parse(&text).map_err(|_| foreign("a place that is not a URL"))?;
    let own = url.origin() == graph.origin() && url.username().is_empty();
    if !own || url.password().is_some() {
        return Err(foreign(&url.origin().ascii_serialization()));
    }
    if !url.path().starts_with("/v1.0/") {
        return Err(foreign("another version or part of the service"));
    }
    Ok(url)
}

/// A link as it may be stored: path and query, no host. Checked as in [`resolve`].
pub(crate) fn relative(graph: &Url, link: &str) -> Result<String> {
    let url = resolve(graph, link)?;
    Ok(url[Position::BeforePath..Position::AfterQuery].to_owned())
}

/// Collections whose members have ids that may look like words (a name, an address, a version).
const COLLECTIONS: [&str; 9] =
    ["users", "groups", "sites", "drives", "items", "lists", "versions", "permissions", "columns"];

/// What may stand in the place of an id and is none.
const FUNCTIONS: [&str; 2] = ["delta", "getAllSites"];

/// The path with ids replaced, for messages and logs: `/users/{id}/messages/delta`. What stands
/// between colons is a path of somebody's folders and files
/// (`/drives/{id}/items/{id}:/{path}:/content`).
pub(crate) fn template(url: &Url) -> String {
    let path = url.path();
    let mut shown = String::new();
    let (mut after_collection, mut in_path) = (false, false);
    for segment in path.strip_prefix(VERSION).unwrap_or(path).split('/').skip(1) {
        let (segment, colon) = segment.strip_suffix(':').map_or((segment, ""), |s| (s, ":"));
        if !in_path {
            shown.push('/');
            shown.push_str(&shown_segment(segment, after_collection));
        } else if !shown.ends_with("{path}") {
            shown.push_str("/{path}");
        }
        shown.push_str(colon);
        in_path ^= !colon.is_empty();
        after_collection = COLLECTIONS.iter().any(|name| segment.eq_ignore_ascii_case(name));
    }
    shown
}

fn shown_segment(segment: &str, after_collection: bool) -> String {
    let (name, key) = segment.split_once('(').map_or((segment, ""), |(n, k)| (n, k));
    let plain =
        name.len() <= 40 && name.trim_start_matches('$').bytes().all(|b| b.is_ascii_alphabetic());
    let is_word = plain && (!after_collection || FUNCTIONS.contains(&name));
    let name = if is_word { name } else { "{id}" };
    format!("{name}{}", if key.len() > 1 { "({id})" } else { "" })
}

fn foreign(to: &str) -> Error {
    Error::ForeignLink { to: to.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph() -> Url {
        Url::parse("https://graph.example:8443").unwrap()
    }

    #[test]
    fn paths_and_links_resolve_to_the_configured_origin() {
        let base = "https://graph.example:8443/v1.0/users";
        for path in ["/users", "/v1.0/users", base] {
            assert_eq!(resolve(&graph(), path).unwrap().as_str(), base);
        }
        let link = "https://graph.example:8443/v1.0/users('1')/messages/delta?$skiptoken=a.b%2Bc";
        assert_eq!(
            relative(&graph(), link).unwrap(),
            "/v1.0/users('1')/messages/delta?$skiptoken=a.b%2Bc"
        );
    }

    #[test]
    fn foreign_links_are_refused() {
        for link in [
            "https://evil.example/v1.0/users",
            "http://graph.example:8443/v1.0/users",
            "https://graph.example/v1.0/users",
            "https://a:b@graph.example:8443/v1.0/users",
            "https://graph.example:8443/beta/users",
            "/../beta/users",
            "/users/../../x",
            "users",
            "",
        ] {
            let error = resolve(&graph(), link).unwrap_err();
            assert!(matches!(error, Error::ForeignLink { .. }), "{link}: {error}");
        }
    }

    #[test]
    fn shown_endpoints_have_no_ids() {
        for (path, shown) in [
            ("/users", "/users"),
            ("/users/ada/mailFolders/inbox", "/users/{id}/mailFolders/inbox"),
            ("/users/a@b.example/messages/AAMk=/$value", "/users/{id}/messages/{id}/$value"),
            (
                "/users('x')/mailFolders('y')/messages/delta()",
                "/users({id})/mailFolders({id})/messages/delta",
            ),
            ("/drives/b!x/items/budget/content", "/drives/{id}/items/{id}/content"),
            ("/drives/d/items/i/versions/current", "/drives/{id}/items/{id}/versions/{id}"),
            ("/drives/d/root/delta(token='T')", "/drives/{id}/root/delta({id})"),
            ("/drives/d/items/i:/Ada.docx:/content", "/drives/{id}/items/{id}:/{path}:/content"),
            (
                "/drives/d/items/i:/a/Ada:/createUploadSession",
                "/drives/{id}/items/{id}:/{path}:/createUploadSession",
            ),
            ("/drives/d/root:/Wages/Ada%2Exlsx", "/drives/{id}/root:/{path}"),
            ("/drives/d/root:/delta:/children", "/drives/{id}/root:/{path}:/children"),
            ("/sites/contoso.example,1-2,3-4/lists/Wages/items", "/sites/{id}/lists/{id}/items"),
            ("/sites/contoso.example:/sites/hr:/drives", "/sites/{id}:/{path}:/drives"),
            ("/sites/getAllSites()", "/sites/getAllSites"),
            ("/sites/delta", "/sites/delta"),
            ("/users/ada/drive/root", "/users/{id}/drive/root"),
        ] {
            assert_eq!(template(&resolve(&graph(), path).unwrap()), shown);
        }
    }

    #[test]
    fn an_id_stays_one_segment() {
        for id in ["a/b", "a?b", "a#b", "..", "a b", "a%2Fb"] {
            let url = resolve(&graph(), &format!("/users/{}/messages", segment(id))).unwrap();
            assert_eq!(url.path_segments().unwrap().count(), 4, "{id}: {url}");
            assert_eq!(url.query(), None);
        }
        assert_eq!(segment("AAMkAG-1_x="), "AAMkAG-1_x=");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            query_pair("$filter", "a eq 'x&y' + 1"),
            "$filter=a%20eq%20%27x%26y%27%20%2B%201"
        );
    }

    proptest! {
        #[test]
        fn no_path_leads_away(path in "[/.%:@a-zA-Z0-9?#\\\\]{0,40}", id in any::<String>()) {
            for path in [path.clone(), format!("/{path}"), format!("/users/{}/x", segment(&id))] {
                if let Ok(url) = resolve(&graph(), &path) {
                    prop_assert_eq!(url.origin(), graph().origin());
                    prop_assert!(url.path().starts_with("/v1.0/"));
                }
            }
            let url = resolve(&graph(), &format!("/users/{}/x", segment(&id))).unwrap();
            prop_assert_eq!(url.path_segments().unwrap().count(), 4);
        }
    }
}
