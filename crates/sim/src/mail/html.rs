//! HTML as Exchange changes it, and its text.

use super::text::with_crlf;

/// Elements whose content is text up to their end tag.
const RAW_TEXT: [&str; 4] = ["script", "style", "title", "textarea"];

/// Elements that end a line of text.
const BLOCKS: [&str; 16] = [
    "p",
    "div",
    "br",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "pre",
    "blockquote",
    "title",
];

/// What Exchange does to an HTML body on write, as far as clients have to reckon with it:
///
/// 1. The document gets `<html>`, `<head>` and `<body>` where it has none; what stood before or
///    after them moves inside. Attributes of `<html>` and `<head>` go, those of `<body>` stay.
/// 2. `<head>` begins with `<meta http-equiv="Content-Type" content="text/html; charset=utf-8">`;
///    any other `meta` that names a content type goes.
/// 3. The document type and processing instructions go.
/// 4. `<script>` goes with its content, attributes that run script (`on…`) go, and links to
///    `javascript:` lose their target.
/// 5. Tag and attribute names become lower case; values stand in double quotes, a double quote in
///    them becomes `&quot;`; an attribute without value gets an empty one; `<br/>` becomes `<br>`.
/// 6. The content of `<style>` is wrapped in a comment.
/// 7. A `<` that begins no tag becomes `&lt;`; comments and raw text that are left open are closed.
/// 8. Line ends become CR LF.
///
/// Doing it twice changes nothing more. The list is an approximation of what is seen in practice,
/// made for the tests of clients; Microsoft documents none of it.
pub fn rewrite_html(html: &str) -> String {
    let mut document = Document::default();
    for token in tokens(html) {
        document.take(&token);
    }
    with_crlf(&document.finish())
}

/// The text of an HTML body: the plain text alternative that Exchange makes.
pub(super) fn to_text(html: &str) -> String {
    let mut text = String::new();
    for token in tokens(html) {
        match token {
            Token::Text(part) => push_entities_decoded(&mut text, part),
            Token::Tag { name, .. } if BLOCKS.contains(&name.as_str()) => end_line(&mut text),
            _ => {}
        }
    }
    text.trim().to_owned()
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches([' ', '\t']).len());
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
}

fn push_entities_decoded(text: &mut String, part: &str) {
    let mut rest = part;
    while let Some(at) = rest.find('&') {
        push_words(text, &rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((char, end)) => {
                text.push(char);
                rest = &rest[end + 1..];
            }
            None => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    push_words(text, rest);
}

/// White space of any length is one space.
fn push_words(text: &mut String, part: &str) {
    for char in part.chars() {
        match char.is_ascii_whitespace() {
            true if text.is_empty() || text.ends_with([' ', '\n']) => {}
            true => text.push(' '),
            false => text.push(char),
        }
    }
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|char| *char != '\r')
        }
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    /// Text between tags; a `<` in it begins no tag.
    Text(&'a str),
    /// The content of a raw text element.
    Raw(&'a str),
    Comment(&'a str),
    /// Document types and processing instructions.
    Declaration,
    Tag {
        name: String,
        is_end: bool,
        attributes: Vec<(String, &'a str)>,
    },
}

/// One pass from left to right; what is left open reaches to the end.
fn tokens(html: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let (token, length) = match rest.starts_with('<') {
            true => markup(rest),
            false => text(rest, 0),
        };
        rest = &rest[length..];
        let raw = match &token {
            Token::Tag { name, is_end: false, .. } if RAW_TEXT.contains(&name.as_str()) => {
                Some(end_of_raw_text(rest, name))
            }
            _ => None,
        };
        tokens.push(token);
        if let Some(length) = raw {
            tokens.push(Token::Raw(&rest[..length]));
            rest = &rest[length..];
        }
    }
    tokens
}

/// Text that reaches from the start to the next `<` after `skip` bytes.
fn text(rest: &str, skip: usize) -> (Token<'_>, usize) {
    let end = rest[skip..].find('<').map_or(rest.len(), |at| skip + at);
    (Token::Text(&rest[..end]), end)
}

fn markup(rest: &str) -> (Token<'_>, usize) {
    if let Some(comment) = rest.strip_prefix("<!--") {
        let length = comment.find("-->");
        let end = length.map_or(rest.len(), |length| length + 7);
        return (Token::Comment(&comment[..length.unwrap_or(comment.len())]), end);
    }
    if rest.starts_with("<!") || rest.starts_with("<?") {
        let end = rest.find('>').map_or(rest.len(), |at| at + 1);
        return (Token::Declaration, end);
    }
    let is_end = rest.starts_with("</");
    let start = if is_end { 2 } else { 1 };
    if !rest[start..].starts_with(|char: char| char.is_ascii_alphabetic()) {
        return text(rest, 1);
    }
    tag(rest, start, is_end)
}

/// A tag; one that never ends makes the rest text.
fn tag(rest: &str, start: usize, is_end: bool) -> (Token<'_>, usize) {
    let name_end = rest[start..]
        .find(|char: char| char.is_ascii_whitespace() || matches!(char, '>' | '/'))
        .map_or(rest.len(), |at| start + at);
    let name = rest[start..name_end].to_ascii_lowercase();
    let mut attributes = Vec::new();
    let mut at = name_end;
    loop {
        at += rest[at..]
            .find(|char: char| !(char.is_ascii_whitespace() || char == '/'))
            .unwrap_or(rest.len() - at);
        match rest[at..].chars().next() {
            None => return (Token::Text(rest), rest.len()),
            Some('>') => return (Token::Tag { name, is_end, attributes }, at + 1),
            Some(_) => match attribute(rest, at) {
                Some((attribute, end)) => {
                    attributes.push(attribute);
                    at = end;
                }
                None => return (Token::Text(rest), rest.len()),
            },
        }
    }
}

/// The attribute at `at` and where it ends; `None` when its quote is never closed.
fn attribute(rest: &str, at: usize) -> Option<((String, &str), usize)> {
    let is_name_end = |char: char| char.is_ascii_whitespace() || matches!(char, '=' | '>' | '/');
    let first = rest[at..].chars().next().map_or(0, char::len_utf8);
    let name_end = rest[at + first..].find(is_name_end).map_or(rest.len(), |end| at + first + end);
    let name = rest[at..name_end].to_ascii_lowercase();
    let after_space = |from: usize| {
        let found = rest[from..].find(|char: char| !char.is_ascii_whitespace());
        found.map_or(rest.len(), |space| from + space)
    };
    let equals = after_space(name_end);
    if !rest[equals..].starts_with('=') {
        return Some(((name, ""), name_end));
    }
    let start = after_space(equals + 1);
    if let Some(quote) = rest[start..].chars().next().filter(|char| matches!(char, '"' | '\'')) {
        let end = start + 1 + rest[start + 1..].find(quote)?;
        return Some(((name, &rest[start + 1..end]), end + 1));
    }
    let end = rest[start..]
        .find(|char: char| char.is_ascii_whitespace() || char == '>')
        .map_or(rest.len(), |end| start + end);
    Some(((name, &rest[start..end]), end))
}

/// How far the end tag of a raw text element is away.
fn end_of_raw_text(rest: &str, name: &str) -> usize {
    let bytes = rest.as_bytes();
    let end = (0..bytes.len()).find(|at| {
        bytes[*at..].starts_with(b"</")
            && bytes
                .get(at + 2..at + 2 + name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    });
    end.unwrap_or(rest.len())
}

#[derive(Default)]
struct Document {
    head: String,
    body: String,
    body_attributes: String,
    is_in_head: bool,
    /// The raw text element whose content comes next.
    raw: Option<String>,
}

impl Document {
    fn take(&mut self, token: &Token<'_>) {
        match token {
            Token::Text(text) => self.text(text),
            Token::Raw(text) => self.raw_text(text),
            Token::Comment(text) => {
                let comment = format!("<!--{text}-->");
                self.place().push_str(&comment);
            }
            Token::Declaration => {}
            Token::Tag { name, is_end, attributes } => self.tag(name, *is_end, attributes),
        }
    }

    fn place(&mut self) -> &mut String {
        if self.is_in_head { &mut self.head } else { &mut self.body }
    }

    fn text(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.is_in_head = false;
        }
        let text = text.replace('<', "&lt;");
        self.place().push_str(&text);
    }

    fn tag(&mut self, name: &str, is_end: bool, attributes: &[(String, &str)]) {
        match (name, is_end) {
            ("html", _) | ("body", true) | ("script", true) => {}
            ("head", _) => self.is_in_head = !is_end,
            ("body", false) => {
                self.is_in_head = false;
                if self.body_attributes.is_empty() {
                    self.body_attributes = attribute_list(attributes);
                }
            }
            ("meta", _) if is_content_type(attributes) => {}
            (name, true) => self.end_tag(name),
            (name, false) => self.start_tag(name, attributes),
        }
    }

    fn end_tag(&mut self, name: &str) {
        // The end tag of a raw text element stands already after its content.
        if !RAW_TEXT.contains(&name) {
            let tag = format!("</{name}>");
            self.place().push_str(&tag);
        }
    }

    fn start_tag(&mut self, name: &str, attributes: &[(String, &str)]) {
        if RAW_TEXT.contains(&name) {
            self.raw = Some(name.to_owned());
        }
        if name == "script" {
            return;
        }
        if !matches!(name, "meta" | "title" | "style" | "link" | "base") {
            self.is_in_head = false;
        }
        let tag = format!("<{name}{}>", attribute_list(attributes));
        self.place().push_str(&tag);
    }

    fn raw_text(&mut self, text: &str) {
        let name = self.raw.take().unwrap_or_default();
        let content = match name.as_str() {
            "script" => return,
            "style" if !text.trim_start().starts_with("<!--") => format!("<!--{text}-->"),
            _ => text.to_owned(),
        };
        self.place().push_str(&format!("{content}</{name}>"));
    }

    fn finish(self) -> String {
        format!(
            "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
             charset=utf-8\">{}</head><body{}>{}</body></html>",
            self.head.trim(),
            self.body_attributes,
            self.body
        )
    }
}

fn is_content_type(attributes: &[(String, &str)]) -> bool {
    attributes.iter().any(|(name, value)| {
        name == "charset"
            || (name == "http-equiv" && value.trim().eq_ignore_ascii_case("content-type"))
    })
}

fn attribute_list(attributes: &[(String, &str)]) -> String {
    let is_kept = |name: &str, value: &str| {
        let is_script = value.trim_start().to_ascii_lowercase().starts_with("javascript:");
        !name.starts_with("on") && !is_script
    };
    attributes
        .iter()
        .filter(|(name, value)| is_kept(name, value))
        .map(|(name, value)| format!(" {name}=\"{}\"", value.replace('"', "&quot;")))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
                        charset=utf-8\">";

    #[test]
    fn fragments_become_documents() {
        assert_eq!(
            rewrite_html("<P Class=a onclick='x()'>a &lt; b < c</P>\n<br/><a href=javascript:x>y"),
            format!(
                "{HEAD}</head><body><p class=\"a\">a &lt; b &lt; c</p>\r\n<br><a>y</body></html>"
            )
        );
    }

    #[test]
    fn documents_keep_head_and_body() {
        let html = "<!DOCTYPE html><HTML lang=de><head><meta charset=latin1><title>T</title>\
            <style>p{}</style><script>if (a<b) {}</script></head>\
            <body bgcolor='#fff'><!-- c --><img src='cid:a' alt='say \"x\"'></body></html>";
        assert_eq!(
            rewrite_html(html),
            format!(
                "{HEAD}<title>T</title><style><!--p{{}}--></style></head><body \
                 bgcolor=\"#fff\"><!-- c --><img src=\"cid:a\" alt=\"say &quot;x&quot;\"></body></html>"
            )
        );
    }

    #[test]
    fn text_of_html() {
        let html = "<html><head><title>no</title><style>p{}</style></head><body><p>Hello,\n  \
                    <b>Ada</b>&nbsp;&amp; all</p><p>Bye&#33;</p></body></html>";
        assert_eq!(to_text(html), "Hello, Ada\u{a0}& all\n\nBye!");
    }

    proptest! {
        #[test]
        fn any_text_is_rewritten_and_then_stays(
            html in "(<(/|!--|\\?)?|>|-->|</?(p|div|html|head|body|style|script|title|meta)( [a-z]+=['\"]?[a-z:\"]*)?/?>|[ \na-zé&;'\"=]){0,30}"
        ) {
            let once = rewrite_html(&html);
            prop_assert_eq!(rewrite_html(&once), once);
        }

        #[test]
        fn any_characters_are_survived(html in any::<String>()) {
            let once = rewrite_html(&html);
            to_text(&html);
            prop_assert_eq!(rewrite_html(&once), once);
        }
    }
}
