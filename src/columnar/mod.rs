//! Files of columns that other tools read: [`Parquet`], [`ArrowIpc`] and [`Avro`]. Needs the feature `columnar`.
//!
//! The columns are those of the elements' type, whatever the elements of a batch are, so all parts of all batches
//! have the same, and a part without elements has them, too:
//!
//! | Element | Columns |
//! |---|---|
//! | a struct | its fields, as serde names them |
//! | a tuple | `_1`, `_2` and so on |
//! | a single value: a number, a text, an `Option`, a list | `value` |
//!
//! An `Option` may be null and nothing else may. Structs and tuples within are columns of columns, a `Vec` is a
//! list, a map is a map, an enum whose variants have no values is the text of their names. A type that tells its
//! shape only by its values, such as `serde_json::Value`, is refused at the start. These are the columns that the
//! original's `toDF` finds; there a stream is written so within `foreachRDD`, without a folder that is whole or
//! isn't there.
//!
//! Compression is the formats' own, page by page or block by block, and the names of files don't tell it.

mod arrow_ipc;
mod avro;
mod columns;
mod format;
mod parquet;
mod rows;
#[cfg(test)]
mod tests;

pub use self::arrow_ipc::ArrowIpc;
pub use self::avro::Avro;
pub(crate) use self::columns::Scalar;
pub(crate) use self::format::{ColumnFormat, Declared};
pub use self::parquet::Parquet;

/// How many bytes are gathered before they're handed on.
const PIECE: usize = 1 << 18;
