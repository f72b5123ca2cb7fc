//! [`ArrowIpc`]: files of Arrow's own format.

use std::io::{BufWriter, Write};

use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use serde::Serialize;

use super::columns::Columns;
use super::rows::for_each_batch;
use super::{ColumnFormat, PIECE};
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// Files of Arrow's [IPC format](https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format), which
/// readers can map into memory as they are, `part-00000.arrow`; columns as the [module](crate::columnar) says.
///
/// They aren't compressed, or by zstd; the format has no gzip. The original has no such output.
///
/// ```
/// use tidemill::columnar::ArrowIpc;
/// use tidemill::sink::Files;
///
/// let files = Files::open_with("data/out/visits", None, ArrowIpc)?;
/// # let _ = files;
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrowIpc;

impl ColumnFormat for ArrowIpc {
    const KIND: &'static str = "save_as_arrow_files";
    const EXTENSION: &'static str = ".arrow";

    fn check(columns: &Columns, codec: Option<Codec>) -> Result<(), BoxError> {
        start(columns, codec, Vec::new()).map(drop)
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
        writer.finish().map_err(TaskError::new)?;
        writer.flush().map_err(TaskError::new)
    }
}

fn start<W: Write>(
    columns: &Columns,
    codec: Option<Codec>,
    out: W,
) -> Result<FileWriter<W>, BoxError> {
    let options = IpcWriteOptions::default().try_with_compression(compression(codec)?)?;
    Ok(FileWriter::try_new_with_options(
        out,
        columns.schema(),
        options,
    )?)
}

fn compression(codec: Option<Codec>) -> Result<Option<CompressionType>, BoxError> {
    match codec {
        None => Ok(None),
        Some(Codec::Zstd) => Ok(Some(CompressionType::ZSTD)),
        Some(Codec::Gzip) => {
            Err("Arrow files can't be compressed by gzip: use zstd, or no codec".into())
        }
    }
}
