//! The named functions that make one value from another: `trim`, `parse_int`, `json`, `regex`, ...

use tidemill_config::{Extract, MapFunction};

use super::Value;

/// What a text becomes: text functions cut or make text, the others make values.
pub(super) fn extract(extract: &Extract, text: &str) -> Option<Value> {
    match extract {
        Extract::Function(MapFunction::Length) => Some(Value::count(text.chars().count() as u64)),
        Extract::Function(MapFunction::ParseInt) => text.trim().parse().ok().map(Value::Int),
        Extract::Function(MapFunction::ParseFloat) => parse_float(text).map(Value::Float),
        Extract::Json(pointer) => json(text)?
            .pointer(pointer.as_str())
            .cloned()
            .map(Value::from),
        _ => {
            let mut made = None;
            with_text(extract, text, |text| made = Some(Value::from(text)));
            made
        }
    }
}

/// What a value becomes. Numbers need no parsing.
pub(super) fn extract_value(how: &Extract, value: &Value) -> Option<Value> {
    match (how, value) {
        (Extract::Function(MapFunction::Identity), any) => Some(any.clone()),
        (Extract::Pick(pick), whole) => part(whole, pick.steps()).cloned(),
        (_, Value::Text(text)) => extract(how, text),
        (Extract::Function(MapFunction::ParseInt), Value::Int(n)) => Some(Value::Int(*n)),
        (Extract::Function(MapFunction::ParseInt), Value::Float(x)) => {
            // Beyond 2^53 a float doesn't say which integer it means.
            (x.fract() == 0.0 && x.abs() <= (1u64 << 53) as f64).then_some(Value::Int(*x as i64))
        }
        (Extract::Function(MapFunction::ParseFloat), number) => number.as_f64().map(Value::Float),
        _ => None,
    }
}

/// What is asked of a record that a part is taken of.
pub(super) const HAS_PART: &str = "a pair or list with the part";

/// The part of a value that steps into pairs and lists lead to.
pub(super) fn part<'a>(value: &'a Value, steps: &[usize]) -> Option<&'a Value> {
    steps
        .iter()
        .try_fold(value, |value, step| match (value, step) {
            (Value::Pair(pair), 0) => Some(&pair.0),
            (Value::Pair(pair), 1) => Some(&pair.1),
            (Value::List(items), _) => items.get(*step),
            _ => None,
        })
}

/// Whether text stays text, so that it needn't be copied out of its block.
pub(super) fn keeps_text(extract: &Extract) -> bool {
    match extract {
        Extract::Function(function) => matches!(
            function,
            MapFunction::Trim
                | MapFunction::Lowercase
                | MapFunction::Uppercase
                | MapFunction::Identity
        ),
        Extract::Regex { .. } => true,
        _ => false,
    }
}

/// Gives what a text function makes to `take`; `false` when the text doesn't fit.
pub(super) fn with_text(extract: &Extract, text: &str, take: impl FnOnce(&str)) -> bool {
    match extract {
        Extract::Function(MapFunction::Trim) => take(text.trim()),
        Extract::Function(MapFunction::Lowercase) => take(&text.to_lowercase()),
        Extract::Function(MapFunction::Uppercase) => take(&text.to_uppercase()),
        Extract::Function(MapFunction::Identity) => take(text),
        Extract::Regex { pattern, group } => {
            // Groups cost time: the whole match can be had without.
            let found = match group {
                0 => pattern.regex().find(text),
                _ => pattern
                    .regex()
                    .captures(text)
                    .and_then(|found| found.get(*group)),
            };
            let Some(found) = found else { return false };
            take(found.as_str());
        }
        _ => return false,
    }
    true
}

/// What a function asks of a record, for the log.
pub(super) fn needs(extract: &Extract) -> &'static str {
    match extract {
        Extract::Json(_) => "a JSON document with a value at the pointer",
        Extract::Regex { .. } => "a match of the pattern",
        Extract::Pick(_) => HAS_PART,
        Extract::Function(MapFunction::ParseInt) => "an integer",
        Extract::Function(MapFunction::ParseFloat) => "a number",
        _ => "text",
    }
}

/// Gives each word of `text` to `take`.
#[inline]
pub(super) fn split<'a>(on: Option<&str>, text: &'a str, take: impl FnMut(&'a str)) {
    match on {
        Some(separator) => text.split(separator).for_each(take),
        // Most text is ASCII, whose white space is found faster.
        None if text.is_ascii() => text.split_ascii_whitespace().for_each(take),
        None => text.split_whitespace().for_each(take),
    }
}

pub(super) fn json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

fn parse_float(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(function: MapFunction, text: &str) -> Option<Value> {
        extract(&Extract::Function(function), text)
    }

    #[test]
    fn functions_of_text() {
        assert_eq!(function(MapFunction::Trim, " a b "), Some("a b".into()));
        assert_eq!(function(MapFunction::Lowercase, "ÄB"), Some("äb".into()));
        assert_eq!(function(MapFunction::Uppercase, "äb"), Some("ÄB".into()));
        assert_eq!(function(MapFunction::Length, "äb"), Some(Value::Int(2)));
        assert_eq!(
            function(MapFunction::ParseInt, " -7 "),
            Some(Value::Int(-7))
        );
        assert_eq!(function(MapFunction::ParseInt, "7.5"), None);
        assert_eq!(
            function(MapFunction::ParseFloat, "7.5"),
            Some(Value::Float(7.5))
        );
        assert_eq!(function(MapFunction::ParseFloat, "nan"), None);
    }

    #[test]
    fn functions_of_values() {
        let int = Extract::Function(MapFunction::ParseInt);
        let float = Extract::Function(MapFunction::ParseFloat);
        assert_eq!(extract_value(&int, &"5".into()), Some(Value::Int(5)));
        assert_eq!(extract_value(&int, &Value::Float(5.0)), Some(Value::Int(5)));
        assert_eq!(extract_value(&int, &Value::Float(5.5)), None);
        assert_eq!(
            extract_value(&float, &Value::Int(5)),
            Some(Value::Float(5.0))
        );
        assert_eq!(extract_value(&float, &Value::Null), None);
        assert_eq!(
            extract_value(&Extract::Function(MapFunction::Trim), &Value::Int(1)),
            None
        );
    }

    #[test]
    fn words() {
        let words = |on: Option<&str>, text: &'static str| {
            let mut words = Vec::new();
            split(on, text, |word| words.push(word));
            words
        };
        assert_eq!(words(None, "  to\tbe "), ["to", "be"]);
        assert_eq!(words(None, "ä\u{3000}b"), ["ä", "b"]);
        assert_eq!(words(Some(","), "a,,b"), ["a", "", "b"]);
        assert!(words(None, "").is_empty());
    }
}
