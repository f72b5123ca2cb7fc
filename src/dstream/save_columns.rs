//! Outputs that are folders of files of columns.

use std::panic::Location;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DStream;
use crate::columnar::{ArrowIpc, Avro, Parquet};
use crate::rdd::Element;

impl<T> DStream<T>
where
    T: ?Sized + Element + Serialize,
    T::Own: DeserializeOwned,
{
    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one Parquet file a partition,
    /// `part-00000.parquet`, in place all at once or not at all. The columns are those of the type, see
    /// [`columnar`](crate::columnar): a type that has none is refused at the start. Needs the feature `columnar`.
    ///
    /// Pages are compressed by Snappy; [`Files`](crate::sink::Files) of [`Parquet`] take another codec.
    ///
    /// The original does so for data frames, in `foreachRDD`, and has a batch twice after a failure.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Visit {
    ///     page: String,
    ///     seconds: Option<f64>,
    /// }
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (visits, _queue) = context.queue_stream::<Visit>();
    /// visits.save_as_parquet_files("data/out/visits", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_parquet_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, Parquet, None, Location::caller());
    }

    /// As [`DStream::save_as_parquet_files`], files of Arrow's own format, `part-00000.arrow`, which readers can map
    /// into memory. Needs the feature `columnar`.
    ///
    /// They aren't compressed; [`Files`](crate::sink::Files) of [`ArrowIpc`] take zstd. The original has no such
    /// output.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// // The columns `_1` and `_2`.
    /// words.count_by_value().save_as_arrow_files("data/out/counts", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_arrow_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, ArrowIpc, None, Location::caller());
    }

    /// As [`DStream::save_as_parquet_files`], Avro container files, `part-00000.avro`. Needs the feature `columnar`.
    ///
    /// They aren't compressed; [`Files`](crate::sink::Files) of [`Avro`] take another codec. A `u64` that a `long`
    /// can't hold fails the batch. The original does so for data frames, by a package of its own.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// // The column `value`.
    /// words.save_as_avro_files("data/out/words", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_avro_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, Avro, None, Location::caller());
    }
}
