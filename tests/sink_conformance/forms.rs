//! What the parts of a batch can be: text, object or JSON files, compressed or not.

use std::io::Read;
use std::sync::Arc;

use tidemill::codec::Codec;
use tidemill::sink::conformance::unusual_records;
use tidemill::sink::{self as formats, FileFormat, Files, JsonLines, Sink, Text};
use tidemill_storage::{Disk, Objects};

use super::{lines, unusual_lines};

/// The form of part files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text(Option<Codec>),
    Objects(Option<Codec>),
    Json(Option<Codec>),
}

/// Each that there is. How a batch is committed doesn't depend on its form, so all of them go through one kind of
/// trouble a place, and the first through every kind.
pub const FORMS: &[Form] = &[
    Form::Text(None),
    Form::Text(Some(Codec::Gzip)),
    #[cfg(feature = "zstd")]
    Form::Text(Some(Codec::Zstd)),
    Form::Objects(None),
    Form::Objects(Some(Codec::Gzip)),
    Form::Json(Some(Codec::Gzip)),
];

impl Form {
    pub fn on_disk(self, prefix: &str, disk: Arc<dyn Disk>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => sink(Files::<Text>::on_disk(prefix, None, disk), codec),
            Self::Objects(codec) => sink(
                Files::<formats::Objects>::on_disk(prefix, None, disk),
                codec,
            ),
            Self::Json(codec) => sink(Files::<JsonLines>::on_disk(prefix, None, disk), codec),
        }
    }

    pub fn on_objects(self, prefix: &str, store: Arc<dyn Objects>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => sink(Files::<Text>::on_objects(prefix, None, store), codec),
            Self::Objects(codec) => sink(
                Files::<formats::Objects>::on_objects(prefix, None, store),
                codec,
            ),
            Self::Json(codec) => sink(Files::<JsonLines>::on_objects(prefix, None, store), codec),
        }
    }

    /// What the names of parts end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json(_) => ".json.gz",
            _ => self.codec().map_or("", Codec::extension),
        }
    }

    fn codec(self) -> Option<Codec> {
        match self {
            Self::Text(codec) | Self::Objects(codec) | Self::Json(codec) => codec,
        }
    }

    /// The records in a part.
    pub fn records(self, part: &[u8]) -> Vec<String> {
        let bytes = decompressed(self.codec(), part);
        match self {
            Self::Text(_) => lines(&bytes),
            Self::Json(_) => {
                let lines = serde_json::Deserializer::from_slice(&bytes).into_iter();
                lines.map(Result::unwrap).collect()
            }
            Self::Objects(_) => {
                let elements = tidemill::formats::decode_object_file(&bytes).unwrap();
                let text = |element: &serde_json::Value| element.as_str().unwrap().to_owned();
                elements.iter().map(text).collect()
            }
        }
    }

    pub fn unusual(self) -> Vec<String> {
        match self {
            Self::Text(_) => unusual_lines(),
            Self::Objects(_) | Self::Json(_) => unusual_records(),
        }
    }
}

fn sink<F: FileFormat<String>>(files: Files<F>, codec: Option<Codec>) -> Box<dyn Sink<String>> {
    Box::new(codec.into_iter().fold(files, Files::codec))
}

/// By the libraries themselves.
fn decompressed(codec: Option<Codec>, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match codec {
        Some(Codec::Gzip) => flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut text)
            .unwrap(),
        #[cfg(feature = "zstd")]
        Some(Codec::Zstd) => zstd::stream::read::Decoder::new(bytes)
            .unwrap()
            .read_to_end(&mut text)
            .unwrap(),
        _ => return bytes.to_vec(),
    };
    text
}
