//! [`Value`]: a record whose type is known at run time only.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::sink::TextForm;

/// A record, key or value of a pipeline whose type the file doesn't fix.
///
/// Values have a total order: nothing, truth values, numbers by size, texts, lists, pairs. Floating-point
/// numbers are equal when their bits are, so that values can be keys; an integer never equals one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// Nothing: JSON's `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text; also a JSON object, as its text.
    Text(String),
    /// Several values in order.
    List(Vec<Value>),
    /// A pair in the place of a single record.
    Pair(Box<(Value, Value)>),
}

impl Value {
    /// The value of a count.
    pub(super) fn count(n: u64) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    pub(super) fn pair(key: Value, value: Value) -> Self {
        Self::Pair(Box::new((key, value)))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_))
    }

    /// A number's size; integers beyond 2^53 are rounded.
    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Float(x) => Some(*x),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Pair(_) => 5,
        }
    }
}

/// A record as people see it in JSON.
pub(super) trait Shown {
    fn shown(&self) -> serde_json::Value;
}

impl Shown for str {
    fn shown(&self) -> serde_json::Value {
        self.into()
    }
}

impl Shown for Value {
    fn shown(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Int(n) => (*n).into(),
            Self::Float(x) => (*x).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Shown::shown).collect(),
            Self::Pair(pair) => pair.shown(),
        }
    }
}

impl Shown for (Value, Value) {
    fn shown(&self) -> serde_json::Value {
        vec![self.0.shown(), self.1.shown()].into()
    }
}

impl Shown for (String, u64) {
    fn shown(&self) -> serde_json::Value {
        serde_json::json!([self.0, self.1])
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(n), _) => Self::Int(n),
                (None, Some(x)) => Self::Float(x),
                (None, None) => Self::Text(number.to_string()),
            },
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::from).collect())
            }
            object @ serde_json::Value::Object(_) => Self::Text(object.to_string()),
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            // Equal sizes: integers first, which keeps the order total where an integer is rounded.
            (Self::Int(a), Self::Float(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Self::Float(a), Self::Int(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            (Self::Pair(a), Self::Pair(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(truth) => truth.hash(state),
            Self::Int(n) => n.hash(state),
            Self::Float(x) => x.to_bits().hash(state),
            Self::Text(text) => text.hash(state),
            Self::List(items) => items.hash(state),
            Self::Pair(pair) => pair.hash(state),
        }
    }
}

impl TextForm for Value {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(truth) => truth.write_text(out),
            Self::Int(n) => n.write_text(out),
            Self::Float(x) => x.write_text(out),
            Self::Text(text) => out.write_str(text),
            Self::List(items) => items.write_text(out),
            Self::Pair(pair) => pair.write_text(out),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_text(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{BuildHasher, RandomState};

    fn value() -> impl Strategy<Value = Value> {
        let near = 1i64 << 53;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            prop_oneof![any::<i64>(), near - 2..near + 3, -2i64..3].prop_map(Value::Int),
            prop_oneof![any::<f64>(), Just(near as f64), Just(0.0), Just(-0.0)]
                .prop_map(Value::Float),
            "[ab]{0,2}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
                (inner.clone(), inner).prop_map(|(a, b)| Value::pair(a, b)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_agrees_with_equality(a in value(), b in value(), c in value()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            if a == b {
                let state = RandomState::new();
                prop_assert_eq!(state.hash_one(&a), state.hash_one(&b));
            }
        }

        #[test]
        fn comes_back_from_a_checkpoint(a in value()) {
            let bytes = rmp_serde::to_vec_named(&a).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Value>(&bytes).unwrap(), a);
        }
    }

    /// State is written with these bytes: a change needs a new format version.
    #[test]
    fn golden_bytes() {
        let bytes = |value: Value| rmp_serde::to_vec_named(&value).unwrap();
        assert_eq!(bytes(Value::Null), b"\xa4null");
        assert_eq!(bytes(Value::Int(-1)), b"\x81\xa3int\xff");
        assert_eq!(bytes("ab".into()), b"\x81\xa4text\xa2ab");
        assert_eq!(
            bytes(Value::List(vec![Value::Bool(true)])),
            b"\x81\xa4list\x91\x81\xa4bool\xc3"
        );
        let pair = Value::pair(Value::Int(1), Value::Float(0.5));
        let expected = b"\x81\xa4pair\x92\x81\xa3int\x01\x81\xa5float\xcb\x3f\xe0\0\0\0\0\0\0";
        assert_eq!(bytes(pair), expected);
    }

    #[test]
    fn prints_as_the_original_prints() {
        let json =
            serde_json::from_str::<serde_json::Value>(r#"[1, 2.0, "a", {"b": null}]"#).unwrap();
        assert_eq!(Value::from(json).to_string(), r#"[1, 2.0, a, {"b":null}]"#);
        assert_eq!(Value::pair("k".into(), Value::Int(3)).to_string(), "(k,3)");
    }
}
