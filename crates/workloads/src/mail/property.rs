//! Extended properties of a message by their MAPI tags.
//!
//! Graph names one `Integer 0x0E07`, but the answer may spell the same tag `Integer 0xe07`: the
//! spelling is not promised, so ids are compared in one form.

use std::collections::BTreeMap;

use serde_json::Value;

/// All single-value extended properties of a Graph message, by id in our spelling.
pub(super) fn extended(message: &Value) -> BTreeMap<String, String> {
    let properties = message["singleValueExtendedProperties"].as_array().into_iter().flatten();
    properties
        .filter_map(|p| Some((canonical(p["id"].as_str()?), p["value"].as_str()?.to_owned())))
        .collect()
}

/// `<Type> 0x` and four upper-case digits; other ids (named properties) as they are.
fn canonical(id: &str) -> String {
    let tag = id.split_once(" 0x").or_else(|| id.split_once(" 0X"));
    let number = tag.and_then(|(kind, hex)| Some((kind, u32::from_str_radix(hex, 16).ok()?)));
    match number {
        Some((kind, number)) => format!("{kind} 0x{number:04X}"),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_are_the_same_in_every_spelling() {
        let message = json!({"singleValueExtendedProperties": [
            {"id": "String 0x1a", "value": "IPM.Note"},
            {"id": "Integer 0x0E07", "value": "1"},
            {"id": "String {6d1c2f0e} Name X", "value": "y"},
        ]});
        let ids: Vec<String> = extended(&message).into_keys().collect();
        assert_eq!(ids, ["Integer 0x0E07", "String 0x001A", "String {6d1c2f0e} Name X"]);
    }
}
