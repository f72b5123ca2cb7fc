//! What the parts of a batch can be: text, compressed or not.

use std::io::Read;
use std::sync::Arc;

use tidemill::codec::Codec;
use tidemill::sink::{Sink, TextFiles};
use tidemill_storage::{Disk, Objects};

use super::{lines, unusual_lines};

/// The form of part files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text(Option<Codec>),
}

/// Each that there is. How a batch is committed doesn't depend on its form, so all of them go through one kind of
/// trouble a place, and the first through every kind.
pub const FORMS: &[Form] = &[
    Form::Text(None),
    Form::Text(Some(Codec::Gzip)),
    #[cfg(feature = "zstd")]
    Form::Text(Some(Codec::Zstd)),
];

impl Form {
    pub fn on_disk(self, prefix: &str, disk: Arc<dyn Disk>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => text(TextFiles::on_disk(prefix, None, disk), codec),
        }
    }

    pub fn on_objects(self, prefix: &str, objects: Arc<dyn Objects>) -> Box<dyn Sink<String>> {
        match self {
            Self::Text(codec) => text(TextFiles::on_objects(prefix, None, objects), codec),
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
            Self::Text(codec) => codec,
        }
    }

    /// The records in a part.
    pub fn records(self, part: &[u8]) -> Vec<String> {
        let bytes = decompressed(self.codec(), part);
        match self {
            Self::Text(_) => lines(&bytes),
        }
    }

    pub fn unusual(self) -> Vec<String> {
        match self {
            Self::Text(_) => unusual_lines(),
        }
    }
}

fn text(files: TextFiles, codec: Option<Codec>) -> Box<dyn Sink<String>> {
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
