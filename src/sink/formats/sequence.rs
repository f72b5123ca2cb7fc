//! [`SequenceFile`]: keys and values as Hadoop writes them.
//!
//! Version 6 of Hadoop's own format (`org.apache.hadoop.io.SequenceFile`): a header with the classes of both, records
//! of their bytes behind their lengths, and every few thousand bytes a mark of sixteen by which a reader that begins
//! in the middle finds the next record.

use std::hash::Hash;
use std::io::Write;

use super::hand_on;
use crate::codec::{Codec, Encoder};
use crate::rdd::{BoxError, Data, KeyHasher, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter};

/// Pairs for Hadoop, Spark, Hive and what else reads its sequence files. Each value is compressed by itself where
/// a codec is set, which is Hadoop's `RECORD` compression.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequenceFile;

/// What a key or value of a sequence file can be, and the class that reads it.
pub trait Writable {
    /// Its class.
    const CLASS: &'static str;

    /// Adds its bytes.
    ///
    /// # Errors
    /// When the class has no such value.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError>;
}

/// Bytes between two marks at least: Hadoop's own, a hundred marks' length.
const MARK_EVERY: usize = 2000;
/// In the place of a record's length, before a mark.
const ESCAPE: i32 = -1;
const MARK: usize = 16;

impl<K: Data + Writable, V: Data + Writable> FileFormat<(K, V)> for SequenceFile {
    fn kind(&self) -> &'static str {
        "save_as_sequence_files"
    }

    fn compresses(&self) -> bool {
        true
    }

    fn write(
        &self,
        partition: &Partition<'_, (K, V)>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let codec = out.codec();
        let mut records =
            Records::begin::<K, V>(partition.index(), codec).map_err(TaskError::new)?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        partition.try_for_each(|(k, v)| -> Result<(), BoxError> {
            key.clear();
            value.clear();
            k.write(&mut key)?;
            v.write(&mut value)?;
            if codec.is_some() {
                value = compressed(codec, &value)?;
            }
            records.push(&key, &value)?;
            hand_on(&mut records.bytes, out)?;
            Ok(())
        })?;
        out.put(&records.bytes).map_err(TaskError::new)
    }
}

/// A file's bytes as they are made.
struct Records {
    bytes: Vec<u8>,
    mark: [u8; MARK],
    since_mark: usize,
}

impl Records {
    fn begin<K: Writable, V: Writable>(
        part: usize,
        codec: Option<Codec>,
    ) -> Result<Self, BoxError> {
        let mark = mark(part, K::CLASS, V::CLASS);
        let mut bytes = b"SEQ\x06".to_vec();
        put_text(&mut bytes, K::CLASS)?;
        put_text(&mut bytes, V::CLASS)?;
        // Compressed, and not in blocks.
        bytes.extend([u8::from(codec.is_some()), 0]);
        if let Some(codec) = codec {
            put_text(&mut bytes, class_of(codec))?;
        }
        // No metadata.
        bytes.extend(0_i32.to_be_bytes());
        bytes.extend(mark);
        Ok(Self {
            bytes,
            mark,
            since_mark: 0,
        })
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BoxError> {
        if self.since_mark >= MARK_EVERY {
            self.bytes.extend(ESCAPE.to_be_bytes());
            self.bytes.extend(self.mark);
            self.since_mark = 0;
        }
        let before = self.bytes.len();
        self.bytes
            .extend(length(key.len() + value.len())?.to_be_bytes());
        self.bytes.extend(length(key.len())?.to_be_bytes());
        self.bytes.extend(key);
        self.bytes.extend(value);
        self.since_mark += self.bytes.len() - before;
        Ok(())
    }
}

fn length(bytes: usize) -> Result<i32, BoxError> {
    i32::try_from(bytes)
        .map_err(|_| format!("a record of {bytes} bytes doesn't fit into a sequence file").into())
}

/// The same for the same part of the same classes: a part that is written again has the same bytes.
fn mark(part: usize, key: &str, value: &str) -> [u8; MARK] {
    fn half(seed: u64, of: impl Hash) -> u128 {
        u128::from(KeyHasher::new(seed).hash(&of))
    }
    let of = (part, key, value);
    (half(1, of) << 64 | half(2, of)).to_be_bytes()
}

fn class_of(codec: Codec) -> &'static str {
    match codec {
        Codec::Gzip => "org.apache.hadoop.io.compress.GzipCodec",
        Codec::Zstd => "org.apache.hadoop.io.compress.ZStandardCodec",
    }
}

fn compressed(codec: Option<Codec>, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
    let mut all = Vec::new();
    let mut take = |piece: &[u8]| -> Result<(), BoxError> {
        all.write_all(piece)?;
        Ok(())
    };
    let mut encoder = Encoder::new(codec)?;
    encoder.write(bytes, &mut take)?;
    encoder.finish(&mut take)?;
    Ok(all)
}

/// A length as Hadoop's `WritableUtils.writeVInt` has it: one byte up to 127, else a byte that says how many follow.
fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), BoxError> {
    let length = self::length(length)?;
    if let Ok(short) = i8::try_from(length) {
        out.extend(short.to_be_bytes());
        return Ok(());
    }
    let bytes = length.to_be_bytes();
    let leading = (length.leading_zeros() / 8) as usize;
    let follow = bytes.len() - leading;
    // -113 for one byte, -114 for two, ...
    out.push((-112_i8).wrapping_sub(follow as i8) as u8);
    out.extend(bytes.iter().skip(leading));
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), BoxError> {
    put_length(out, text.len())?;
    out.extend(text.as_bytes());
    Ok(())
}

impl Writable for String {
    const CLASS: &'static str = "org.apache.hadoop.io.Text";

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        put_text(out, self)
    }
}

impl Writable for Vec<u8> {
    const CLASS: &'static str = "org.apache.hadoop.io.BytesWritable";

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend(length(self.len())?.to_be_bytes());
        out.extend(self);
        Ok(())
    }
}

impl Writable for u64 {
    const CLASS: &'static str = "org.apache.hadoop.io.LongWritable";

    /// Its class is signed: beyond 2^63 - 1 it's an error.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let signed = i64::try_from(*self)
            .map_err(|_| format!("{self} is more than a LongWritable holds"))?;
        signed.write(out)
    }
}

impl Writable for u32 {
    const CLASS: &'static str = "org.apache.hadoop.io.LongWritable";

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        i64::from(*self).write(out)
    }
}

impl Writable for bool {
    const CLASS: &'static str = "org.apache.hadoop.io.BooleanWritable";

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.push(u8::from(*self));
        Ok(())
    }
}

impl Writable for () {
    const CLASS: &'static str = "org.apache.hadoop.io.NullWritable";

    fn write(&self, _out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Numbers of a fixed size, their highest byte first.
macro_rules! numbers {
    ($($number:ty => $class:literal),*) => {$(
        impl Writable for $number {
            const CLASS: &'static str = concat!("org.apache.hadoop.io.", $class);

            fn write(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
                out.extend(self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

numbers!(i8 => "ByteWritable", i32 => "IntWritable", i64 => "LongWritable", f32 => "FloatWritable", f64 => "DoubleWritable");
