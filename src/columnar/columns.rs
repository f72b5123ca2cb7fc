//! [`Columns`]: the columns of a type, found from the type itself and never from a batch's elements, so that all
//! parts of all batches have the same.

use std::any::type_name;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};
use serde_arrow::utils::Item;

use crate::rdd::{BoxError, TaskError, contained};

/// The name of the column of elements that have no fields, as in the original's data frames.
pub(super) const SINGLE: &str = "value";

/// What a column of a pipeline's records holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    /// Texts.
    Text,
    /// Whole numbers, of 64 bits.
    Integer,
    /// Numbers with a fraction.
    Float,
}

/// What an element's columns are.
#[derive(Debug)]
pub(crate) struct Columns {
    schema: SchemaRef,
    single: bool,
}

impl Columns {
    /// The columns of `T`: a struct's fields, `_1`, `_2` and so on of a tuple, else one named `value`.
    pub(super) fn of<T: DeserializeOwned>() -> Result<Self, BoxError> {
        // The type is shown values that no input would hold, and its own code may not expect that.
        let traced = contained(|| trace::<T>().map_err(TaskError::new));
        let item = traced.map_err(|error| refuse::<T>(&error.to_string()))?;
        match item.data_type() {
            DataType::Struct(fields) if !item.is_nullable() => {
                Self::new::<T>(fields.clone(), false)
            }
            _ => {
                let only = Field::clone(&item).with_name(SINGLE);
                Self::new::<T>(Fields::from(vec![only]), true)
            }
        }
    }

    /// Columns of these names, which may be null: the elements are structs with such fields.
    pub(super) fn declared(columns: &[(&str, Scalar)]) -> Self {
        let fields = columns.iter().map(|(name, scalar)| {
            let data_type = match scalar {
                Scalar::Text => DataType::Utf8,
                Scalar::Integer => DataType::Int64,
                Scalar::Float => DataType::Float64,
            };
            Field::new(*name, data_type, true)
        });
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Fields>())),
            single: false,
        }
    }

    fn new<T>(fields: Fields, single: bool) -> Result<Self, BoxError> {
        if fields.is_empty() {
            return Err(refuse::<T>("it has no fields"));
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            single,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether the element itself is the one column.
    pub(super) fn single(&self) -> bool {
        self.single
    }

    /// Refuses columns that hold one of several types, which a format has no place for.
    pub(super) fn refuse_unions(&self, format: &str) -> Result<(), BoxError> {
        let found = self
            .schema
            .fields()
            .iter()
            .find_map(|field| union_in(field));
        found.map_or(Ok(()), |name| {
            Err(format!(
                "{format} files can't hold the column `{name}`, an enum whose variants have values; map the \
                 elements to a struct with an Option for each variant"
            )
            .into())
        })
    }
}

fn refuse<T>(reason: &str) -> BoxError {
    format!(
        "elements of type {} have no columns that can be found before the first of them: {reason}. Map them to \
         a struct, a tuple or a single value whose types serde knows from their declaration",
        type_name::<T>()
    )
    .into()
}

/// Finds the type's shape out by having it read made-up values.
fn trace<T: DeserializeOwned>() -> Result<FieldRef, BoxError> {
    let options = TracingOptions::default()
        .map_as_struct(false)
        .enums_without_data_as_strings(true)
        .strings_as_large_utf8(false)
        .bytes_as_large_binary(false)
        .sequence_as_large_list(false);
    let fields =
        Vec::<FieldRef>::from_type::<Item<T>>(options).map_err(|error| error.to_string())?;
    match fields.as_slice() {
        [item] => Ok(tidied(item)),
        _ => Err("it isn't one value".into()),
    }
}

/// A field as readers of the files are to see it: a tuple's columns counted from one, the names of an enum's
/// variants as plain text, and nothing of how it was found.
fn tidied(field: &FieldRef) -> FieldRef {
    let is_tuple = field
        .metadata()
        .values()
        .any(|value| value == "TupleAsStruct");
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            let named = fields.iter().enumerate().map(|(index, field)| {
                let field = tidied(field);
                match is_tuple {
                    true => Arc::new(Field::clone(&field).with_name(format!("_{}", index + 1))),
                    false => field,
                }
            });
            DataType::Struct(named.collect())
        }
        DataType::List(item) => DataType::List(tidied(item)),
        DataType::Map(entries, sorted) => DataType::Map(tidied(entries), *sorted),
        DataType::Dictionary(_, value) => DataType::clone(value),
        DataType::Union(variants, mode) => {
            let variants = variants.iter().map(|(id, field)| (id, tidied(field)));
            DataType::Union(variants.collect(), *mode)
        }
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn union_in(field: &FieldRef) -> Option<&str> {
    match field.data_type() {
        DataType::Union(..) => Some(field.name()),
        DataType::Struct(fields) => fields.iter().find_map(union_in),
        DataType::List(item) | DataType::Map(item, _) => {
            union_in(item).map(|_| field.name().as_str())
        }
        _ => None,
    }
}
