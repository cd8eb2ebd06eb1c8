//! Path components that every file system takes.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// Longest component that the vault writes, in bytes of UTF-8 (file systems stop at 255).
pub const MAX_COMPONENT_BYTES: usize = 200;

/// Turns any text from outside into one path component: at most `max_bytes` of UTF-8, no
/// separators, no control or bidirectional-override characters, no name that Windows reserves, no
/// leading `~` (kept for Holdfast's own entries), no trailing dot or space, never empty.
///
/// The result is for people; it is not unique and not reversible. The real name is kept in the
/// metadata.
///
/// ```
/// use holdfast_model::component;
/// assert_eq!(component("a/b:c", 200), "a_b_c");
/// assert_eq!(component("..", 200), "_");
/// assert_eq!(component("NUL.txt", 200), "_NUL.txt");
/// assert_eq!(component("", 200), "_");
/// ```
pub fn component(text: &str, max_bytes: usize) -> String {
    let cleaned: String = text.nfc().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let name = shorten(cleaned.trim(), max_bytes);
    if name.is_empty() {
        "_".to_owned()
    } else if name.starts_with('~') || is_reserved(name) {
        format!("_{}", shorten(name, max_bytes - 1))
    } else {
        name.to_owned()
    }
}

/// True for names that Windows keeps for devices, with or without an extension (Microsoft,
/// "Naming Files, Paths, and Namespaces", read 2026-11).
pub fn is_reserved(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix).is_some_and(|n: &str| {
            let mut digits = n.chars();
            matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
        })
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// The form in which two names are compared: NFC, then case folded. Two names with equal folds
/// cannot lie side by side on Windows or macOS.
pub fn fold(name: &str) -> String {
    UniCase::unicode(name.nfc().collect::<String>()).to_folded_case()
}

fn is_unsafe(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        || c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

fn shorten(name: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (from, to) in [
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("a\0b", "a_b"),
            ("report \u{202e}fdp.exe", "report _fdp.exe"),
            ("~kept", "_~kept"),
            ("com7", "_com7"),
            ("trailing. . ", "trailing"),
        ] {
            assert_eq!(component(from, 200), to);
        }
    }

    #[test]
    fn folding_joins_case_and_composition() {
        assert_eq!(fold("STRASSE"), fold("strasse"));
        assert_eq!(fold("Caf\u{e9}"), fold("cafe\u{301}"));
        assert_ne!(fold("a"), fold("b"));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_safe_component(text in any::<String>(), max in 8_usize..200) {
            let name = component(&text, max);
            prop_assert!(!name.is_empty() && name.len() <= max);
            prop_assert!(name != "." && name != ".." && !name.starts_with('~'));
            prop_assert!(!name.chars().any(is_unsafe));
            prop_assert!(!is_reserved(&name));
            prop_assert_eq!(component(&name, max), name);
        }
    }
}
