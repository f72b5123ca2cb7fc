//! JSON that is shown, held against JSON that is answered.

use serde_json::Value;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What differs between what a page tells and what is answered, in fields and types; elements of lists are held against
/// the first.
pub fn differ(page: &str, at: &str, told: &Value, live: &Value, found: &mut Vec<String>) {
    match (told, live) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(told), Value::Object(live)) => {
            let missing =
                |one: &serde_json::Map<String, Value>, name: &String| !one.contains_key(name);
            for name in told.keys().filter(|name| missing(live, name)) {
                found.push(format!("{at}.{name} isn't answered"));
            }
            for name in live.keys().filter(|name| missing(told, name)) {
                found.push(format!("{at}.{name} isn't in {page}"));
            }
            for (name, value) in told {
                if let Some(live) = live.get(name) {
                    differ(page, &format!("{at}.{name}"), value, live, found);
                }
            }
        }
        (Value::Array(told), Value::Array(live)) => {
            if let (Some(told), Some(live)) = (told.first(), live.first()) {
                differ(page, &format!("{at}[]"), told, live, found);
            }
        }
        (told, live) if kind(told) != kind(live) => {
            found.push(format!("{at} is {}, not {}", kind(live), kind(told)));
        }
        _ => {}
    }
}
