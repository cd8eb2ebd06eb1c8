//! Lists of addresses.

use super::Address;
use super::header::{decode_words, unquote};

/// The addresses of an unfolded header value, groups flattened.
///
/// Lenient: separators may be semicolons, quotes may be left open, and words that are no address
/// stay as the address, as Exchange keeps them.
pub(super) fn parse(value: &str) -> Vec<Address> {
    let pieces = match split(value, true) {
        Some(pieces) => pieces,
        // A quote that is never closed would swallow the rest of the list.
        None => split(value, false).unwrap_or_default(),
    };
    pieces.into_iter().filter_map(address).collect()
}

/// The pieces between separators; `None` when a quote stays open.
fn split(value: &str, with_quotes: bool) -> Option<Vec<&str>> {
    let bytes = value.as_bytes();
    let last_close = value.rfind(')').unwrap_or(0);
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    let (mut is_quoted, mut is_comment, mut has_at) = (false, false, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if is_quoted || is_comment => at += 1,
            b'"' if with_quotes && !is_comment => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'(' => is_comment = at < last_close,
            b')' => is_comment = false,
            _ if is_comment => {}
            b'<' => at += angle(&bytes[at..]),
            b'@' => has_at = true,
            b':' if !has_at => start = at + 1,
            b',' | b';' => {
                pieces.push(&value[start..at]);
                start = at + 1;
                has_at = false;
            }
            _ => {}
        }
        at += 1;
    }
    pieces.push(&value[start..]);
    (!is_quoted).then_some(pieces)
}

/// How far the `>` that belongs to the `<` at the start is away; 0 if there is none.
fn angle(bytes: &[u8]) -> usize {
    let next = bytes.iter().skip(1).position(|byte| matches!(byte, b'<' | b'>'));
    next.map_or(0, |at| if bytes[at + 1] == b'>' { at + 1 } else { 0 })
}

fn address(piece: &str) -> Option<Address> {
    let piece = piece.trim();
    if let Some(open) = piece.rfind('<') {
        let rest = &piece[open + 1..];
        let address = one_spaced(&rest[..rest.find('>').unwrap_or(rest.len())]);
        let name = name(&piece[..open]).or_else(|| comment(rest));
        return Some(Address { name, address })
            .filter(|found| !found.address.is_empty() || found.name.is_some());
    }
    let bare = match piece.find('(') {
        Some(open) => piece[..open].trim(),
        None => piece,
    };
    let address = if bare.contains('=') { decode_words(bare) } else { unquote(bare) };
    let address = one_spaced(&address);
    (!address.is_empty()).then(|| Address { name: comment(piece), address })
}

/// White space of any kind and length as one space.
fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_one_quoted = text.starts_with('"') && text.ends_with('"') && text.len() > 1;
    let plain = if is_one_quoted { unquote(text) } else { text.replace('"', "") };
    let name = decode_words(&plain).trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The text of a comment: `ada@contoso.example (Ada)`.
fn comment(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('(')?;
    let inner = rest.rsplit_once(')').map_or(rest, |(inner, _)| inner);
    name(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> Vec<(String, String)> {
        parse(value)
            .into_iter()
            .map(|address| (address.name.unwrap_or_default(), address.address))
            .collect()
    }

    fn pair(name: &str, address: &str) -> (String, String) {
        (name.to_owned(), address.to_owned())
    }

    #[test]
    fn usual_forms() {
        assert_eq!(
            pairs(
                "\"Doe, Jane\" <j@a.example>, b@a.example (Bob), =?utf-8?Q?=C3=89va?= <e@a.example>"
            ),
            [
                pair("Doe, Jane", "j@a.example"),
                pair("Bob", "b@a.example"),
                pair("Éva", "e@a.example")
            ]
        );
        assert_eq!(
            pairs("Team: a@a.example, \"B \\\"x\\\"\" <b@a.example>;; c@a.example"),
            [pair("", "a@a.example"), pair("B \"x\"", "b@a.example"), pair("", "c@a.example")]
        );
        assert_eq!(pairs("undisclosed-recipients:;"), []);
    }

    #[test]
    fn broken_forms_lose_no_address() {
        assert_eq!(pairs("\"open <a@a.example>, b@a.example").len(), 2);
        assert_eq!(
            pairs("a@a.example; <b@a.example"),
            [pair("", "a@a.example"), pair("", "b@a.example")]
        );
        assert_eq!(pairs("local"), [pair("", "local")]);
        assert_eq!(pairs("(open <a@a.example>"), [pair("(open", "a@a.example")]);
        assert_eq!(pairs("x\\"), [pair("", "x\\")]);
    }
}
