//! The document, made of operations.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::dates::is_date;
use super::operation::{Operation, Parameter, whole_number};
use crate::problem::Problem;

/// What any request may be answered with: its body is too large, its address or its head is, it asks for another host,
/// the daemon has a fault, too much is under way.
const ALWAYS: &[u16] = &[413, 414, 421, 431, 500, 503];

pub(super) fn document(operations: &[Operation]) -> Value {
    let (mut plain, mut dated) = (Schemas::new(), Schemas::new());
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let schemas = if operation.is_dated {
            &mut dated
        } else {
            &mut plain
        };
        let described = describe(operation, &mut schemas.0);
        // One that takes the rest of the path says so to the router only.
        let path = operation.path.replace("{*", "{");
        let path = paths.entry(path).or_default();
        path.insert(operation.method.to_owned(), described);
    }
    let problem = Problem::schema(&mut plain.0).to_value();
    let mut components = dated.into_definitions();
    components.values_mut().for_each(dates_as_text_too);
    components.extend(plain.into_definitions());
    components.insert("Problem".to_owned(), problem);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tidemill",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are milliseconds since the Unix epoch, and lengths of time milliseconds, unless a unit is given.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

/// Makes schemas of types, and keeps those that have names.
struct Schemas(SchemaGenerator);

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            });
        Self(settings.into_generator())
    }

    fn into_definitions(mut self) -> Map<String, Value> {
        self.0.take_definitions(true)
    }
}

/// Where times may be asked for as text, fields that are dates may be that.
fn dates_as_text_too(schema: &mut Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if is_date(name) {
            let number = property.take();
            let text = json!({"type": "string", "description": "As text, with `?dates=text`."});
            *property = json!({"anyOf": [number, text]});
        }
    }
}

fn describe(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let in_path = operation.names_in_path().map(|name| {
        let schema = match name {
            "time" | "id" => whole_number(),
            _ => json!({"type": "string", "minLength": 1}),
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let behind = operation.parameters.iter().map(|parameter| {
        let Parameter {
            name,
            about,
            schema,
            is_needed,
        } = parameter;
        json!({"name": name, "in": "query", "description": about, "required": is_needed, "schema": schema})
    });
    let parameters: Vec<Value> = in_path.chain(behind).collect();
    let body = operation
        .body
        .map(|media| json!({"content": {media: {"schema": {"type": "string"}}}}));
    let described = json!({
        "operationId": operation.id(),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": answers(operation, schemas),
        // Where no token is set, none has to be shown.
        "security": if operation.is_open { json!([]) } else { json!([{}, {"token": []}]) },
    });
    with_member(described, "requestBody", body)
}

fn answers(operation: &Operation, schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = operation.schema.map(|schema| schema(schemas).to_value());
    let schema = schema.unwrap_or_else(|| json!({"type": "string"}));
    let media = operation.media.iter();
    let content: Map<String, Value> = media
        .map(|media| ((*media).to_owned(), json!({"schema": schema})))
        .collect();
    let mut answers: Map<String, Value> = Map::new();
    let good = json!({"description": "All is well.", "content": content});
    answers.insert(operation.status.to_string(), good);
    if operation.is_held {
        let held = json!({"description": "The client has it already."});
        answers.insert("304".to_owned(), held);
    }
    let guarded = (!operation.is_open).then_some(401);
    let of_changes = (operation.method == "post").then_some(403);
    // A part of the path may be no text, or no number.
    let of_paths = operation.names_in_path().next().map(|_| 400);
    let problems = operation.problems.iter().chain(ALWAYS).copied();
    for status in problems.chain(guarded).chain(of_changes).chain(of_paths) {
        answers.insert(status.to_string(), problem(status));
    }
    answers
}

/// An object with one member more, where there is one.
fn with_member(mut object: Value, name: &str, member: Option<Value>) -> Value {
    if let (Some(members), Some(member)) = (object.as_object_mut(), member) {
        members.insert(name.to_owned(), member);
    }
    object
}

/// An answer that says what went wrong.
fn problem(status: u16) -> Value {
    let meaning = StatusCode::from_u16(status).ok();
    let meaning = meaning.and_then(|status| status.canonical_reason());
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let answer = json!({
        "description": meaning.unwrap_or("Problem"),
        "content": {"application/problem+json": {"schema": schema}},
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", json!({"type": "string"}))),
        429 => Some(("Retry-After", whole_number())),
        _ => None,
    };
    let headers = header.map(|(name, schema)| json!({name: {"required": true, "schema": schema}}));
    with_member(answer, "headers", headers)
}

impl Operation {
    fn names_in_path(&self) -> impl Iterator<Item = &'static str> + use<> {
        let names = self.path.split(['{', '}']).skip(1).step_by(2);
        names.map(|name| name.trim_start_matches('*'))
    }

    /// A name for generated clients: `get_wal`, `get_applications_app`.
    fn id(&self) -> String {
        let path = self.path.trim_start_matches("/api/v1");
        let words = path.split(|c: char| !c.is_ascii_alphanumeric());
        let words = words.filter(|word| !word.is_empty());
        [self.method]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join("_")
    }
}
