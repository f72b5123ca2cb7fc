//! [`FileFormat`]: how a partition becomes the bytes of a part.

use std::io;

use crate::codec::{Codec, Encoder};
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// What the files of a batch hold: the place of Hadoop's `OutputFormat`. [`Files`](crate::sink::Files) puts them
/// in place.
///
/// ```
/// use std::io::Write;
///
/// use tidemill::rdd::{Partition, TaskError};
/// use tidemill::sink::{FileFormat, Files, PartWriter};
///
/// /// Numbers as eight bytes each.
/// struct Raw;
///
/// impl FileFormat<u64> for Raw {
///     fn kind(&self) -> &'static str {
///         "save_as_raw_files"
///     }
///     fn write(&self, partition: &Partition<'_, u64>, out: &mut PartWriter<'_>) -> Result<(), TaskError> {
///         partition.try_for_each(|number| out.write_all(&number.to_le_bytes()))
///     }
/// }
///
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
/// let (numbers, _queue) = context.queue_stream::<u64>();
/// numbers.sink(Files::open_with("data/out/numbers", None, Raw)?);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait FileFormat<T: ?Sized + Element>: Send + Sync + 'static {
    /// The output's name in graphs and uids.
    fn kind(&self) -> &'static str;

    /// What the names of parts end with before the codec's own ending, the dot included.
    fn extension(&self) -> &'static str {
        ""
    }

    /// Whether parts compress what they hold themselves, as their [writer](PartWriter::codec) says. Otherwise
    /// each is compressed as a whole.
    fn compresses(&self) -> bool {
        false
    }

    /// Finds out before the start whether elements can be written, compressed by this codec.
    ///
    /// # Errors
    /// Says what is wrong and what to do.
    fn check(&self, codec: Option<Codec>) -> Result<(), BoxError> {
        let _ = codec;
        Ok(())
    }

    /// An element as people are shown it by a rehearsal; `None` where it has no text.
    fn show(&self, value: &T) -> Option<String> {
        let _ = value;
        None
    }

    /// Writes a partition. The same elements should become the same bytes.
    ///
    /// # Errors
    /// The batch is tried again.
    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError>;
}

/// Takes a part's bytes and compresses them on their way, where they are to be. Give it pieces that are worth a
/// write of their own.
pub struct PartWriter<'a> {
    codec: Option<Codec>,
    encoder: Encoder,
    take: &'a mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
}

impl PartWriter<'_> {
    /// How the part is compressed.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    pub(in crate::sink) fn put(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.encoder.write(bytes, self.take)
    }
}

impl std::fmt::Debug for PartWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartWriter")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

impl io::Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the parts of a batch are made.
pub(in crate::sink) struct Parts<'a, F> {
    pub(in crate::sink) format: &'a F,
    pub(in crate::sink) codec: Option<Codec>,
}

impl<F> Parts<'_, F> {
    /// What the names of parts end with.
    pub(super) fn extension<T: ?Sized + Element>(&self) -> String
    where
        F: FileFormat<T>,
    {
        let outside = self.codec.filter(|_| !self.format.compresses());
        let outside = outside.map_or("", Codec::extension);
        format!("{}{outside}", self.format.extension())
    }

    /// Makes a part, and hands its bytes to `take` piece by piece.
    pub(super) fn write<T: ?Sized + Element>(
        &self,
        partition: &Partition<'_, T>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<(), TaskError>
    where
        F: FileFormat<T>,
    {
        let outside = self.codec.filter(|_| !self.format.compresses());
        let mut out = PartWriter {
            codec: self.codec,
            encoder: Encoder::new(outside).map_err(TaskError::new)?,
            take,
        };
        self.format.write(partition, &mut out)?;
        out.encoder.finish(out.take).map_err(TaskError::new)
    }
}
