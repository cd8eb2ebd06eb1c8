//! Answers of object stores in XML, as a tree.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// No answer is nested deeper.
const MAX_DEPTH: usize = 16;

/// An element with its text and the elements in it, in order.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` where it is no well-formed XML.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().expand_empty_elements = true;
        // The first is the document, in which the root lies.
        let mut open = vec![Self::default()];
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer).ok()? {
                Event::Start(tag) if open.len() <= MAX_DEPTH => {
                    let name = std::str::from_utf8(tag.local_name().into_inner()).ok()?.to_owned();
                    open.push(Self { name, ..Self::default() });
                }
                Event::Start(_) => return None,
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::GeneralRef(entity) => open.last_mut()?.text.push_str(&resolve(&entity)?),
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        let mut document = open.pop().filter(|_| open.is_empty())?;
        document.children.pop().filter(|_| document.children.is_empty())
    }

    /// The first element of a name right in this one.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Text of the first element of a name right in this one; empty where there is none.
    pub(super) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }
}

fn resolve(entity: &BytesRef<'_>) -> Option<String> {
    match entity.resolve_char_ref().ok()? {
        Some(character) => Some(character.to_string()),
        None => resolve_predefined_entity(&entity.decode().ok()?).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let xml =
            b"<?xml version=\"1.0\"?><a xmlns=\"x\"><k>1 &amp; &lt;&#x41;</k><e/><k>2</k></a>";
        let root = Element::parse(xml).unwrap();
        assert_eq!((root.name.as_str(), root.text_of("k")), ("a", "1 & <A"));
        assert_eq!(root.children.len(), 3);
        assert_eq!(root.text_of("none"), "");
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = "<a>".repeat(1_000_000);
        for text in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a>&nonsense;</a>", &deep] {
            assert!(Element::parse(text.as_bytes()).is_none(), "{text:.20}");
        }
    }
}
