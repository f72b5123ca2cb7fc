//! [`Avro`]: Apache Avro's container files.

use std::io::{BufWriter, Write};

use arrow_avro::compression::{CODEC_METADATA_KEY, CompressionCodec};
use arrow_avro::errors::AvroError;
use arrow_avro::schema::SCHEMA_METADATA_KEY;
use arrow_avro::writer::format::AvroFormat;
use arrow_avro::writer::{Writer, WriterBuilder};
use arrow_schema::Schema;
use serde::Serialize;

use super::columns::Columns;
use super::rows::for_each_batch;
use super::{ColumnFormat, PIECE};
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// [Apache Avro](https://avro.apache.org) container files, `part-00000.avro`; columns as the
/// [module](crate::columnar) says, of a record `topLevelRecord` as the original names it.
///
/// They aren't compressed, or by deflate where the codec is gzip, or by zstd. Avro has no unsigned numbers: a
/// `u64` is written as a `long`, and one that is too large for it fails the batch.
///
/// ```
/// use tidemill::columnar::Avro;
/// use tidemill::sink::Files;
///
/// let files = Files::open_with("data/out/visits", None, Avro)?;
/// # let _ = files;
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Avro;

impl ColumnFormat for Avro {
    const KIND: &'static str = "save_as_avro_files";
    const EXTENSION: &'static str = ".avro";

    fn check(columns: &Columns, codec: Option<Codec>) -> Result<(), BoxError> {
        start(columns, codec, Vec::new())?;
        Ok(())
    }

    fn write<T: ?Sized + Element + Serialize>(
        partition: &Partition<'_, T>,
        columns: &Columns,
        codec: Option<Codec>,
        out: &mut dyn Write,
    ) -> Result<(), TaskError> {
        let out = BufWriter::with_capacity(PIECE, out);
        let mut writer = start(columns, codec, out).map_err(TaskError::new)?;
        for_each_batch(partition, columns, |batch| Ok(writer.write(batch)?))?;
        writer.finish().map_err(TaskError::new)
    }
}

fn start<W: Write>(
    columns: &Columns,
    codec: Option<Codec>,
    out: W,
) -> Result<Writer<W, Container>, AvroError> {
    WriterBuilder::new(Schema::clone(columns.schema()))
        .with_compression(compression(codec))
        .with_capacity(PIECE)
        .build(out)
}

fn compression(codec: Option<Codec>) -> Option<CompressionCodec> {
    codec.map(|codec| match codec {
        Codec::Gzip => CompressionCodec::Deflate,
        Codec::Zstd => CompressionCodec::ZStandard,
    })
}

/// The head of a container file. That of the writer's own crate has a random marker between blocks; here the
/// same elements become the same bytes, which the outputs of a batch that is tried again must.
#[derive(Debug, Default)]
struct Container;

/// What stands between blocks: bytes that no text holds.
const MARKER: [u8; 16] = [
    0xf5, 0x9e, 0x01, 0xd7, 0xfe, 0x82, 0x3c, 0xc0, 0xff, 0x6a, 0xb1, 0x13, 0xf9, 0xe8, 0x47, 0xfb,
];

impl AvroFormat for Container {
    const NEEDS_PREFIX: bool = false;

    fn start_stream<W: Write>(
        &mut self,
        out: &mut W,
        schema: &Schema,
        compression: Option<CompressionCodec>,
    ) -> Result<(), AvroError> {
        let described = schema.metadata().get(SCHEMA_METADATA_KEY);
        let described = described
            .ok_or_else(|| AvroError::SchemaError("the writer gave no schema".to_owned()))?;
        let codec = match compression {
            Some(CompressionCodec::Deflate) => "deflate",
            Some(CompressionCodec::ZStandard) => "zstandard",
            None => "null",
            Some(other) => return Err(AvroError::NYI(format!("compression by {other:?}"))),
        };
        let mut head = b"Obj\x01".to_vec();
        put_long(&mut head, 2);
        for text in [SCHEMA_METADATA_KEY, described, CODEC_METADATA_KEY, codec] {
            put_long(&mut head, text.len());
            head.extend_from_slice(text.as_bytes());
        }
        put_long(&mut head, 0);
        head.extend_from_slice(&MARKER);
        Ok(out.write_all(&head)?)
    }

    fn sync_marker(&self) -> Option<&[u8; 16]> {
        Some(&MARKER)
    }
}

/// Avro's variable-length form of a number that isn't negative: doubled, seven bits a byte, the lowest first.
fn put_long(out: &mut Vec<u8>, number: usize) {
    let mut left = (number as u64) << 1;
    while left > 0x7f {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}
