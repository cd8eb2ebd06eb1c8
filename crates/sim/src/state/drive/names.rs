//! Which names and paths SharePoint and OneDrive take (source: Microsoft, "Restrictions and
//! limitations in OneDrive and SharePoint", read 2026-11).

use crate::error::Refused;

/// Characters of a name at most.
const NAME_MAX: usize = 255;

/// Characters of a path below the site at most, names and slashes together.
const PATH_MAX: usize = 400;

/// Letters that no name may have.
const FORBIDDEN: &[char] = &['"', '*', ':', '<', '>', '?', '/', '\\', '|'];

/// Names that are reserved, whatever their case.
const RESERVED: [&str; 7] = [".lock", "con", "prn", "aux", "nul", "_vti_", "desktop.ini"];

/// Refuses a name that the service refuses.
pub fn check(name: &str) -> Result<(), Refused> {
    let folded = name.to_lowercase();
    let numbered = |prefix: &str| {
        let rest = folded.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let refused = name.is_empty()
        || name.chars().count() > NAME_MAX
        || name.contains(FORBIDDEN)
        || name.chars().any(|letter| u32::from(letter) < 0x20)
        || name.starts_with([' ', '\u{a0}'])
        || name.ends_with([' ', '\u{a0}', '.'])
        || name.starts_with("~$")
        || folded.contains("_vti_")
        || RESERVED.contains(&folded.as_str())
        || numbered("com")
        || numbered("lpt");
    if refused { Err(Refused::NameNotAllowed) } else { Ok(()) }
}

/// Refuses a path that is too long; `length` counts its characters and slashes.
pub fn check_path(length: usize) -> Result<(), Refused> {
    if length > PATH_MAX { Err(Refused::PathTooLong) } else { Ok(()) }
}

/// The form in which the names of a folder are compared.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// The name with a number before its extension: `Plan 1.docx`.
pub fn numbered(name: &str, number: usize) -> String {
    match name.rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => format!("{} {number}{}", &name[..dot], &name[dot..]),
        None => format!("{name} {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_as_by_the_service() {
        for good in
            ["a", "Ünïcode 🎉.docx", ".hidden", "COM10", "con.txt", "a~$b", "#%&{}'", "lock"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a.",
            "a/b",
            "a\\b",
            "a:b",
            "a*",
            "a?",
            "<a",
            "a>",
            "a|b",
            "\"",
            "~$a",
            "CON",
            "nul",
            "Com0",
            "LPT9",
            ".LOCK",
            "a_VTI_b",
            "Desktop.ini",
            "a\tb",
        ] {
            assert_eq!(check(bad), Err(Refused::NameNotAllowed), "{bad:?}");
        }
        assert_eq!(check(&"ü".repeat(255)), Ok(()));
        assert!(check(&"ü".repeat(256)).is_err());
        assert_eq!(numbered("a.b.docx", 2), "a.b 2.docx");
        assert_eq!(numbered(".hidden", 1), ".hidden 1");
    }
}
