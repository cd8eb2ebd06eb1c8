//! The system query options of OData that the tenant understands.

use crate::http::{Call, GraphError};

/// `$select`: none means the default properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select(pub Option<Vec<String>>);

impl Select {
    /// Reads `$select` and refuses properties that the type does not have.
    pub fn read(call: &Call, type_name: &str, known: &[&str]) -> Result<Self, GraphError> {
        let Some(text) = call.option("$select") else { return Ok(Self(None)) };
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let same = |known: &&&str| known.eq_ignore_ascii_case(name);
            let known = known.iter().find(same).ok_or_else(|| {
                let message = format!(
                    "Parsing OData Select and Expand failed: Could not find a property named \
                     '{name}' on type '{type_name}'."
                );
                GraphError::new(400, "RequestBroker--ParseUri", message)
            })?;
            names.push((*known).to_owned());
        }
        Ok(Self(Some(names)))
    }

    /// Whether the property is asked for by name.
    pub fn names(&self, property: &str) -> bool {
        self.0.as_ref().is_some_and(|names| names.iter().any(|name| name == property))
    }

    /// Whether the property is to be shown, being one of the default ones or not.
    pub fn shows(&self, property: &str, by_default: bool) -> bool {
        if self.0.is_some() { self.names(property) } else { by_default }
    }
}

/// `$expand` on messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// The canonical ids of the single-value extended properties asked for.
    pub properties: Vec<String>,
    /// `attachments`.
    pub attachments: bool,
    /// `microsoft.graph.itemAttachment/item`, below attachments.
    pub items: bool,
}

impl Expand {
    /// Reads `$expand`.
    pub fn read(call: &Call) -> Result<Self, GraphError> {
        let mut expand = Self::default();
        for part in split_outside(call.option("$expand").unwrap_or(""), ',') {
            let part = part.trim();
            let name = part.split(['(', '/']).next().unwrap_or("").to_ascii_lowercase();
            match name.as_str() {
                "" => {}
                "singlevalueextendedproperties" => {
                    for id in quoted(part) {
                        expand.properties.push(property_id(&id)?);
                    }
                }
                "attachments" => expand.attachments = true,
                "microsoft.graph.itemattachment" => expand.items = true,
                _ => {
                    let message = format!(
                        "Parsing OData Select and Expand failed: Could not find a property named \
                         '{part}' on type 'microsoft.graph.message'."
                    );
                    return Err(GraphError::new(400, "RequestBroker--ParseUri", message));
                }
            }
        }
        Ok(expand)
    }
}

/// The names in `$expand`, without what stands in parentheses behind them.
pub fn expands(call: &Call) -> Vec<String> {
    let parts = split_outside(call.option("$expand").unwrap_or(""), ',').into_iter();
    let names = parts.map(|part| part.split(['(', '/']).next().unwrap_or("").trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The names in the `$select` inside of what `$expand` says of a property (`fields($select=A,B)`),
/// at any depth.
pub fn expand_select(call: &Call, property: &str) -> Option<Vec<String>> {
    let text = call.option("$expand")?;
    let start = text.find(&format!("{property}("))? + property.len() + 1;
    let inner = text[start..].split(')').next()?;
    let names = inner.split(';').find_map(|part| part.trim().strip_prefix("$select="))?;
    Some(names.split(',').map(|name| name.trim().to_owned()).collect())
}

/// `$top` within its bounds.
pub fn top(call: &Call, default: usize, most: usize) -> Result<usize, GraphError> {
    let Some(text) = call.option("$top") else { return Ok(default) };
    match text.parse::<usize>() {
        Ok(top) if (1..=most).contains(&top) => Ok(top),
        _ => Err(GraphError::new(
            400,
            "ErrorInvalidUrlQueryFilter",
            format!("Invalid value for the query option '$top': the limit of {most} was exceeded."),
        )),
    }
}

/// `$skip`.
pub fn skip(call: &Call) -> Result<usize, GraphError> {
    let Some(text) = call.option("$skip") else { return Ok(0) };
    text.parse().map_err(|_| GraphError::invalid("Invalid value for the query option '$skip'."))
}

/// The texts in single quotes.
fn quoted(text: &str) -> Vec<String> {
    let odd = |(index, part): (usize, &str)| (index % 2 == 1).then(|| part.to_owned());
    text.split('\'').enumerate().filter_map(odd).collect()
}

/// Splits at a letter that stands outside of quotes and parentheses.
fn split_outside(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut in_quotes) = (Vec::new(), 0, 0usize, false);
    for (place, letter) in text.char_indices() {
        match letter {
            '\'' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth = depth.saturating_sub(1),
            _ if letter == at && depth == 0 && !in_quotes => {
                parts.push(&text[start..place]);
                start = place + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The MAPI types that Graph knows, as it spells them (source: Graph, "Outlook extended
/// properties overview", read 2026-11).
const TYPES: [&str; 16] = [
    "ApplicationTime",
    "Binary",
    "Boolean",
    "CLSID",
    "Currency",
    "Double",
    "Error",
    "Float",
    "Integer",
    "Long",
    "Null",
    "Object",
    "Short",
    "String",
    "SystemTime",
    "SystemTimeArray",
];

/// The form in which Graph gives the id of an extended property back: type spelled as above,
/// hexadecimal digits and GUID in lower case, no leading zeros (`Integer 0x0E07` is
/// `Integer 0xe07`).
pub fn property_id(id: &str) -> Result<String, GraphError> {
    let bad = || {
        let message = format!("The property ID '{id}' is invalid.");
        GraphError::new(400, "ErrorInvalidProperty", message)
    };
    let (kind, rest) = id.trim().split_once(' ').ok_or_else(bad)?;
    let kind = TYPES.iter().find(|known| known.eq_ignore_ascii_case(kind)).ok_or_else(bad)?;
    let rest = rest.trim();
    if let Some(tag) = hexadecimal(rest) {
        return Ok(format!("{kind} 0x{tag:x}"));
    }
    let (set, name) =
        rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(bad)?;
    let set = uuid::Uuid::parse_str(set).map_err(|_| bad())?;
    match name.trim_start().split_once(' ') {
        Some((word, name)) if word.eq_ignore_ascii_case("name") && !name.trim().is_empty() => {
            Ok(format!("{kind} {{{set}}} Name {}", name.trim()))
        }
        Some((word, id)) if word.eq_ignore_ascii_case("id") => {
            let id = hexadecimal(id.trim()).ok_or_else(bad)?;
            Ok(format!("{kind} {{{set}}} Id 0x{id:x}"))
        }
        _ => Err(bad()),
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn call(query: &str) -> Call {
        let target = format!("/v1.0/users/a/messages?{query}");
        Call::new("GET", &target, HeaderMap::new(), Bytes::new(), "https://x")
    }

    #[test]
    fn ids_of_extended_properties_have_one_form() {
        for (given, form) in [
            ("Integer 0x0E07", "Integer 0xe07"),
            ("SYSTEMTIME 0x0039", "SystemTime 0x39"),
            (
                "string {00020386-0000-0000-C000-000000000046} name X-Thing",
                "String {00020386-0000-0000-c000-000000000046} Name X-Thing",
            ),
            (
                "Integer {00062008-0000-0000-C000-000000000046} Id 0x8233",
                "Integer {00062008-0000-0000-c000-000000000046} Id 0x8233",
            ),
        ] {
            assert_eq!(property_id(given).unwrap(), form);
        }
        for bad in ["", "Integer", "Number 0x1", "String {x} Name y", "String 12", "Integer 0xzz"] {
            assert_eq!(property_id(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn expansions_are_read_with_their_filters() {
        let query = "$expand=singleValueExtendedProperties($filter=id eq 'Integer 0x0E07' or \
                     id eq 'String {00020386-0000-0000-c000-000000000046} Name a,b'),attachments";
        let expand = Expand::read(&call(query)).unwrap();
        assert!(expand.attachments);
        assert_eq!(expand.properties.len(), 2);
        assert_eq!(expand.properties[0], "Integer 0xe07");
        assert!(Expand::read(&call("$expand=nothing")).is_err());
    }

    #[test]
    fn selections_inside_of_expansions_are_read() {
        let inside = |query: &str| expand_select(&call(query), "fields");
        let names = vec!["A".to_owned(), "B".to_owned()];
        assert_eq!(inside("$expand=fields($select=A,B)"), Some(names.clone()));
        assert_eq!(inside("$expand=listItem($expand=fields($select=A, B))"), Some(names));
        assert_eq!(inside("$expand=fields"), None);
        let all = expands(&call("$expand=fields($select=A,B),driveItem"));
        assert_eq!(all, ["fields", "driveItem"]);
    }

    #[test]
    fn unknown_properties_are_refused() {
        let known = ["subject", "isRead"];
        let select = Select::read(&call("$select=SUBJECT,isRead"), "t", &known).unwrap();
        assert!(select.shows("subject", false) && !select.shows("body", true));
        let error = Select::read(&call("$select=subject,x"), "t", &known).unwrap_err();
        assert_eq!(error.status, 400);
        assert_eq!(top(&call("$top=0"), 10, 999).unwrap_err().status, 400);
        assert_eq!(top(&call("$top=12"), 10, 999).unwrap(), 12);
    }
}
