//! The normal form in which two HTML bodies are compared.
//!
//! Exchange rewrites HTML when a message is created: it adds `html`, `head` and `meta`, drops
//! scripts and comments, quotes attributes and changes white space. The normal form keeps what a
//! reader sees and drops what Exchange may change:
//!
//! - only the content of `body` counts; `script`, `style`, `meta`, `link`, `base`, `title`,
//!   comments and processing instructions are left out;
//! - elements are written in lower case with attributes sorted by name; `id`, `class`, `lang`,
//!   `data-*`, event handlers and `javascript:` targets are left out; `style` is split at `;`, trimmed and lower-cased up
//!   to the colon;
//! - text is decoded, runs of white space (no-break space included) become one space; text of
//!   white space only is left out, and so are spaces at the ends of a text.
//!
//! `docs/restore-fidelity.md` says the same for readers.

use scraper::node::{Element, Node};
use scraper::{Html, Selector};

const DROPPED: [&str; 9] =
    ["script", "style", "meta", "link", "base", "title", "head", "noscript", "template"];

/// The normal form of an HTML document or fragment. Any text gives a form.
pub fn normal_form(html: &str) -> String {
    let document = Html::parse_document(html);
    let body = Selector::parse("body").ok().and_then(|s| document.select(&s).next());
    let mut form = String::new();
    let Some(body) = body else { return form };
    // An explicit stack: depth comes from outside and must not use ours.
    let mut pending: Vec<Step<'_>> = children(*body).collect();
    while let Some(step) = pending.pop() {
        match step {
            Step::Close(name) => form.extend(["</", name, ">"]),
            Step::Open(node) => {
                if let Some(name) = open(node.value(), &mut form) {
                    pending.push(Step::Close(name));
                    pending.extend(children(node));
                }
            }
        }
    }
    form
}

enum Step<'d> {
    Open(ego_tree::NodeRef<'d, Node>),
    Close(&'d str),
}

fn children(node: ego_tree::NodeRef<'_, Node>) -> impl Iterator<Item = Step<'_>> {
    node.children().rev().map(Step::Open)
}

/// Writes a node; answers with its name when its children are to follow.
fn open<'d>(node: &'d Node, form: &mut String) -> Option<&'d str> {
    match node {
        Node::Text(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            form.push_str(&words.join(" "));
            None
        }
        Node::Element(element) if !DROPPED.contains(&element.name()) => {
            write_start(element, form);
            Some(element.name())
        }
        _ => None,
    }
}

fn write_start(element: &Element, form: &mut String) {
    let mut attributes: Vec<(&str, String)> = element
        .attrs()
        .filter(|(name, value)| counts(name) && !is_script(value))
        .map(|(name, value)| (name, if name == "style" { style(value) } else { words(value) }))
        .collect();
    attributes.sort();
    form.extend(["<", element.name()]);
    for (name, value) in attributes {
        form.extend([" ", name, "=\"", &value, "\""]);
    }
    form.push('>');
}

fn counts(attribute: &str) -> bool {
    !matches!(attribute, "id" | "class" | "lang" | "xmlns")
        && !attribute.starts_with("data-")
        && !attribute.starts_with("on")
        && !attribute.contains(':')
}

/// Exchange takes the target from a link that would run a script.
fn is_script(value: &str) -> bool {
    value.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("javascript:"))
}

fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn style(value: &str) -> String {
    let declarations = value.split(';').filter_map(|declaration| {
        let (property, value) = declaration.split_once(':')?;
        Some(format!("{}:{}", property.trim().to_lowercase(), words(value)))
    });
    declarations.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_exchange_changes_does_not_count() {
        let written = "<P Class=x>Hello&nbsp; <B>world</B><script>x()</script></P>";
        let kept = "<html><head><meta charset=utf-8></head><body>\r\n<p>Hello \
            <b>world</b></p>\r\n</body></html>";
        assert_eq!(normal_form(written), normal_form(kept));
        assert_eq!(normal_form(kept), "<p>Hello<b>world</b></p>");
    }

    #[test]
    fn what_a_reader_sees_counts() {
        let form = normal_form("<p>Hello <a href=\"https://a.example\">x</a></p>");
        for other in [
            "<p>Hallo <a href=\"https://a.example\">x</a></p>",
            "<p>Hello <a href=\"https://b.example\">x</a></p>",
            "<div>Hello <a href=\"https://a.example\">x</a></div>",
            "<p>Hello <i href=\"https://a.example\">x</i></p>",
        ] {
            assert_ne!(normal_form(other), form);
        }
    }

    #[test]
    fn a_hundred_thousand_nested_elements_do_not_overflow_the_stack() {
        assert!(normal_form(&"<b>".repeat(100_000)).len() > 100_000);
    }

    proptest! {
        #[test]
        fn the_form_is_stable(html in "[<>a-z/= \"&;]{0,60}") {
            let once = normal_form(&html);
            prop_assert_eq!(normal_form(&html), once);
        }
    }
}
