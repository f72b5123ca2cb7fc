//! What the parts of a batch can be: text or object files, compressed or not.

use std::io::Read;
use std::sync::Arc;

use tidemill::codec::Codec;
use tidemill::sink::conformance::unusual_records;
use tidemill::sink::{ObjectFiles, Sink, TextFiles};
use tidemill_storage::{Disk, Objects};

use super::{lines, unusual_lines};

/// The form of part files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text(Option<Codec>),
    Objects(Option<Codec>),
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
];

impl Form {
    pub fn on_disk(self, prefix: &str, disk: Arc<dyn Disk>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => text(TextFiles::on_disk(prefix, None, disk), codec),
            Self::Objects(codec) => objects(ObjectFiles::on_disk(prefix, None, disk), codec),
        }
    }

    pub fn on_objects(self, prefix: &str, store: Arc<dyn Objects>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => text(TextFiles::on_objects(prefix, None, store), codec),
            Self::Objects(codec) => objects(ObjectFiles::on_objects(prefix, None, store), codec),
        }
    }

    /// What the names of parts end with.
    pub fn extension(self) -> &'static str {
        match self.codec() {
            None => "",
            Some(codec) => codec.extension(),
        }
    }

    fn codec(self) -> Option<Codec> {
        match self {
            Self::Text(codec) | Self::Objects(codec) => codec,
        }
    }

    /// The records in a part.
    pub fn records(self, part: &[u8]) -> Vec<String> {
        let bytes = decompressed(self.codec(), part);
        match self {
            Self::Text(_) => lines(&bytes),
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
            Self::Objects(_) => unusual_records(),
        }
    }
}

fn text(files: TextFiles, codec: Option<Codec>) -> Box<dyn Sink<String>> {
    Box::new(match codec {
        Some(codec) => files.codec(codec),
        None => files,
    })
}

fn objects(files: ObjectFiles, codec: Option<Codec>) -> Box<dyn Sink<String>> {
    Box::new(match codec {
        Some(codec) => files.codec(codec),
        None => files,
    })
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
