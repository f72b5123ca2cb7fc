//! Values against JSON schemas, as far as the document uses these.

use serde_json::Value;

/// What of `value` isn't as `schema` says. An object may have no field that isn't named.
pub fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Checker { document }.check("", schema, value, &mut found);
    found
}

struct Checker<'a> {
    document: &'a Value,
}

impl Checker<'_> {
    fn check(&self, at: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
        if let Some(place) = schema["$ref"].as_str() {
            let named = self.document.pointer(place.trim_start_matches('#'));
            let named = named.unwrap_or_else(|| panic!("there is no schema {place}"));
            return self.check(at, named, value, found);
        }
        if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            let mut why = Vec::new();
            for choice in choices {
                let mut found = Vec::new();
                self.check(at, choice, value, &mut found);
                if found.is_empty() {
                    return;
                }
                why.extend(found);
            }
            found.push(format!("{at} is none of the forms it may have: {why:?}"));
            return;
        }
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(kind, value)) {
            found.push(format!("{at} is {value}, not {kinds:?}"));
        }
        let is_meant = |meant: &Value| meant == value;
        if schema["enum"]
            .as_array()
            .is_some_and(|all| !all.iter().any(is_meant))
        {
            found.push(format!("{at} is {value}, not one of {}", schema["enum"]));
        }
        if schema.get("const").is_some_and(|one| one != value) {
            found.push(format!("{at} is {value}, not {}", schema["const"]));
        }
        self.check_list(at, schema, value, found);
        self.check_fields(at, schema, value, found);
    }

    fn check_list(&self, at: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
        let places = schema["prefixItems"].as_array();
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            let of_place = places.and_then(|places| places.get(index));
            if let Some(schema) = of_place.or(schema.get("items")) {
                self.check(&format!("{at}[{index}]"), schema, item, found);
            }
        }
    }

    fn check_fields(&self, at: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
        let Some(fields) = value.as_object() else {
            return;
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                found.push(format!("{at}.{name} isn't there"));
            }
        }
        for (name, value) in fields {
            let known = schema["properties"].get(name);
            match known.or(schema.get("additionalProperties")) {
                Some(Value::Bool(true)) => {}
                Some(schema) if schema.is_object() => {
                    self.check(&format!("{at}.{name}"), schema, value, found);
                }
                // What may be anything has no properties at all.
                None if schema.get("properties").is_none() => {}
                _ => found.push(format!("{at}.{name} isn't documented")),
            }
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

#[test]
fn what_isnt_as_the_schema_says_is_found() {
    let document = serde_json::json!({"types": {"Time": {"type": "integer"}}});
    let schema = serde_json::json!({
        "type": "object",
        "required": ["at"],
        "properties": {
            "at": {"anyOf": [{"$ref": "#/types/Time"}, {"type": "null"}]},
            "pairs": {"type": "array", "items": {"prefixItems": [{"type": "string"}, {"type": "number"}]}},
            "kind": {"enum": ["A"]},
        },
    });
    let found = |value: Value| violations(&document, &schema, &value).len();
    for good in [
        r#"{"at": 1}"#,
        r#"{"at": null, "pairs": [["a", 1.5]], "kind": "A"}"#,
    ] {
        assert_eq!(found(serde_json::from_str(good).unwrap()), 0, "{good}");
    }
    for bad in [
        "[]",
        "{}",
        r#"{"at": "1"}"#,
        r#"{"at": 1, "more": 1}"#,
        r#"{"at": 1, "pairs": [[1, 1]]}"#,
        r#"{"at": 1, "kind": "B"}"#,
    ] {
        assert_eq!(found(serde_json::from_str(bad).unwrap()), 1, "{bad}");
    }
}
