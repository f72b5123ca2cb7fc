//! [`Codec`]: how files are compressed, which the end of their name tells.
//!
//! Both codecs checksum what they hold, so a compressed file that was cut or damaged is an error when it is
//! read. The same bytes always become the same file: no time, no name goes into it.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How much compressed output is gathered before it's handed on.
const PIECE: usize = 1 << 18;

/// How a file is compressed.
///
/// ```
/// use tidemill::codec::Codec;
///
/// assert_eq!("gzip".parse(), Ok(Codec::Gzip));
/// assert_eq!(Codec::of_name("part-00000.zst"), Some(Codec::Zstd));
/// assert_eq!(Codec::of_name("part-00000"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// `.gz`: read by everything.
    Gzip,
    /// `.zst`: smaller and several times faster. Needs the feature `zstd`.
    Zstd,
}

/// All codecs.
const ALL: [Codec; 2] = [Codec::Gzip, Codec::Zstd];

impl Codec {
    /// Its name in pipeline files.
    ///
    /// ```
    /// assert_eq!(tidemill::codec::Codec::Gzip.name(), "gzip");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What the names of files end with, the dot included.
    ///
    /// ```
    /// assert_eq!(tidemill::codec::Codec::Gzip.extension(), ".gz");
    /// ```
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The codec of a file of this name; `None` for one that isn't compressed.
    ///
    /// ```
    /// use tidemill::codec::Codec;
    ///
    /// assert_eq!(Codec::of_name("access.log.gz"), Some(Codec::Gzip));
    /// ```
    pub fn of_name(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = name.as_ref();
        let ends = |codec: &Self| name.ends_with(codec.extension().as_bytes());
        ALL.into_iter().find(ends)
    }

    /// Whether this build knows it.
    ///
    /// # Errors
    /// Says which feature is missing.
    ///
    /// ```
    /// use tidemill::codec::Codec;
    ///
    /// assert!(Codec::Gzip.check().is_ok());
    /// assert_eq!(Codec::Zstd.check().is_ok(), cfg!(feature = "zstd"));
    /// ```
    pub fn check(self) -> io::Result<()> {
        if self == Self::Zstd && !cfg!(feature = "zstd") {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this build can't compress by zstd: build it with the feature `zstd`, or use gzip",
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = ALL.into_iter().find(|codec| codec.name() == name);
        known.ok_or_else(|| format!("`{name}` is no codec: write gzip or zstd"))
    }
}

/// Compresses a stream of bytes, and hands the result on in pieces; without a codec, the bytes themselves.
pub(crate) enum Encoder {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
    #[cfg(feature = "zstd")]
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    pub(crate) fn new(codec: Option<Codec>) -> io::Result<Self> {
        let Some(codec) = codec else {
            return Ok(Self::Plain);
        };
        codec.check()?;
        match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 0)?;
                encoder.include_checksum(true)?;
                Ok(Self::Zstd(Box::new(encoder)))
            }
            _ => Ok(Self::Gzip(GzEncoder::new(
                Vec::new(),
                Compression::default(),
            ))),
        }
    }

    /// Takes bytes in, and hands on what is ready.
    pub(crate) fn write<E: From<io::Error>>(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let ready = match self {
            Self::Plain => return take(bytes),
            Self::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
        };
        if ready.len() >= PIECE {
            take(ready)?;
            ready.clear();
        }
        Ok(())
    }

    /// Hands on what is left.
    pub(crate) fn finish<E: From<io::Error>>(
        self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Plain => Ok(()),
            Self::Gzip(encoder) => take(&encoder.finish()?),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => take(&encoder.finish()?),
        }
    }
}

/// What `file` holds, decompressed.
///
/// # Errors
/// When this build doesn't know the codec. Damage is an error of the reader.
pub(crate) fn decode<'a>(
    codec: Option<Codec>,
    file: impl Read + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    let Some(codec) = codec else {
        return Ok(Box::new(file));
    };
    codec.check()?;
    match codec {
        #[cfg(feature = "zstd")]
        Codec::Zstd => Ok(Box::new(zstd::stream::read::Decoder::new(file)?)),
        _ => Ok(Box::new(MultiGzDecoder::new(file))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(codec: Codec, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut take = |bytes: &[u8]| -> io::Result<()> {
            out.extend_from_slice(bytes);
            Ok(())
        };
        let mut encoder = Encoder::new(Some(codec)).unwrap();
        for piece in pieces {
            encoder.write(piece, &mut take).unwrap();
        }
        encoder.finish(&mut take).unwrap();
        out
    }

    fn decoded(codec: Codec, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decode(Some(codec), bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn known() -> impl Iterator<Item = Codec> {
        ALL.into_iter().filter(|codec| codec.check().is_ok())
    }

    #[test]
    fn what_went_in_comes_out_and_is_the_same_each_time() {
        // Does not compress, so that pieces are handed on before the end.
        let noise: Vec<u8> = (0u32..400_000)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8)
            .collect();
        for codec in known() {
            let cases: [&[&[u8]]; 3] = [&[], &[b"a line\n"], &[b"", b"one", &noise, b"two"]];
            for pieces in cases {
                let bytes = encoded(codec, pieces);
                assert_eq!(bytes, encoded(codec, pieces));
                assert_eq!(decoded(codec, &bytes).unwrap(), pieces.concat(), "{codec}");
            }
        }
    }

    #[test]
    fn cuts_and_flips_are_found() {
        for codec in known() {
            let text = b"to be or not to be, that is the question\n".repeat(20);
            let whole = encoded(codec, &[&text]);
            for end in 1..whole.len() {
                assert!(decoded(codec, &whole[..end]).is_err(), "{codec} {end}");
            }
            for index in 0..whole.len() {
                for bit in 0..8 {
                    let mut flipped = whole.clone();
                    flipped[index] ^= 1 << bit;
                    // A flip may be in a field that says nothing of the text (a time, a system): never in the text.
                    if let Ok(read) = decoded(codec, &flipped) {
                        assert_eq!(read, text, "{codec} {index}.{bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn files_of_several_members_are_read_whole() {
        for codec in known() {
            let both = [encoded(codec, &[b"one\n"]), encoded(codec, &[b"two\n"])].concat();
            assert_eq!(decoded(codec, &both).unwrap(), b"one\ntwo\n");
        }
    }

    #[test]
    fn names_that_are_none_are_refused_with_those_there_are() {
        let error = "bzip2".parse::<Codec>().unwrap_err();
        assert!(error.contains("gzip or zstd"), "{error}");
    }
}
