//! Values in one spelling, so that two that mean the same are equal.

use crate::key::Key;
use crate::secret::redact;
use crate::tree::{Entry, Node, Value};
use crate::{ByteSize, format_duration, parse_duration};

/// A value as TOML text: durations and sizes in one spelling, without passwords.
pub(crate) fn shown(about: &Key, node: &Node) -> String {
    let number = match &node.value {
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let text = node.as_str().or(number.as_deref());
    let one_spelling = text.and_then(|text| match about.value {
        "a duration" => parse_duration(text).ok().map(format_duration),
        "a size" => ByteSize::parse(text).ok().map(|size| size.to_string()),
        _ => None,
    });
    match (one_spelling, node.as_str()) {
        (Some(text), _) => string(&text),
        // An overlay's text is a number only where one is expected.
        (None, Some(text))
            if !matches!(node.value, Value::Boolean(_))
                && !matches!(about.value, "an integer" | "a number") =>
        {
            string(text)
        }
        _ => toml(node),
    }
}

fn toml(node: &Node) -> String {
    match &node.value {
        Value::String(text) => string(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(value) => value.to_string(),
        Value::Other(what) => what.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let entry = |entry: &Entry| {
                let is_bare = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                let key = match !entry.key.is_empty() && entry.key.chars().all(is_bare) {
                    true => entry.key.clone(),
                    false => string(&entry.key),
                };
                format!("{key} = {}", toml(&entry.node))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            match entries.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", entries.join(", ")),
            }
        }
    }
}

/// A string in a spelling that is TOML and JSON, without passwords.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in redact(text).chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
