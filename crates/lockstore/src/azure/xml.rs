//! The little XML that the service speaks: elements without attributes or namespaces.

/// How every document begins.
pub(crate) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// Adds `<name>text</name>`, escaped.
pub(crate) fn element(out: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        out.push_str(&format!("<{name} />"));
        return;
    }
    out.push_str(&format!("<{name}>{}</{name}>", escape(text)));
}

/// Escapes text; characters that XML 1.0 cannot hold are the caller's business.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            other => out.push(other),
        }
    }
    out
}

/// Where Put Block List looks for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// Among the blocks of the blob as it is.
    Committed,
    /// Among those put since.
    Uncommitted,
    /// First among those put since, then in the blob as it is.
    Latest,
}

/// Reads `<BlockList>`: where to look, and the block id as it stands there. `None` if it is no
/// such document.
pub(crate) fn block_list(document: &str) -> Option<Vec<(Search, String)>> {
    let document = document.trim_start_matches('\u{feff}').trim();
    let document = match document.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1.trim(),
        None => document,
    };
    if matches!(document, "<BlockList/>" | "<BlockList />") {
        return Some(Vec::new());
    }
    let mut rest = document.strip_prefix("<BlockList>")?.strip_suffix("</BlockList>")?.trim();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        let search = match name {
            "Committed" => Search::Committed,
            "Uncommitted" => Search::Uncommitted,
            "Latest" => Search::Latest,
            _ => return None,
        };
        let (id, after) = after.split_once(&format!("</{name}>"))?;
        if id.contains(['<', '&']) {
            return None;
        }
        blocks.push((search, id.trim().to_owned()));
        rest = after.trim_start();
    }
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_escaped() {
        let mut out = String::new();
        element(&mut out, "Name", "a<b>&\"c\"");
        element(&mut out, "Empty", "");
        assert_eq!(out, "<Name>a&lt;b&gt;&amp;&quot;c&quot;</Name><Empty />");
    }

    #[test]
    fn block_lists() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n\t<Uncommitted>AA==</Uncommitted>\n  <Latest>AQ==</Latest><Committed>Ag==</Committed>\n</BlockList>";
        let expected = vec![
            (Search::Uncommitted, "AA==".to_owned()),
            (Search::Latest, "AQ==".to_owned()),
            (Search::Committed, "Ag==".to_owned()),
        ];
        assert_eq!(block_list(text), Some(expected));
        assert_eq!(block_list("<BlockList></BlockList>"), Some(Vec::new()));
        assert_eq!(block_list("<BlockList />"), Some(Vec::new()));
        for broken in [
            "",
            "<BlockList>",
            "<BlockList>x</BlockList>",
            "<BlockList><Other>AA==</Other></BlockList>",
            "<BlockList><Latest>AA==</BlockList>",
        ] {
            assert_eq!(block_list(broken), None, "{broken}");
        }
    }
}
