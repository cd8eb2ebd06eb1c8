//! The parts of a request's path: keys in parentheses, and drive items addressed by path.
//!
//! `users('x')` is two parts, like `users/x`. In `root:/a/b:/content` and
//! `items/{id}:/a/b:/content` what stands between the colons is one part, the path of names; a
//! part `:` before it says so.

/// Splits a path; a key in parentheses becomes a part of its own, empty parentheses go away.
/// The second list is what a function call in the path brings as options
/// (`delta(token='x')`).
pub fn segments(path: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut found, mut options) = (Vec::new(), Vec::new());
    let mut parts = path.split('/').filter(|part| !part.is_empty()).map(decoded);
    while let Some(part) = parts.next() {
        // Clients that know ids only send a whole path in the place of one, all of it escaped.
        if let Some((head, path)) =
            part.split_once(":/").filter(|(head, _)| opens_path(&found, head))
        {
            push(&mut found, &mut options, head);
            found.extend([":".to_owned(), path.trim_end_matches(':').to_owned()]);
            continue;
        }
        match part.strip_suffix(':').filter(|head| opens_path(&found, head)) {
            Some(head) => {
                push(&mut found, &mut options, head);
                found.extend([":".to_owned(), names(&mut parts)]);
            }
            None => push(&mut found, &mut options, &part),
        }
    }
    (found, options)
}

fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// Whether a path of names may follow this part: `root`, or the id of an item.
fn opens_path(before: &[String], head: &str) -> bool {
    head.eq_ignore_ascii_case("root")
        || before.last().is_some_and(|last| last.eq_ignore_ascii_case("items"))
        || head.to_ascii_lowercase().starts_with("items('")
}

/// The names up to the closing colon, or to the end.
fn names(parts: &mut impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        let Some(last) = part.strip_suffix(':') else {
            names.push(part);
            continue;
        };
        if !last.is_empty() {
            names.push(last.to_owned());
        }
        break;
    }
    names.join("/")
}

fn push(found: &mut Vec<String>, options: &mut Vec<(String, String)>, part: &str) {
    let part = part.strip_suffix("()").unwrap_or(part);
    let Some((name, key)) = part.strip_suffix("')").and_then(|part| part.split_once("('")) else {
        let token = part.strip_suffix("')").and_then(|part| part.split_once("(token='"));
        let (name, token) = token.map_or((part, None), |(name, token)| (name, Some(token)));
        found.push(name.to_owned());
        options.extend(token.map(|token| ("token".to_owned(), token.to_owned())));
        return;
    };
    found.extend([name.to_owned(), key.replace("''", "'")]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<String> {
        segments(path).0
    }

    #[test]
    fn keys_in_parentheses_are_parts_of_the_path() {
        let plain = parts("/v1.0/users/a%40b.example/mailFolders/x/messages/delta");
        let keyed = parts("/v1.0/users('a@b.example')/mailFolders('x')/messages/delta()");
        assert_eq!(plain, keyed);
        assert_eq!(plain[2], "a@b.example");
        assert_eq!(parts("/users('o''brien')"), ["users", "o'brien"]);
    }

    #[test]
    fn paths_of_names_are_one_part() {
        let root = ["drives", "b!d", "root", ":", "a b/c()/d('x').txt"];
        assert_eq!(parts("/drives/b!d/root:/a%20b/c()/d('x').txt"), root);
        assert_eq!(parts("/drives/b!d/root:/a%20b/c()/d('x').txt:"), root);
        let item = ["drives", "d", "items", "01", ":", "a.txt", "content"];
        assert_eq!(parts("/drives/d/items/01:/a.txt:/content"), item);
        assert_eq!(parts("/drives('d')/items('01'):/a.txt:/content"), item);
        assert_eq!(parts("/drives/d/items/01%3A%2Fa.txt%3A/content"), item);
        assert_eq!(parts("/drives/d/root%3A/a/b%3A/children")[4..], ["a/b", "children"]);
    }

    #[test]
    fn a_token_in_parentheses_is_an_option() {
        let (parts, options) = segments("/drives/d/root/delta(token='abc.d-_')");
        assert_eq!(parts.last().unwrap(), "delta");
        assert_eq!(options, [("token".to_owned(), "abc.d-_".to_owned())]);
    }
}
