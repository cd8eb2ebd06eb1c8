//! Where the files of a drive lie in the vault: at their real paths. What is not the user's own
//! lies in directories that begin with `~`, as no name of a user does here. All rules are pure;
//! identity is always the Graph id in the metadata.

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_model::{MAX_COMPONENT_BYTES, Timestamp, component, short_id};

use crate::layout::{KEPT_DIR, Place};

/// Directory of a resource that holds sharing, columns and labels, a file per item that has any.
const ABOUT_DIR: &str = "~about";

/// Directory of a resource that holds earlier versions of files.
const VERSIONS_DIR: &str = "~versions";

/// Longest ending that a shortened name keeps, in bytes.
const ENDING: usize = 24;

/// Length of a short id with what stands before it.
const MARK: usize = " ~0123456789abcdef".len();

/// Levels of the spread of a folder with very many files.
const LEVELS: usize = 4;

/// Tells what a component stands for.
pub fn place(name: &str, is_dir: bool) -> Place {
    match (name.strip_prefix('~'), is_dir) {
        (None, true) => Place::Folder,
        (None, false) => Place::Item,
        (Some(_), true) if name == KEPT_DIR => Place::Kept,
        (Some(digit), true) if digit.len() == 1 && is_hex(digit) => Place::Fanout,
        (Some(_), _) => Place::Own,
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The directories between a folder of very many files and one of them, outermost first: digits of
/// the hash of its name.
pub fn fanout_levels(name: &str) -> Vec<String> {
    let hash = digest(&SHA256, name.as_bytes());
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.take(LEVELS).map(|digit| format!("~{digit:x}")).collect()
}

/// Directory name of a folder.
pub fn folder_name(name: &str) -> String {
    component(name, MAX_COMPONENT_BYTES)
}

/// The same where a sibling has that name already.
pub fn folder_name_with_id(name: &str, id: &str) -> String {
    format!("{} ~{}", component(name, MAX_COMPONENT_BYTES - MARK), short_id(id))
}

/// File name of a file: its real name, made safe; a name that is too long keeps its ending.
pub fn file_name(name: &str) -> String {
    let (stem, ending) = split(name);
    shortened(stem, "", ending)
}

/// The same where a sibling has that name already.
pub fn file_name_with_id(name: &str, id: &str) -> String {
    let (stem, ending) = split(name);
    shortened(stem, &format!(" ~{}", short_id(id)), ending)
}

fn shortened(stem: &str, mark: &str, ending: &str) -> String {
    let whole = component(&format!("{stem}{ending}"), usize::MAX);
    if mark.is_empty() && whole.len() <= MAX_COMPONENT_BYTES {
        return whole;
    }
    let ending = match ending {
        "" => String::new(),
        some => format!(".{}", component(&some[1..], ENDING)),
    };
    let stem = component(stem, MAX_COMPONENT_BYTES - mark.len() - ending.len());
    component(&format!("{stem}{mark}{ending}"), MAX_COMPONENT_BYTES)
}

/// A name without its ending, and the ending with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && at + 1 < name.len() && name.len() - at <= ENDING => name.split_at(at),
        _ => (name, ""),
    }
}

/// Where further facts of an item lie, from the directory of the resource.
pub fn about_path(id: &str) -> [String; 3] {
    let short = short_id(id);
    [ABOUT_DIR.to_owned(), short[..2].to_owned(), format!("~{short}.json")]
}

/// Where earlier versions of a file lie, from the directory of the resource.
pub fn versions_path(id: &str) -> [String; 3] {
    let short = short_id(id);
    [VERSIONS_DIR.to_owned(), short[..2].to_owned(), short]
}

/// Name of an earlier version: `<version> <date>-<time> <name> ~<short id>.<ending>`.
pub fn version_name(version: &str, modified: Timestamp, name: &str, id: &str) -> String {
    let stamp = modified.strftime("%Y%m%d-%H%M%S");
    file_name_with_id(&format!("v{} {stamp} {name}", component(version, 32)), id)
}

#[cfg(test)]
mod tests {
    use holdfast_model::fold;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_keep_their_names_and_long_ones_their_endings() {
        for name in ["plan.docx", "Übersicht 2026.xlsx", ".gitignore", "a.tar.gz", "no ending"] {
            assert_eq!(file_name(name), name);
        }
        assert_eq!(file_name("~$plan.docx"), "_~$plan.docx");
        assert_eq!(file_name("NUL.txt"), "_NUL.txt");
        let long = format!("{}.docx", "ä".repeat(250));
        let name = file_name(&long);
        assert!(name.len() <= 200 && name.ends_with("ä.docx"), "{name}");
        let twin = file_name_with_id("plan.docx", "01ABC");
        assert_eq!(twin, format!("plan ~{}.docx", short_id("01ABC")));
    }

    #[test]
    fn what_is_ours_is_known_by_its_name() {
        assert_eq!(place("~kept", true), Place::Kept);
        assert_eq!(place("~a", true), Place::Fanout);
        assert_eq!(place(ABOUT_DIR, true), Place::Own);
        assert_eq!(place("~state.json", false), Place::Own);
        assert_eq!(place("plan.docx", false), Place::Item);
        assert_eq!(place("2026-11", true), Place::Folder);
        assert!(fanout_levels("plan.docx").iter().all(|dir| place(dir, true) == Place::Fanout));
    }

    proptest! {
        #[test]
        fn any_name_gives_one_that_is_recognised(name in ".{1,255}", id in "[A-Z0-9]{10,34}") {
            for made in [file_name(&name), file_name_with_id(&name, &id)] {
                prop_assert!(made.len() <= MAX_COMPONENT_BYTES, "{}", made);
                prop_assert_eq!(place(&made, false), Place::Item);
                prop_assert_eq!(component(&made, MAX_COMPONENT_BYTES), made);
            }
            for made in [folder_name(&name), folder_name_with_id(&name, &id)] {
                prop_assert!(made.len() <= MAX_COMPONENT_BYTES);
                prop_assert_eq!(place(&made, true), Place::Folder);
            }
            let version = version_name("3.0", Timestamp::UNIX_EPOCH, &name, &id);
            prop_assert!(version.len() <= MAX_COMPONENT_BYTES);
            prop_assert!(version.contains(&short_id(&id)));
        }

        #[test]
        fn two_ids_never_share_a_name(name in ".{1,255}", a in "[A-Z0-9]{10}", b in "[A-Z0-9]{11}") {
            prop_assert_ne!(fold(&file_name_with_id(&name, &a)), fold(&file_name_with_id(&name, &b)));
        }
    }
}
