//! What files of each format hold, read by others than wrote them.

use std::fmt::Debug;
use std::io::Read;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Csv, JsonLines, SequenceFile, Writable};
use crate::codec::{Codec, decode};
use crate::rdd::{Data, Executor, Rdd};
use crate::sink::{BatchIdentity, FileFormat, Files, Sink};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The names and bytes of the parts of a batch that was committed.
fn parts<T: Data>(
    records: Vec<T>,
    partitions: usize,
    codec: Option<Codec>,
    format: impl FileFormat<T>,
) -> Vec<(String, Vec<u8>)> {
    let folder = TempDir::new().unwrap();
    let prefix = folder.path().join("out").display().to_string();
    let files = Files::open_with(&prefix, None, format).unwrap();
    let files = codec.into_iter().fold(files, Files::codec);
    let executor = Executor::new(2, 1).unwrap();
    let batch = BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("out"),
        time: Time::from_millis(1000),
    };
    let rdd = match partitions {
        0 => Rdd::empty(&executor),
        _ => Rdd::parallelize(records, partitions, &executor),
    };
    Sink::<T>::check(&files).unwrap();
    files.commit(&batch, &rdd).unwrap();
    let parts = std::fs::read_dir(files.folder(batch.time)).unwrap();
    let mut parts: Vec<_> = parts
        .map(|part| part.unwrap())
        .map(|part| {
            (
                part.file_name().into_string().unwrap(),
                std::fs::read(part.path()).unwrap(),
            )
        })
        .filter(|(name, _)| name != "_SUCCESS")
        .collect();
    parts.sort();
    parts
}

fn texts(parts: Vec<(String, Vec<u8>)>) -> Vec<(String, String)> {
    let text = |(name, bytes)| (name, String::from_utf8(bytes).unwrap());
    parts.into_iter().map(text).collect()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Visit {
    path: String,
    took_ms: u64,
    user: Option<String>,
}

fn visits() -> Vec<Visit> {
    let visit = |path: &str, took_ms, user: Option<&str>| Visit {
        path: path.to_owned(),
        took_ms,
        user: user.map(str::to_owned),
    };
    vec![
        visit("/a,b", 3, None),
        visit("/say \"hi\"\nbye", u64::MAX, Some("Ünal")),
        visit("", 0, Some("")),
    ]
}

#[test]
fn json_is_a_line_an_element() {
    let written = texts(parts(visits(), 1, None, JsonLines));
    let lines = r#"{"path":"/a,b","took_ms":3,"user":null}
{"path":"/say \"hi\"\nbye","took_ms":18446744073709551615,"user":"Ünal"}
{"path":"","took_ms":0,"user":""}
"#;
    assert_eq!(written, [("part-00000.json".to_owned(), lines.to_owned())]);
    let pairs = vec![("tide".to_owned(), 3)];
    let (name, line) = texts(parts(pairs, 1, None, JsonLines)).remove(0);
    assert_eq!(
        (name.as_str(), line.as_str()),
        ("part-00000.json", "[\"tide\",3]\n")
    );
    let (name, bytes) = parts(visits(), 1, Some(Codec::Gzip), JsonLines).remove(0);
    assert_eq!(name, "part-00000.json.gz");
    let mut text = String::new();
    decode(Some(Codec::Gzip), bytes.as_slice())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn csv_names_fields_once_a_part_and_quotes_what_must_be() {
    let written = texts(parts(visits(), 1, None, Csv::default()));
    let expected =
        "path,took_ms,user\n\"/a,b\",3,\n\"/say \"\"hi\"\"\nbye\",18446744073709551615,Ünal\n,0,\n";
    assert_eq!(
        written,
        [("part-00000.csv".to_owned(), expected.to_owned())]
    );
    let rows = Csv::default().header(false).delimiter(b';');
    let pairs = vec![("high;tide".to_owned(), 3), ("ebb".to_owned(), 1)];
    let (_, rows) = texts(parts(pairs, 1, None, rows)).remove(0);
    assert_eq!(rows, "\"high;tide\";3\nebb;1\n");
    assert_eq!(
        texts(parts(Vec::<Visit>::new(), 1, None, Csv::default()))[0].1,
        ""
    );
    assert_eq!(Csv::default().show(&visits()[0]).unwrap(), "\"/a,b\",3,");
}

/// A row that can't be one fails the batch before anything is to be seen.
#[test]
fn what_has_no_row_is_an_error() {
    let folder = TempDir::new().unwrap();
    let prefix = folder.path().join("out").display().to_string();
    let files = Files::<Csv>::open(&prefix, None).unwrap();
    let executor = Executor::new(1, 1).unwrap();
    let batch = BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("out"),
        time: Time::from_millis(1000),
    };
    #[derive(Clone, Serialize)]
    struct Nested {
        name: String,
        inner: std::collections::BTreeMap<String, u64>,
    }
    let nested = Nested {
        name: "a".to_owned(),
        inner: [("b".to_owned(), 1)].into(),
    };
    let error = files
        .commit(&batch, &Rdd::parallelize(vec![nested], 1, &executor))
        .unwrap_err()
        .to_string();
    assert!(error.contains("maps") || error.contains("CSV"), "{error}");
    assert!(!files.is_committed(batch.time).unwrap());
}

/// What a sequence file holds, by its specification.
#[derive(Debug, PartialEq)]
struct Sequence {
    classes: [String; 2],
    codec: Option<String>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
    marks: usize,
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn vint(&mut self) -> usize {
        match self.take(1)[0] as i8 {
            short @ -112.. => usize::try_from(short).unwrap(),
            long => {
                let follow = (-112 - i32::from(long)) as usize;
                self.take(follow)
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
        }
    }

    fn text(&mut self) -> String {
        let length = self.vint();
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }
}

fn sequence(bytes: &[u8]) -> Sequence {
    let mut bytes = Bytes(bytes);
    assert_eq!(bytes.take(4), b"SEQ\x06");
    let classes = [bytes.text(), bytes.text()];
    let [is_compressed, in_blocks] = bytes.take(2) else {
        unreachable!()
    };
    assert_eq!(*in_blocks, 0);
    let codec = (*is_compressed == 1).then(|| bytes.text());
    assert_eq!(bytes.int(), 0);
    let mark = bytes.take(16);
    let (mut records, mut marks) = (Vec::new(), 0);
    while !bytes.0.is_empty() {
        let length = bytes.int();
        if length == -1 {
            assert_eq!(bytes.take(16), mark);
            marks += 1;
            continue;
        }
        let key = bytes.int() as usize;
        let (key, value) = (bytes.take(key), bytes.take(length as usize - key));
        records.push((key.to_vec(), value.to_vec()));
    }
    Sequence {
        classes,
        codec,
        records,
        marks,
    }
}

fn bytes_of(value: &impl Writable) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn sequence_files_are_hadoops() {
    let pairs: Vec<(String, u64)> = (0..500).map(|n| (format!("word {n:03}"), n)).collect();
    let written = parts(pairs.clone(), 2, None, SequenceFile);
    let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["part-00000", "part-00001"]);
    let mut all = Vec::new();
    for (_, bytes) in &written {
        let sequence = sequence(bytes);
        let classes = [
            "org.apache.hadoop.io.Text",
            "org.apache.hadoop.io.LongWritable",
        ];
        assert_eq!(sequence.classes, classes);
        assert!(
            sequence.codec.is_none() && sequence.marks >= 3,
            "{sequence:?}"
        );
        all.extend(sequence.records);
    }
    let expected: Vec<_> = pairs
        .iter()
        .map(|(key, n)| (bytes_of(key), bytes_of(n)))
        .collect();
    assert_eq!(all, expected);
    assert_eq!(
        written,
        parts(pairs, 2, None, SequenceFile),
        "the same bytes again"
    );

    let empty = parts(Vec::<((), Vec<u8>)>::new(), 0, None, SequenceFile);
    assert_eq!(empty.len(), 1);
    assert_eq!(sequence(&empty[0].1).records, []);
}

#[test]
fn values_are_compressed_one_by_one() {
    let pairs = vec![(7_i32, "tide ".repeat(1000)), (8, String::new())];
    let (name, bytes) = parts(pairs.clone(), 1, Some(Codec::Gzip), SequenceFile).remove(0);
    assert_eq!(name, "part-00000");
    let sequence = sequence(&bytes);
    assert_eq!(
        sequence.codec.as_deref(),
        Some("org.apache.hadoop.io.compress.GzipCodec")
    );
    assert!(bytes.len() < 1000);
    let plain = |bytes: &[u8]| {
        let mut plain = Vec::new();
        decode(Some(Codec::Gzip), bytes)
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        plain
    };
    let read: Vec<_> = sequence
        .records
        .iter()
        .map(|(key, value)| (key.clone(), plain(value)))
        .collect();
    let expected: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (bytes_of(key), bytes_of(value)))
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn writables_are_their_classes_bytes() {
    fn is<W: Writable + Debug>(value: W, class: &str, bytes: &[u8]) {
        assert_eq!(
            W::CLASS,
            format!("org.apache.hadoop.io.{class}"),
            "{value:?}"
        );
        assert_eq!(bytes_of(&value), bytes, "{value:?}");
    }
    is("ebb".to_owned(), "Text", b"\x03ebb");
    is(vec![1_u8, 2], "BytesWritable", &[0, 0, 0, 2, 1, 2]);
    is(-2_i32, "IntWritable", &[255, 255, 255, 254]);
    is(258_i64, "LongWritable", &[0, 0, 0, 0, 0, 0, 1, 2]);
    is(258_u64, "LongWritable", &[0, 0, 0, 0, 0, 0, 1, 2]);
    is(u32::MAX, "LongWritable", &[0, 0, 0, 0, 255, 255, 255, 255]);
    is(-1_i8, "ByteWritable", &[255]);
    is(1.0_f64, "DoubleWritable", &[63, 240, 0, 0, 0, 0, 0, 0]);
    is(1.0_f32, "FloatWritable", &[63, 128, 0, 0]);
    is(true, "BooleanWritable", &[1]);
    is((), "NullWritable", &[]);
    let error = u64::MAX.write(&mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("LongWritable"), "{error}");
}

proptest! {
    #[test]
    fn any_pairs_come_back(
        pairs in proptest::collection::vec((".{0,300}", proptest::collection::vec(any::<u8>(), 0..400)), 0..40),
        partitions in 1usize..4,
    ) {
        let written = parts(pairs.clone(), partitions, None, SequenceFile);
        let read = written.iter().flat_map(|(_, bytes)| sequence(bytes).records);
        let read: Vec<(String, Vec<u8>)> = read
            .map(|(key, value)| (Bytes(&key).text(), value[4..].to_vec()))
            .collect();
        prop_assert_eq!(read, pairs);
    }
}
