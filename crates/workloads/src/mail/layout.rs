//! Where a mailbox, its folders and its messages lie in the vault: readable names that every file
//! system takes. All rules here are pure; identity is always the Graph id in the metadata.

use std::collections::{BTreeMap, HashMap};

use holdfast_model::{ContainerId, MAX_COMPONENT_BYTES, Timestamp, component, fold, short_id};

use super::folders::Folder;
use super::meta::StoredForm;
use crate::layout::{KEPT_DIR, Place};

/// Length of a short id.
const SHORT_ID: usize = 16;

/// Bytes that a file name needs beside the subject: date, separators, short id, longest ending.
const NAME_FRAME: usize = "20260101-000000  ~0123456789abcdef.meta.json".len();

/// Longest hexadecimal spread below a day: four digits reach 16 million messages a day.
const HEX_LEVELS: usize = 4;

/// File name of a message: `<date>-<time> <subject> ~<short id>.eml` (`.json` where there is no
/// MIME). It is given once; a changed subject does not rename.
pub fn item_name(id: &str, filed_at: Timestamp, subject: &str, form: StoredForm) -> String {
    let stamp = filed_at.strftime("%Y%m%d-%H%M%S");
    let subject = component(subject, MAX_COMPONENT_BYTES - NAME_FRAME);
    let ending = match form {
        StoredForm::Mime => "eml",
        StoredForm::Json => "json",
    };
    format!("{stamp} {subject} ~{}.{ending}", short_id(id))
}

/// Name of the file beside a message that takes metadata too long for its node.
pub fn overflow_name(item_name: &str) -> String {
    let stem = item_name.rsplit_once('.').map_or(item_name, |(stem, _)| stem);
    format!("{stem}.meta.json")
}

/// The directories between a folder and a message, outermost first: month, day, then one
/// hexadecimal digit of the short id per level. Only the month is always there; the vault adds
/// the others where a directory grows too large.
pub fn fanout_levels(name: &str) -> Vec<String> {
    let Some((month, day, hex)) = parts_of(name) else {
        return vec!["0000-00".to_owned()];
    };
    let mut levels = vec![month, day];
    levels.extend(hex.chars().take(HEX_LEVELS).map(|digit| digit.to_string()));
    levels
}

fn parts_of(name: &str) -> Option<(String, String, &str)> {
    let name = without_version(name);
    let date = name.get(..8).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let hex = &name.get(name.rfind('~')? + 1..)?.get(..SHORT_ID)?;
    hex.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    Some((format!("{year}-{month}"), format!("{year}-{month}-{day}"), hex))
}

/// Of two versions of a message that are kept in one month the second carries ` ~v` and 8, 16 or
/// 32 hexadecimal digits, as many as it takes to differ.
fn without_version(name: &str) -> &str {
    let Some((start, end)) = name.rsplit_once(" ~v") else { return name };
    let digits = end.split('.').next().unwrap_or_default();
    let is_version =
        matches!(digits.len(), 8 | 16 | 32) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_version && end.len() > digits.len() { start } else { name }
}

/// The short id in the name of a message or of what lies beside it.
pub fn short_id_of_name(name: &str) -> Option<&str> {
    parts_of(name).map(|(_, _, hex)| hex)
}

/// True for a name that the spread of messages may use, so that no folder takes it.
fn is_fanout_name(name: &str) -> bool {
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let hex = name.len() == 1 && name.bytes().all(|b| b.is_ascii_hexdigit());
    hex || shape == "9999-99" || shape == "9999-99-99"
}

/// Tells what a component stands for by its name alone.
pub fn place_of_name(name: &str) -> Place {
    if name == KEPT_DIR {
        Place::Kept
    } else if name.starts_with('~') {
        Place::Own
    } else if is_fanout_name(name) {
        Place::Fanout
    } else if parts_of(name).is_none() {
        Place::Folder
    } else if name.ends_with(".meta.json") {
        Place::Overflow
    } else if name.ends_with(".eml") || name.ends_with(".json") {
        Place::Item
    } else {
        Place::Folder
    }
}

/// The directory name of each folder.
///
/// A folder carries its short id only when two siblings are equal after normalisation and case
/// folding, or when its name could be taken for something else.
pub fn folder_dirs<'f>(
    folders: impl IntoIterator<Item = &'f Folder> + Clone,
) -> BTreeMap<ContainerId, String> {
    let plain = |folder: &Folder| component(&folder.display_name, MAX_COMPONENT_BYTES);
    let mut siblings: HashMap<(Option<&str>, String), usize> = HashMap::new();
    for folder in folders.clone() {
        let key = (folder.parent.as_ref().map(ContainerId::as_str), fold(&plain(folder)));
        *siblings.entry(key).or_default() += 1;
    }
    folders
        .into_iter()
        .map(|folder| {
            let name = plain(folder);
            let key = (folder.parent.as_ref().map(ContainerId::as_str), fold(&name));
            let alone = siblings.get(&key) == Some(&1);
            let clear = place_of_name(&name) == Place::Folder && !ends_with_short_id(&name);
            let dir = if alone && clear { name } else { with_short_id(folder) };
            (folder.id.clone(), dir)
        })
        .collect()
}

/// A folder whose own name looks like one that carries a short id could collide with another
/// folder's made name.
fn ends_with_short_id(name: &str) -> bool {
    name.rsplit_once(" ~")
        .is_some_and(|(_, id)| id.len() == SHORT_ID && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn with_short_id(folder: &Folder) -> String {
    let readable = component(&folder.display_name, MAX_COMPONENT_BYTES - SHORT_ID - 2);
    format!("{readable} ~{}", short_id(folder.id.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder(id: &str, name: &str) -> Folder {
        Folder { id: id.into(), parent: None, display_name: name.into(), hidden: false }
    }

    #[test]
    fn a_message_lies_by_month_then_day_then_digits() {
        let at = "2026-11-22T09:15:00Z".parse().unwrap();
        let name = item_name("AAMk", at, "Budget / Q3", StoredForm::Mime);
        assert_eq!(name, format!("20261122-091500 Budget _ Q3 ~{}.eml", short_id("AAMk")));
        let digits: Vec<String> = short_id("AAMk").chars().take(4).map(String::from).collect();
        assert_eq!(fanout_levels(&name)[..2], ["2026-11", "2026-11-22"]);
        assert_eq!(fanout_levels(&name)[2..], digits);
        assert_eq!(fanout_levels(&overflow_name(&name)), fanout_levels(&name));
    }

    #[test]
    fn a_kept_version_lies_where_its_message_lay() {
        let at = "2026-11-22T09:15:00Z".parse().unwrap();
        let name = item_name("AAMk", at, "Plan ~v2", StoredForm::Mime);
        let second = name.replace(".eml", " ~v0123abcd.eml");
        assert_eq!(fanout_levels(&second), fanout_levels(&name));
        assert_eq!(short_id_of_name(&second), Some(short_id("AAMk").as_str()));
        assert_eq!(place_of_name(&second), Place::Item);
        assert_eq!(place_of_name(&overflow_name(&second)), Place::Overflow);
        assert_eq!(short_id_of_name("Plan ~v0123abcd"), None);
        assert_eq!(place_of_name(KEPT_DIR), Place::Kept);
    }

    #[test]
    fn only_equal_siblings_and_unclear_names_carry_an_id() {
        let folders = [folder("1", "Projects"), folder("2", "PROJECTS"), folder("3", "2026-11")];
        let dirs = folder_dirs(&folders);
        assert_eq!(dirs[&"1".into()], format!("Projects ~{}", short_id("1")));
        assert_eq!(dirs[&"2".into()], format!("PROJECTS ~{}", short_id("2")));
        assert_eq!(dirs[&"3".into()], format!("2026-11 ~{}", short_id("3")));
        assert_eq!(folder_dirs(&folders[..1])[&"1".into()], "Projects");
    }

    proptest! {
        #[test]
        fn any_subject_gives_a_name_that_is_recognised(subject in any::<String>(), id in ".+") {
            let at = "2026-11-22T09:15:00Z".parse().unwrap();
            let name = item_name(&id, at, &subject, StoredForm::Mime);
            prop_assert!(name.len() <= MAX_COMPONENT_BYTES);
            prop_assert_eq!(place_of_name(&name), Place::Item);
            prop_assert_eq!(place_of_name(&overflow_name(&name)), Place::Overflow);
            prop_assert!(overflow_name(&name).len() <= MAX_COMPONENT_BYTES);
        }

        #[test]
        fn siblings_never_share_a_directory(names in prop::collection::vec(".{0,12}", 1..12)) {
            let folders: Vec<Folder> =
                names.iter().enumerate().map(|(i, n)| folder(&i.to_string(), n)).collect();
            let dirs = folder_dirs(&folders);
            let folded: std::collections::BTreeSet<String> = dirs.values().map(|d| fold(d)).collect();
            prop_assert_eq!(folded.len(), folders.len());
            prop_assert!(dirs.values().all(|d| place_of_name(d) == Place::Folder));
        }
    }
}
