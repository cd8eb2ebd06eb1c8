//! Names of files and folders.
//!
//! Rules and limits: Microsoft, "Restrictions and limitations in OneDrive and SharePoint", read
//! 2026-11.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::content::language::Language;

/// Characters of a name at most.
pub(super) const NAME_MAX: usize = 255;

/// Characters of a path at most, slashes included.
pub(super) const PATH_MAX: usize = 400;

/// Letters that no name may have.
const FORBIDDEN: [char; 9] = ['"', '*', ':', '<', '>', '?', '/', '\\', '|'];

/// Names that are taken by no folder, in lower case.
const RESERVED: [&str; 6] = [".lock", "con", "prn", "aux", "nul", "desktop.ini"];

/// An odd file: a name that OneDrive takes and other systems may not, or an odd shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// This name.
    Name(&'static str),
    /// A name of 255 characters.
    Long,
    /// A path of 400 characters.
    Deep,
    /// No bytes.
    Empty,
}

/// All of them; of ten people with twelve files each they come once.
pub(super) const ODD: [Odd; 24] = [
    Odd::Name("Übersicht Größe & Maße.docx"),
    Odd::Long,
    Odd::Deep,
    Odd::Empty,
    // One name in both normal forms of Unicode, for OneDrive two names.
    Odd::Name("M\u{fc}ller.docx"),
    Odd::Name("Mu\u{308}ller.docx"),
    Odd::Name("🚀 Launch 👨‍👩‍👧 plan.pptx"),
    Odd::Name("見積書 2026.xlsx"),
    Odd::Name("عرض السعر.pdf"),
    // Devices of Windows, or nearly.
    Odd::Name("con.txt"),
    Odd::Name("COM10.txt"),
    Odd::Name("aux.plan.docx"),
    Odd::Name("NUL-series.csv"),
    Odd::Name("lock"),
    Odd::Name("desktop.ini.txt"),
    Odd::Name(".gitignore"),
    Odd::Name("..hidden.txt"),
    Odd::Name("#42 100% 'done' {a} [b] +c; d, e@f=g! ^`$().txt"),
    Odd::Name("a~$b.docx"),
    Odd::Name("v1..2...final.docx"),
    Odd::Name("non\u{a0}breaking  spaces.txt"),
    Odd::Name("zero\u{200b}width.txt"),
    Odd::Name("%41%2F..%5C.txt"),
    Odd::Name("right \u{202e}fdp.txt"),
];

/// A name that SharePoint takes, as close to this one as can be.
pub(super) fn clean(name: &str) -> String {
    let allowed = |letter: char| match FORBIDDEN.contains(&letter) || letter.is_control() {
        true => '_',
        false => letter,
    };
    let name: String = name.chars().map(allowed).collect();
    let name = name.trim_matches([' ', '\u{a0}']).trim_end_matches(['.', ' ', '\u{a0}']);
    let folded = name.to_lowercase();
    let is_numbered = |prefix: &str| {
        let rest = folded.strip_prefix(prefix).unwrap_or_default();
        rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_refused = name.is_empty()
        || name.starts_with("~$")
        || RESERVED.contains(&folded.as_str())
        || is_numbered("com")
        || is_numbered("lpt");
    let name = if is_refused { format!("_{name}") } else { name.to_owned() };
    // The dot keeps the number of characters and takes the meaning away.
    match folded.contains("_vti_") {
        true => name.replace(['_'], "."),
        false => name,
    }
}

/// The name with `addition` before its ending, cut to `room` characters.
pub(super) fn shortened(name: &str, room: usize, addition: &str) -> String {
    let (stem, ending) = match name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot < 12) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    let room = room.saturating_sub(ending.chars().count() + addition.chars().count());
    let stem: String = stem.chars().take(room.max(1)).collect();
    format!("{}{addition}{ending}", stem.trim_end())
}

/// The name of a document about something that people write about.
pub(super) fn document(language: &Language, ending: &str, rng: &mut ChaCha8Rng) -> String {
    let subject = clean(&language.subject(rng));
    let version = match rng.random_range(0..10) {
        0 => format!(" v{}", rng.random_range(1..4)),
        1 => " (Entwurf)".to_owned(),
        2 => " - Copy".to_owned(),
        _ => String::new(),
    };
    format!("{subject}{version}.{ending}")
}

/// What a file is called after its renaming.
pub(super) fn renamed(name: &str, rng: &mut ChaCha8Rng) -> String {
    let addition = [" final", " FINAL v2", "_alt", " - freigegeben"][rng.random_range(0..4)];
    shortened(name, NAME_MAX, addition)
}

/// A name of exactly this many characters.
pub(super) fn of_length(length: usize, ending: &str) -> String {
    let words = "a very long name für einen sehr langen Bericht ";
    let room = length.saturating_sub(ending.chars().count() + 1);
    let stem: String = words.chars().cycle().take(room).collect();
    // The last letter must not be a space: it would be cut.
    let stem: String = stem.chars().take(room.saturating_sub(1)).chain(['x']).collect();
    format!("{stem}.{ending}")
}

/// The name that ransomware gives to a file, cut where OneDrive would refuse it.
///
/// `room` is how many characters a name in that folder can have.
pub fn locked_name(name: &str, room: usize) -> String {
    let ending = ".locked";
    let stem: String = name.chars().take(room.min(NAME_MAX).saturating_sub(ending.len())).collect();
    format!("{stem}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mended_names_are_taken() {
        for (name, mended) in [
            ("a:b*c?.pdf", "a_b_c_.pdf"),
            ("  spaces. . ", "spaces"),
            ("CON", "_CON"),
            ("lpt1", "_lpt1"),
            ("~$open.docx", "_~$open.docx"),
            ("x_vti_y", "x.vti.y"),
            ("tab\there", "tab_here"),
            ("...", "_"),
            ("Grüße 🎉.docx", "Grüße 🎉.docx"),
        ] {
            assert_eq!(clean(name), mended);
        }
    }

    #[test]
    fn names_are_cut_before_their_ending() {
        assert_eq!(shortened("report.docx", 8, ""), "rep.docx");
        assert_eq!(shortened("report.docx", 255, " (2)"), "report (2).docx");
        assert_eq!(shortened(".gitignore", 255, " (2)"), ".gitignore (2)");
        assert_eq!(of_length(255, "docx").chars().count(), 255);
        assert_eq!(locked_name(&"x".repeat(255), 255).len(), 255);
        assert_eq!(locked_name("a.docx", 255), "a.docx.locked");
    }
}
