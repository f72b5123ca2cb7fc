//! [`PartFormat`]: how a partition becomes the bytes of a part.

use crate::codec::{Codec, Encoder};
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// What a part of a batch holds.
pub(in crate::sink) trait PartFormat<T: ?Sized + Element>: Sync {
    /// How parts are compressed.
    fn codec(&self) -> Option<Codec>;

    /// Writes a partition; `None` stands for the one empty part of a batch that has no partitions. The same
    /// elements become the same bytes.
    fn write(
        &self,
        partition: Option<&Partition<'_, T>>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError>;
}

/// Takes a part's bytes, in pieces worth a write of their own, and compresses them on their way.
pub(in crate::sink) struct PartWriter<'a> {
    encoder: Encoder,
    take: &'a mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
}

impl PartWriter<'_> {
    pub(in crate::sink) fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.encoder.write(bytes, self.take)
    }
}

/// What the names of parts of this format end with.
pub(super) fn extension<T: ?Sized + Element>(format: &impl PartFormat<T>) -> &'static str {
    format.codec().map_or("", Codec::extension)
}

/// Makes a part, and hands its bytes to `take` piece by piece.
pub(super) fn write_part<T: ?Sized + Element>(
    format: &impl PartFormat<T>,
    partition: Option<&Partition<'_, T>>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
) -> Result<(), TaskError> {
    let encoder = Encoder::new(format.codec()).map_err(TaskError::new)?;
    let mut out = PartWriter { encoder, take };
    format.write(partition, &mut out)?;
    out.encoder.finish(out.take).map_err(TaskError::new)
}
