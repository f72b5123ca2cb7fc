//! Records as rows with named fields, for files that other programs read.

use serde::{Serialize, Serializer};
use tidemill_config::{Item, RecordKind};

use super::value::Value;
#[cfg(feature = "columnar")]
use crate::columnar::Scalar;

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

    /// Its row.
    fn to_row(&self, cells: Cells) -> Self::Row;
}

/// What becomes of the values in a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cells {
    /// They stay what they are.
    Nested,
    /// Lists and pairs are their text.
    Flat,
    /// They are what the columns of such records hold.
    #[cfg_attr(not(feature = "columnar"), allow(dead_code))]
    Columns(RecordKind),
}

impl Cells {
    fn key(self, key: &Value) -> Plain {
        let item = match self {
            Self::Columns(RecordKind::Pair { key, .. }) => Some(key),
            _ => None,
        };
        self.plain(key, item)
    }

    fn value(self, value: &Value) -> Plain {
        let item = match self {
            Self::Columns(RecordKind::Pair { value, .. } | RecordKind::Single(value)) => {
                Some(value)
            }
            _ => None,
        };
        self.plain(value, item)
    }

    fn plain(self, value: &Value, item: Option<Item>) -> Plain {
        Plain(match (item, value) {
            (Some(Item::Float), Value::Int(n)) => Value::Float(*n as f64),
            (Some(Item::Text | Item::Any), value)
                if !matches!(value, Value::Null | Value::Text(_)) =>
            {
                Value::Text(value.to_string())
            }
            (None, Value::List(_) | Value::Pair(_)) if matches!(self, Self::Flat) => {
                Value::Text(value.to_string())
            }
            _ => value.clone(),
        })
    }
}

impl ToRow for str {
    type Row = Single<String>;

    fn to_row(&self, _cells: Cells) -> Self::Row {
        Single {
            value: self.to_owned(),
        }
    }
}

impl ToRow for Value {
    type Row = Single<Plain>;

    fn to_row(&self, cells: Cells) -> Self::Row {
        Single {
            value: cells.value(self),
        }
    }
}

impl ToRow for (String, u64) {
    type Row = Pair<String, u64>;

    fn to_row(&self, _cells: Cells) -> Self::Row {
        Pair {
            key: self.0.clone(),
            value: self.1,
        }
    }
}

impl ToRow for (Value, Value) {
    type Row = Pair<Plain, Plain>;

    fn to_row(&self, cells: Cells) -> Self::Row {
        Pair {
            key: cells.key(&self.0),
            value: cells.value(&self.1),
        }
    }
}

/// The columns of rows of such records. What is known at run time only is a text.
#[cfg(feature = "columnar")]
pub(super) fn columns(records: RecordKind) -> Vec<(&'static str, Scalar)> {
    let scalar = |item| match item {
        Item::Integer => Scalar::Integer,
        Item::Float => Scalar::Float,
        Item::Text | Item::Any => Scalar::Text,
    };
    match records {
        RecordKind::Single(value) => vec![("value", scalar(value))],
        RecordKind::Pair { key, value } => vec![("key", scalar(key)), ("value", scalar(value))],
    }
}

/// A value as other programs know it: without the name of its type.
#[derive(Debug, Clone)]
pub(super) struct Plain(Value);

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
        assert_eq!(json(&"ebb".to_row(Cells::Nested)), r#"{"value":"ebb"}"#);
        assert_eq!(
            json(&("ebb".to_owned(), 3).to_row(Cells::Flat)),
            r#"{"key":"ebb","value":3}"#
        );
        assert_eq!(
            json(&pair.to_row(Cells::Nested)),
            r#"{"key":"tide","value":[1,null,"ebb"]}"#
        );
        assert_eq!(
            json(&pair.to_row(Cells::Flat)),
            r#"{"key":"tide","value":"[1, null, ebb]"}"#
        );
        let columns = Cells::Columns(RecordKind::Pair {
            key: Item::Any,
            value: Item::Float,
        });
        let typed = |key: Value, value: Value| json(&(key, value).to_row(columns));
        assert_eq!(
            typed(Value::Int(7), Value::Int(1)),
            r#"{"key":"7","value":1.0}"#
        );
        assert_eq!(
            typed(Value::Null, Value::Float(0.5)),
            r#"{"key":null,"value":0.5}"#
        );
        assert_eq!(
            json(&Value::Float(0.5).to_row(Cells::Flat)),
            r#"{"value":0.5}"#
        );
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
