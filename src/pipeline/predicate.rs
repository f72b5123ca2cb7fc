//! The tests of `filter`.

use tidemill_config::Predicate;

use super::Value;

/// What a test looks at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen<'a> {
    Text(&'a str),
    Number(f64),
    /// Neither: no test fits it.
    Other,
}

impl<'a> From<&'a Value> for Seen<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            number => number.as_f64().map_or(Self::Other, Self::Number),
        }
    }
}

/// Whether the test holds; `None` when what is tested is of another kind than the test's.
#[inline]
pub(super) fn holds(test: &Predicate, seen: Seen<'_>) -> Option<bool> {
    match (test, seen) {
        (Predicate::Contains(part), Seen::Text(text)) => Some(text.contains(part.as_str())),
        (Predicate::StartsWith(start), Seen::Text(text)) => Some(text.starts_with(start.as_str())),
        (Predicate::EndsWith(end), Seen::Text(text)) => Some(text.ends_with(end.as_str())),
        (Predicate::Equals(wanted), Seen::Text(text)) => Some(text == wanted),
        (Predicate::Matches(pattern), Seen::Text(text)) => Some(pattern.regex().is_match(text)),
        (Predicate::Length { min, max }, Seen::Text(text)) => {
            let length = text.chars().count() as u64;
            Some(min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max))
        }
        (Predicate::EqualsNumber(wanted), Seen::Number(number)) => Some(number == *wanted),
        (Predicate::Range { min, max }, Seen::Number(number)) => {
            Some(min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max))
        }
        _ => None,
    }
}

/// What a test asks of a record, for the log.
pub(super) fn needs(test: &Predicate) -> &'static str {
    match test {
        Predicate::EqualsNumber(_) | Predicate::Range { .. } => "a number",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_fit_their_kind_only() {
        let range = Predicate::Range {
            min: Some(1.0),
            max: Some(2.0),
        };
        assert_eq!(holds(&range, Seen::Number(2.0)), Some(true));
        assert_eq!(holds(&range, Seen::Number(2.1)), Some(false));
        assert_eq!(holds(&range, Seen::Text("2")), None);
        assert_eq!(
            holds(&Predicate::EqualsNumber(3.0), (&Value::Int(3)).into()),
            Some(true)
        );
        assert_eq!(holds(&Predicate::Equals("a".into()), Seen::Other), None);
        let length = Predicate::Length {
            min: None,
            max: Some(2),
        };
        assert_eq!(holds(&length, Seen::Text("äö")), Some(true));
        assert_eq!(holds(&length, Seen::Text("abc")), Some(false));
        assert_eq!(
            holds(&Predicate::EndsWith("c".into()), Seen::Text("abc")),
            Some(true)
        );
    }
}
