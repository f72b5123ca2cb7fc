//! What is written is read again by the readers of the formats' own crates.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields, SchemaRef};
use bytes::Bytes;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::columns::Columns;
use super::{ArrowIpc, Avro, ColumnFormat, Parquet, parquet};
use crate::codec::Codec;
use crate::rdd::{Data, Executor, Rdd, TaskError};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    name: Option<String>,
    at: (f64, i32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u64,
    small: i8,
    byte: u8,
    large: Option<i64>,
    ratio: Option<f64>,
    short: f32,
    yes: Option<bool>,
    text: String,
    maybe: Option<String>,
    place: Place,
    other: Option<Place>,
    tags: Vec<String>,
    numbers: Option<Vec<Option<u32>>>,
    counts: BTreeMap<String, i64>,
    colour: Colour,
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\PC{0,12}",
        "[a-c]{1,3}",
        Just("Grüße \u{1F30A}\0\n".to_owned())
    ]
}

fn places() -> impl Strategy<Value = Place> {
    let at = (-1e9..1e9, any::<i32>());
    (prop::option::of(texts()), at).prop_map(|(name, at)| Place { name, at })
}

prop_compose! {
    fn rows()(
        // Avro's longest is an `i64`.
        id in prop_oneof![0..10u64, Just(i64::MAX as u64), 0..=i64::MAX as u64],
        (small, byte) in any::<(i8, u8)>(),
        large in any::<Option<i64>>(),
        ratio in prop::option::of(prop_oneof![Just(-0.0), -1e300..1e300, Just(f64::INFINITY)]),
        short in -1e30f32..1e30,
        yes in any::<Option<bool>>(),
        (text, maybe) in (texts(), prop::option::of(texts())),
        (place, other) in (places(), prop::option::of(places())),
        tags in prop::collection::vec(texts(), 0..4),
        numbers in prop::option::of(prop::collection::vec(any::<Option<u32>>(), 0..4)),
        counts in prop::collection::btree_map(texts(), any::<i64>(), 0..3),
        colour in prop_oneof![Just(Colour::Red), Just(Colour::Green)],
    ) -> Row {
        Row {
            id, small, byte, large, ratio, short, yes, text, maybe, place, other, tags, numbers, counts, colour,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Parquet,
    ArrowIpc,
    Avro,
}

const FORMATS: [Format; 3] = [Format::Parquet, Format::ArrowIpc, Format::Avro];

fn codecs(format: Format) -> Vec<Option<Codec>> {
    let all = [None, Some(Codec::Gzip), Some(Codec::Zstd)];
    all.into_iter()
        .filter(|codec| codec.is_none_or(|codec| codec.check().is_ok()))
        .filter(|codec| !(matches!(format, Format::ArrowIpc) && *codec == Some(Codec::Gzip)))
        .collect()
}

/// A file of each partition.
fn written<T>(
    format: Format,
    codec: Option<Codec>,
    elements: &[T],
    partitions: usize,
) -> Result<Vec<Vec<u8>>, String>
where
    T: Data + Serialize + DeserializeOwned,
{
    let executor = Executor::new(2, 1).unwrap();
    let rdd = Rdd::parallelize(elements.to_vec(), partitions, &executor);
    let columns = Columns::of::<T>().map_err(|error| error.to_string())?;
    rdd.run_partitions(|partition| {
        let mut out = Vec::new();
        match format {
            Format::Parquet => parquet::write(&partition, &columns, codec, 4 << 10, &mut out),
            Format::ArrowIpc => ArrowIpc::write(&partition, &columns, codec, &mut out),
            Format::Avro => Avro::write(&partition, &columns, codec, &mut out),
        }?;
        Ok(out)
    })
    .map_err(|error| error.to_string())
}

fn read(format: Format, file: &[u8]) -> (SchemaRef, Vec<RecordBatch>) {
    match format {
        Format::Parquet => {
            use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder as Reader;
            let reader = Reader::try_new(Bytes::copy_from_slice(file)).unwrap();
            let schema = reader.schema().clone();
            (
                schema,
                reader.build().unwrap().map(Result::unwrap).collect(),
            )
        }
        Format::ArrowIpc => {
            let reader = ::arrow_ipc::reader::FileReader::try_new(Cursor::new(file), None).unwrap();
            (reader.schema(), reader.map(Result::unwrap).collect())
        }
        Format::Avro => {
            let reader = arrow_avro::reader::ReaderBuilder::new()
                .build(Cursor::new(file))
                .unwrap();
            (reader.schema(), reader.map(Result::unwrap).collect())
        }
    }
}

fn elements<T: DeserializeOwned>(batches: &[RecordBatch]) -> Vec<T> {
    let parts = batches
        .iter()
        .map(|batch| -> Vec<T> { serde_arrow::from_record_batch(batch).unwrap() });
    parts.flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read_again(
        rows in prop::collection::vec(rows(), 0..40),
        partitions in 1..4usize,
    ) {
        for format in FORMATS {
            for codec in codecs(format) {
                let files = written(format, codec, &rows, partitions).unwrap();
                prop_assert_eq!(files.len(), partitions);
                let mut found = Vec::new();
                for file in &files {
                    let (schema, batches) = read(format, file);
                    prop_assert_eq!(schema.fields().len(), 15, "{:?}", format);
                    found.extend(elements::<Row>(&batches));
                }
                prop_assert_eq!(&found, &rows, "{:?} {:?}", format, codec);
                prop_assert_eq!(files, written(format, codec, &rows, partitions).unwrap());
            }
        }
    }
}

#[test]
fn many_rows_are_many_batches_and_row_groups() {
    let rows: Vec<(u64, String)> = (0..20_000)
        .map(|n| (n, format!("{:x}", n * 0x9e37_79b9)))
        .collect();
    for format in FORMATS {
        let files = written(format, None, &rows, 1).unwrap();
        let (_, batches) = read(format, &files[0]);
        assert_eq!(elements_of_pairs(&batches), rows, "{format:?}");
    }
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    let file = written(Format::Parquet, None, &rows, 1).unwrap().remove(0);
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    assert!(reader.metadata().num_row_groups() > 3);
}

/// Pairs, from columns that are named as the original's.
fn elements_of_pairs(batches: &[RecordBatch]) -> Vec<(u64, String)> {
    #[derive(Deserialize)]
    struct Pair {
        #[serde(rename = "_1")]
        first: u64,
        #[serde(rename = "_2")]
        second: String,
    }
    let pairs = elements::<Pair>(batches).into_iter();
    pairs.map(|pair| (pair.first, pair.second)).collect()
}

#[test]
fn a_part_without_elements_has_the_columns() {
    for format in FORMATS {
        let files = written::<(String, Option<i64>)>(format, None, &[], 1).unwrap();
        let (schema, batches) = read(format, &files[0]);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        let columns = [
            Field::new("_1", DataType::Utf8, false),
            Field::new("_2", DataType::Int64, true),
        ];
        let same = |(found, expected): (&std::sync::Arc<Field>, &Field)| {
            (found.name(), found.data_type(), found.is_nullable())
                == (
                    expected.name(),
                    expected.data_type(),
                    expected.is_nullable(),
                )
        };
        assert!(
            schema.fields().iter().zip(&columns).all(same),
            "{format:?}: {schema:?}"
        );
    }
}

fn columns<T: DeserializeOwned>() -> Vec<String> {
    fn shown(fields: &Fields) -> Vec<String> {
        let one = |field: &std::sync::Arc<Field>| {
            assert!(field.metadata().is_empty(), "{field:?}");
            let optional = if field.is_nullable() { "?" } else { "" };
            match field.data_type() {
                DataType::Struct(fields) => {
                    format!(
                        "{}{optional}: {{{}}}",
                        field.name(),
                        shown(fields).join(", ")
                    )
                }
                DataType::List(item) => {
                    format!(
                        "{}{optional}: [{}]",
                        field.name(),
                        shown(&Fields::from(vec![item.clone()])).join("")
                    )
                }
                other => format!("{}{optional}: {other}", field.name()),
            }
        };
        fields.iter().map(one).collect()
    }
    shown(Columns::of::<T>().unwrap().schema().fields())
}

#[test]
fn columns_are_those_of_the_original() {
    assert_eq!(columns::<String>(), ["value: Utf8"]);
    assert_eq!(columns::<u64>(), ["value: UInt64"]);
    assert_eq!(columns::<Option<f64>>(), ["value?: Float64"]);
    assert_eq!(columns::<Vec<i32>>(), ["value: [element: Int32]"]);
    assert_eq!(columns::<Colour>(), ["value: Utf8"]);
    assert_eq!(columns::<(String, u64)>(), ["_1: Utf8", "_2: UInt64"]);
    let nested = columns::<(String, (Option<u8>, Vec<(bool, i16)>))>();
    assert_eq!(
        nested[1],
        "_2: {_1?: UInt8, _2: [element: {_1: Boolean, _2: Int16}]}"
    );
    assert_eq!(
        columns::<Place>(),
        ["name?: Utf8", "at: {_1: Float64, _2: Int32}"]
    );
    assert_eq!(
        columns::<Option<Place>>(),
        ["value?: {name?: Utf8, at: {_1: Float64, _2: Int32}}"]
    );
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nothing {}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Event {
    Seen(String),
    Gone { at: u64 },
}

/// Reads itself from texts of its own form only, as an address does.
#[derive(Debug, Clone, Serialize)]
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        assert!(text.starts_with("picky:"), "not picky");
        Ok(Self)
    }
}

#[test]
fn types_without_columns_are_refused() {
    let refused = |error: Result<Columns, crate::rdd::BoxError>| {
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("no columns that can be found") && error.contains("tuple"),
            "{error}"
        );
        error
    };
    refused(Columns::of::<Chain>());
    assert!(refused(Columns::of::<serde_json::Value>()).contains("serde_json"));
    assert!(refused(Columns::of::<Nothing>()).contains("no fields"));
    assert!(refused(Columns::of::<Picky>()).contains("not picky"));
}

#[test]
fn enums_with_values_fit_arrow_and_are_refused_by_parquet() {
    let events = [Event::Seen("a".to_owned()), Event::Gone { at: 7 }];
    written(Format::ArrowIpc, None, &events, 1).unwrap();
    let columns = Columns::of::<(u64, Event)>().unwrap();
    ArrowIpc::check(&columns, None).unwrap();
    let error = Parquet::check(&columns, None).unwrap_err().to_string();
    assert!(
        error.contains("the column `_2`, an enum whose variants have values"),
        "{error}"
    );
}

#[test]
fn what_a_format_cant_hold_fails_with_its_reason() {
    let error = written(Format::Avro, None, &[u64::MAX], 1).unwrap_err();
    assert!(error.contains("18446744073709551615"), "{error}");
    let error = written(Format::ArrowIpc, Some(Codec::Gzip), &[1u64], 1).unwrap_err();
    assert!(error.contains("use zstd"), "{error}");
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(std::io::Error::other("the disk is full"));
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_fails_fails_the_part() {
    let executor = Executor::new(1, 1).unwrap();
    let rdd = Rdd::parallelize(vec![1u64, 2, 3], 1, &executor);
    let columns = Columns::of::<u64>().unwrap();
    for room in [0, 3, 100] {
        for format in FORMATS {
            let failed = rdd.run_partitions(|partition| -> Result<(), TaskError> {
                let out = &mut Full(room);
                match format {
                    Format::Parquet => Parquet::write(&partition, &columns, None, out),
                    Format::ArrowIpc => ArrowIpc::write(&partition, &columns, None, out),
                    Format::Avro => Avro::write(&partition, &columns, None, out),
                }
            });
            let error = failed.unwrap_err().to_string();
            assert!(error.contains("the disk is full"), "{format:?}: {error}");
        }
    }
}
