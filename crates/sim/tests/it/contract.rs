//! Checks answers of the simulated tenant against Microsoft's description of Graph v1.0.
//!
//! The description (`openapi-subset.json`) says which properties exist, not which must be there,
//! and leaves objects open. Here they are closed: a property that the description does not know
//! fails, unless it is an annotation of `schemas/annotations.json`. What the description lacks
//! altogether stands in `schemas/`, each file with its source. An answer without a schema fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

const ANNOTATIONS: &str = include_str!("schemas/annotations.json");
const EXTENDED: &str = include_str!("schemas/extended-properties.json");
const ERRORS: &str = include_str!("schemas/errors.json");
const OPERATIONS: [&str; 5] = [
    include_str!("schemas/token.json"),
    include_str!("schemas/openid-configuration.json"),
    include_str!("schemas/batch.json"),
    include_str!("schemas/messages.json"),
    include_str!("schemas/drives.json"),
];

/// What went over the wire.
pub struct Exchange<'a> {
    pub method: &'a str,
    /// Path without query, percent-decoded.
    pub path: &'a str,
    /// The media type of the request's body, empty for none.
    pub sent: &'a str,
    pub status: u16,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

/// An operation with its answers by status (`200`, `4XX`).
struct Operation {
    method: String,
    template: Vec<String>,
    sent: String,
    answers: BTreeMap<String, Answer>,
}

#[derive(Clone)]
enum Answer {
    Empty,
    Bytes,
    Json(Value),
}

pub struct Contract {
    operations: Vec<Operation>,
    anywhere: Map<String, Value>,
    components: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The contract, read once; `None` (with a note) when the description is not there.
    pub fn get() -> Option<&'static Self> {
        static CONTRACT: OnceLock<Option<Contract>> = OnceLock::new();
        CONTRACT.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/graph");
        let Ok(text) = std::fs::read_to_string(root.join("openapi-subset.json")) else {
            println!("no description of Graph at {}: answers are not checked", root.display());
            return None;
        };
        let description: Value = serde_json::from_str(&text).unwrap();
        Some(Self::new(&description))
    }

    fn new(description: &Value) -> Self {
        let mut operations: Vec<_> =
            OPERATIONS.iter().flat_map(|text| own_operations(&parse(text))).collect();
        for (path, item) in description["paths"].as_object().unwrap() {
            for method in ["get", "post", "put", "patch", "delete"] {
                if let Some(operation) = item.get(method) {
                    operations.push(described(method, path, operation));
                }
            }
        }
        // Fixed words before placeholders.
        operations.sort_by_key(|operation| {
            operation.template.iter().filter(|part| part.starts_with('{')).count()
        });
        Self {
            operations,
            anywhere: parse(ERRORS)["anywhere"].as_object().unwrap().clone(),
            components: json!({"schemas": closed_schemas(&description["components"]["schemas"])}),
            validators: Mutex::default(),
        }
    }

    /// The name of the operation, or what is wrong with the answer.
    pub fn check(&self, exchange: &Exchange<'_>) -> Result<String, String> {
        let operation = self.operation(exchange);
        let name = operation.map_or_else(|| "unknown".to_owned(), Operation::name);
        let answer = operation
            .and_then(|operation| operation.answer(exchange.status))
            .or_else(|| self.anywhere.get(&exchange.status.to_string()).map(answer))
            .ok_or_else(|| format!("no schema for status {} of {name}", exchange.status))?;
        self.fits(&answer, exchange).map_err(|error| format!("{name}: {error}"))?;
        if name.ends_with("/delta") && exchange.status == 200 {
            has_one_link(exchange.body).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(name)
    }

    fn operation(&self, exchange: &Exchange<'_>) -> Option<&Operation> {
        let segments = segments(exchange.path);
        let mime = if exchange.sent == "text/plain" { "text/plain" } else { "" };
        self.operations.iter().find(|operation| {
            operation.method == exchange.method
                && operation.sent == mime
                && operation.template.len() == segments.len()
                && operation.template.iter().zip(&segments).all(|(template, segment)| {
                    template.starts_with('{') || template.eq_ignore_ascii_case(segment)
                })
        })
    }

    fn fits(&self, answer: &Answer, exchange: &Exchange<'_>) -> Result<(), String> {
        match answer {
            Answer::Empty if exchange.body.is_empty() => Ok(()),
            Answer::Empty => Err("the body is not empty".to_owned()),
            Answer::Bytes if exchange.content_type.contains("json") => {
                Err("JSON instead of bytes".to_owned())
            }
            Answer::Bytes => Ok(()),
            Answer::Json(schema) => {
                if !exchange.content_type.starts_with("application/json") {
                    return Err(format!("Content-Type is {:?}", exchange.content_type));
                }
                let document: Value =
                    serde_json::from_slice(exchange.body).map_err(|error| error.to_string())?;
                self.validate(schema, &document)
            }
        }
    }

    pub fn validate(&self, schema: &Value, document: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let errors: Vec<String> = validator
            .iter_errors(document)
            .take(5)
            .map(|error| format!("{} at {}", error, error.instance_path))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let key = schema.to_string();
        if let Some(found) = validators.get(&key) {
            return Arc::clone(found);
        }
        let whole = json!({"allOf": [schema], "components": self.components});
        let built = jsonschema::options().with_draft(Draft::Draft7).build(&whole).unwrap();
        let built = Arc::new(built);
        validators.insert(key, Arc::clone(&built));
        built
    }
}

/// A page of a delta round leads on, or ends the round: never both, never neither.
fn has_one_link(body: &[u8]) -> Result<(), String> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let links = ["@odata.nextLink", "@odata.deltaLink"].map(|name| document.get(name).is_some());
    if links[0] == links[1] { Err("not one of nextLink and deltaLink".to_owned()) } else { Ok(()) }
}

impl Operation {
    fn name(&self) -> String {
        let path = self.template.join("/").replace("/:/{path}/", ":/{path}:/");
        let path = path.replace("/:/{path}", ":/{path}");
        format!("{} /{path} {}", self.method, self.sent).trim_end().to_owned()
    }

    fn answer(&self, status: u16) -> Option<Answer> {
        let class = format!("{}XX", status / 100);
        self.answers.get(&status.to_string()).or_else(|| self.answers.get(&class)).cloned()
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn own_operations(file: &Value) -> Vec<Operation> {
    let operations = file["operations"].as_object().unwrap();
    let own = operations.iter().map(|(name, answers)| {
        let mut words = name.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let answers = answers.as_object().unwrap();
        Operation {
            method: method.to_owned(),
            template: segments(path),
            sent: words.next().unwrap_or_default().to_owned(),
            answers: answers
                .iter()
                .map(|(status, value)| (status.clone(), answer(value)))
                .collect(),
        }
    });
    own.collect()
}

fn answer(value: &Value) -> Answer {
    match value.as_str() {
        Some("empty") => Answer::Empty,
        Some("bytes") => Answer::Bytes,
        Some(other) => panic!("unknown answer {other}"),
        None => Answer::Json(value.clone()),
    }
}

fn described(method: &str, path: &str, operation: &Value) -> Operation {
    let answers = operation["responses"].as_object().unwrap().iter().map(|(status, response)| {
        let error = json!({"$ref": "#/components/schemas/microsoft.graph.ODataErrors.ODataError"});
        let answer = match (response.get("$ref"), response["content"].as_object()) {
            (Some(_), _) => Answer::Json(error),
            (None, None) => Answer::Empty,
            (None, Some(content)) => match content.get("application/json") {
                Some(json) => Answer::Json(converted(&json["schema"])),
                None => Answer::Bytes,
            },
        };
        (status.clone(), answer)
    });
    Operation {
        method: method.to_ascii_uppercase(),
        template: segments(path),
        sent: String::new(),
        answers: answers.collect(),
    }
}

/// The parts of a path, the key form `users('x')` as two parts, functions without parentheses;
/// names between colons as one part.
fn segments(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("/v1.0").trim_matches('/');
    if let Some((head, names)) = path.split_once(":/") {
        let (_, rest) = names.split_once(":/").unwrap_or((names, ""));
        let mut segments = segments(head);
        segments.extend([":", "{path}"].map(str::to_owned));
        segments.extend(rest.split('/').filter(|part| !part.is_empty()).map(str::to_owned));
        return segments;
    }
    let mut segments = Vec::new();
    for part in path.split('/') {
        let part = if part.starts_with("delta(token=") { "delta" } else { part };
        match part.strip_suffix("')").and_then(|part| part.split_once("('")) {
            Some((name, key)) => segments.extend([name.to_owned(), key.to_owned()]),
            None => segments.push(part.trim_end_matches("()").to_owned()),
        }
    }
    segments
}

/// The schemas of the description as closed JSON schemas.
fn closed_schemas(schemas: &Value) -> Value {
    let all = schemas.as_object().unwrap();
    let mut closed = Map::new();
    for (name, schema) in all {
        let is_object = schema.get("allOf").is_some() || schema["type"] == "object";
        let built = if is_object { close(name, all) } else { converted(schema) };
        closed.insert(name.clone(), built);
    }
    let own = parse(EXTENDED)["types"].as_object().unwrap().clone();
    closed.extend(own);
    Value::Object(closed)
}

/// One object with the properties of its base types and of the types that may stand for it.
fn close(name: &str, all: &Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = BTreeSet::new();
    collect(name, all, &mut BTreeSet::new(), &mut properties, &mut required);
    if name.ends_with("CollectionResponse") || name.ends_with("DeltaResponse") {
        required.insert("value".to_owned());
    }
    if name.ends_with("MainError") {
        required.insert("innerError".to_owned());
    }
    let annotations = parse(ANNOTATIONS)["annotations"].clone();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "patternProperties": annotations,
        // The columns of a list are not described.
        "additionalProperties": name == "microsoft.graph.fieldValueSet",
    })
}

fn collect(
    name: &str,
    all: &Map<String, Value>,
    visited: &mut BTreeSet<String>,
    properties: &mut Map<String, Value>,
    required: &mut BTreeSet<String>,
) {
    let Some(schema) = all.get(name).filter(|_| visited.insert(name.to_owned())) else { return };
    let own = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    for part in &own {
        if let Some(base) = part["$ref"].as_str() {
            // The other children of a base type are no forms of this one.
            collect_base(component(base), all, properties, required);
            continue;
        }
        add_properties(part, properties, required);
        let mapping = part["discriminator"]["mapping"].as_object();
        for derived in mapping.into_iter().flat_map(Map::values).filter_map(Value::as_str) {
            collect(component(derived), all, visited, properties, required);
        }
    }
}

fn collect_base(
    name: &str,
    all: &Map<String, Value>,
    properties: &mut Map<String, Value>,
    required: &mut BTreeSet<String>,
) {
    let Some(schema) = all.get(name) else { return };
    let own = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    for part in &own {
        match part["$ref"].as_str() {
            Some(base) => collect_base(component(base), all, properties, required),
            None => add_properties(part, properties, required),
        }
    }
}

fn add_properties(
    part: &Value,
    properties: &mut Map<String, Value>,
    required: &mut BTreeSet<String>,
) {
    let found = part["properties"].as_object();
    // Annotations have their own, narrower patterns.
    for (name, schema) in found.into_iter().flatten().filter(|(name, _)| !name.contains('@')) {
        properties.entry(name.clone()).or_insert_with(|| converted(schema));
    }
    let names = part["required"].as_array();
    required.extend(names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
}

fn component(reference: &str) -> &str {
    reference.trim_start_matches("#/components/schemas/")
}

/// A schema of OpenAPI 3.0 as JSON schema: `nullable` becomes a type.
fn converted(schema: &Value) -> Value {
    let Some(object) = schema.as_object() else { return schema.clone() };
    let is_nullable = object.get("nullable") == Some(&Value::Bool(true));
    if is_nullable && object.get("type") == Some(&json!("object")) && object.len() == 2 {
        // How the description says "or null" beside a reference.
        return json!({"type": "null"});
    }
    let mut result = Map::new();
    for (key, value) in object {
        let value = match (key.as_str(), value) {
            ("nullable" | "discriminator" | "title" | "description", _) => continue,
            ("type", Value::String(kind)) if is_nullable => json!([kind, "null"]),
            ("items", items) => converted(items),
            ("anyOf" | "allOf" | "oneOf", Value::Array(list)) => {
                Value::Array(list.iter().map(converted).collect())
            }
            ("properties", Value::Object(map)) => {
                map.iter().map(|(name, schema)| (name.clone(), converted(schema))).collect()
            }
            _ => value.clone(),
        };
        result.insert(key.clone(), value);
    }
    let trimmed = object.get("x-trimmed-ref").and_then(Value::as_str).unwrap_or_default();
    if trimmed.ends_with("ValueLegacyExtendedProperty") {
        result
            .insert("items".to_owned(), json!({"$ref": format!("#/components/schemas/{trimmed}")}));
    }
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange<'a>(path: &'a str, status: u16, body: &'a str) -> Exchange<'a> {
        let content_type = "application/json; odata.metadata=minimal";
        let body = body.as_bytes();
        Exchange { method: "GET", path, sent: "", status, content_type, body }
    }

    fn check(path: &str, status: u16, body: &str) -> Result<String, String> {
        let Some(contract) = Contract::get() else { return Ok(String::new()) };
        contract.check(&exchange(path, status, body))
    }

    #[test]
    fn good_answers_pass() {
        let page = r##"{"@odata.context":"https://x/v1.0/$metadata#users","value":[{"id":"a","mail":null}]}"##;
        if Contract::get().is_some() {
            assert_eq!(check("/v1.0/users", 200, page).unwrap(), "GET /users");
        }
        let message = r##"{"@odata.etag":"W/\"a\"","id":"a","subject":null,"importance":"high",
            "from":{"emailAddress":{"name":"a","address":"b"}},"flag":{"flagStatus":"flagged"},
            "singleValueExtendedProperties":[{"id":"Integer 0xe07","value":"1"}],
            "attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","id":"x","contentBytes":"AA=="}]}"##;
        check("/v1.0/users('u')/messages/m", 200, message).unwrap();
        let gone = r##"{"@odata.context":"https://x/v1.0/$metadata#Collection(message)",
            "@odata.deltaLink":"https://x","value":[{"@removed":{"reason":"deleted"},"id":"a"}]}"##;
        check("/v1.0/users/u/mailFolders/f/messages/delta", 200, gone).unwrap();
    }

    #[test]
    fn bad_answers_fail() {
        if Contract::get().is_none() {
            return;
        }
        let message = "/v1.0/users/u/messages/m";
        for (path, status, body) in [
            (message, 200, r#"{"id":"a","subjekt":"x"}"#),
            (message, 200, r#"{"id":1}"#),
            (message, 200, r#"{"importance":"urgent"}"#),
            (message, 200, r#"{"from":{"address":"b"}}"#),
            (message, 200, r#"{"receivedDateTime":"yesterday"}"#),
            (message, 200, r#"{"@odata.etag":"a"}"#),
            (message, 200, r#"{"singleValueExtendedProperties":[{"id":"a"}]}"#),
            (message, 200, r#"{"body":{"contentType":"markdown","content":""}}"#),
            (message, 200, "not json"),
            (message, 302, "{}"),
            (message, 404, r#"{"error":{"code":"a","message":"b"}}"#),
            (message, 404, r#"{"error":"a"}"#),
            ("/v1.0/users", 200, r#"{"value":{}}"#),
            ("/v1.0/users", 200, "{}"),
            ("/v1.0/nothing", 200, "{}"),
            ("/v1.0/users/u/messages/m/attachments", 200, r#"{"value":[{"itemm":1}]}"#),
            (
                "/v1.0/users/u/mailFolders/f/messages/delta",
                200,
                r##"{"@odata.context":"https://x/$metadata#Collection(message)","value":[]}"##,
            ),
        ] {
            assert!(check(path, status, body).is_err(), "{path} {status} {body} passed");
        }
    }
}
