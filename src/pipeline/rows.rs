//! Records as rows with named fields, for files that other programs read.

use serde::{Serialize, Serializer};

use super::value::Value;

/// A single record.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Single<V> {
    value: V,
}

/// A pair.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pair<K, V> {
    key: K,
    value: V,
}

/// What has a row.
pub(super) trait ToRow {
    type Row: Serialize + Clone + Send + Sync + 'static;

    /// Its row; with `flat` fields that are lists or pairs are their text.
    fn to_row(&self, flat: bool) -> Self::Row;
}

impl ToRow for str {
    type Row = Single<String>;

    fn to_row(&self, _flat: bool) -> Self::Row {
        Single {
            value: self.to_owned(),
        }
    }
}

impl ToRow for Value {
    type Row = Single<Plain>;

    fn to_row(&self, flat: bool) -> Self::Row {
        Single {
            value: Plain::of(self, flat),
        }
    }
}

impl ToRow for (String, u64) {
    type Row = Pair<String, u64>;

    fn to_row(&self, _flat: bool) -> Self::Row {
        Pair {
            key: self.0.clone(),
            value: self.1,
        }
    }
}

impl ToRow for (Value, Value) {
    type Row = Pair<Plain, Plain>;

    fn to_row(&self, flat: bool) -> Self::Row {
        Pair {
            key: Plain::of(&self.0, flat),
            value: Plain::of(&self.1, flat),
        }
    }
}

/// A value as other programs know it: without the name of its type.
#[derive(Debug, Clone)]
pub(super) struct Plain(Value);

impl Plain {
    fn of(value: &Value, flat: bool) -> Self {
        Self(match value {
            Value::List(_) | Value::Pair(_) if flat => Value::Text(value.to_string()),
            _ => value.clone(),
        })
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = |value: &Value| Self(value.clone());
        match &self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(n) => serializer.serialize_i64(*n),
            Value::Float(x) => serializer.serialize_f64(*x),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(plain)),
            Value::Pair(pair) => (plain(&pair.0), plain(&pair.1)).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_and_plain_values() {
        let json = |row: &dyn erased::Row| row.json();
        let list = Value::List(vec![
            Value::Int(1),
            Value::Null,
            Value::Text("ebb".to_owned()),
        ]);
        let pair = (Value::Text("tide".to_owned()), list);
        assert_eq!(json(&"ebb".to_row(false)), r#"{"value":"ebb"}"#);
        assert_eq!(
            json(&("ebb".to_owned(), 3).to_row(true)),
            r#"{"key":"ebb","value":3}"#
        );
        assert_eq!(
            json(&pair.to_row(false)),
            r#"{"key":"tide","value":[1,null,"ebb"]}"#
        );
        assert_eq!(
            json(&pair.to_row(true)),
            r#"{"key":"tide","value":"[1, null, ebb]"}"#
        );
        assert_eq!(json(&Value::Float(0.5).to_row(true)), r#"{"value":0.5}"#);
    }

    mod erased {
        pub trait Row {
            fn json(&self) -> String;
        }
        impl<T: serde::Serialize> Row for T {
            fn json(&self) -> String {
                serde_json::to_string(self).unwrap()
            }
        }
    }
}
