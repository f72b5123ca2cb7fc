//! Outputs that are folders of files.

use std::panic::Location;

use serde::Serialize;

use super::DStream;
use crate::codec::Codec;
use crate::rdd::{Data, Element};
use crate::sink::{
    Csv, FileFormat, Files, JsonLines, Objects, SequenceFile, Text, TextForm, Writable,
};

impl<T: ?Sized + Element> DStream<T> {
    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one file of this format a partition, in place all
    /// at once or not at all, as [`DStream::save_as_text_files`] does. A format of one's own is a [`FileFormat`].
    ///
    /// The original names a class of Hadoop's (`saveAsHadoopFiles`, `saveAsNewAPIHadoopFiles`) and takes pairs only.
    ///
    /// ```
    /// use tidemill::sink::Csv;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let counts = words.count_by_value();
    /// counts.save_as_hadoop_files("data/out/counts", None, Csv::default().delimiter(b';'));
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "saveAsNewAPIHadoopFiles")]
    #[track_caller]
    pub fn save_as_hadoop_files(
        &self,
        prefix: impl AsRef<str>,
        suffix: Option<&str>,
        format: impl FileFormat<T>,
    ) {
        self.save(prefix.as_ref(), suffix, format, None, Location::caller());
    }

    pub(super) fn save(
        &self,
        prefix: &str,
        suffix: Option<&str>,
        format: impl FileFormat<T>,
        codec: Option<Codec>,
        caller: &'static Location<'static>,
    ) {
        match Files::open_with(prefix, suffix, format) {
            Ok(files) => {
                let files = codec.into_iter().fold(files, Files::codec);
                self.sink_at(files, None, caller);
            }
            Err(error) => self.mistake(caller, error.to_string()),
        }
    }
}

impl<T: ?Sized + Element + TextForm> DStream<T> {
    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one file a partition, in place all at
    /// once or not at all; a batch that is run again finds its folder and leaves it as it is. The prefix
    /// is a path, or a place in an object store such as `s3://BUCKET/PATH`: see [`Files::open`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let prefix = folder.path().join("counts").display().to_string();
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (words, queue) = context.queue_stream::<str>();
    /// words.count_by_value().save_as_text_files(&prefix, Some("txt"));
    /// queue.push_vec(vec!["tide".to_owned()]);
    /// context.start()?;
    /// # clock.advance(Duration::from_secs(1));
    /// # while !folder.path().join("counts-101000.txt").exists() { std::thread::sleep(Duration::from_millis(1)) }
    /// # context.stop(true)?;
    /// // The batch of 101 seconds after the epoch.
    /// let batch = format!("{prefix}-101000.txt");
    /// assert!(std::path::Path::new(&batch).join("_SUCCESS").exists());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_text_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, Text, None, Location::caller());
    }

    /// As [`DStream::save_as_text_files`], compressed: parts are named `part-00000.gz` or `part-00000.zst`.
    /// A watched folder, [`text_file_stream`](crate::StreamingContext::text_file_stream), reads such files back.
    ///
    /// The original takes a codec only through its files of key-value pairs.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// use tidemill::codec::Codec;
    ///
    /// let context = tidemill::StreamingContext::builder("copy", Duration::from_secs(1)).build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// lines.save_as_text_files_with("data/out/lines", Some("txt"), Codec::Gzip);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_text_files_with(
        &self,
        prefix: impl AsRef<str>,
        suffix: Option<&str>,
        codec: Codec,
    ) {
        self.save(
            prefix.as_ref(),
            suffix,
            Text,
            Some(codec),
            Location::caller(),
        );
    }
}

impl<T: ?Sized + Element + Serialize> DStream<T> {
    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one file of serialised elements a partition, in
    /// place all at once or not at all, as [`DStream::save_as_text_files`] does.
    /// [`object_file_stream`](crate::StreamingContext::object_file_stream) and
    /// [`object_file`](crate::StreamingContext::object_file) read them back.
    ///
    /// The original writes what Java's serialisation makes of the elements, and may leave half a folder behind.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let context = tidemill::StreamingContext::builder("copy", Duration::from_secs(1)).build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// lines.count_by_value().save_as_object_files("data/out/counts", None);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_object_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, Objects, None, Location::caller());
    }

    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one file a partition, a line of JSON an element: a
    /// struct is an object, a pair a list of two. In place all at once or not at all.
    ///
    /// The original does so for data frames, in `foreachRDD`, and has a batch twice after a failure.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// words.count_by_value().save_as_json_files("data/out/counts", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_json_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(prefix.as_ref(), suffix, JsonLines, None, Location::caller());
    }

    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one file a partition, a row an element; a struct's
    /// fields are named in the first row. In place all at once or not at all. See [`Csv`] for other delimiters.
    ///
    /// The original does so for data frames, in `foreachRDD`, and has a batch twice after a failure.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// words.count_by_value().save_as_csv_files("data/out/counts", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_csv_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        let format = Csv::default();
        self.save(prefix.as_ref(), suffix, format, None, Location::caller());
    }
}

impl<K: Data + Writable, V: Data + Writable> DStream<(K, V)> {
    /// Writes each batch to the folder `PREFIX-TIME_MS[.SUFFIX]`, one Hadoop sequence file a partition, in place all
    /// at once or not at all.
    ///
    /// The original's `saveAsHadoopFiles` with `SequenceFileOutputFormat`.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// words.count_by_value().save_as_sequence_files("data/out/counts", None);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_sequence_files(&self, prefix: impl AsRef<str>, suffix: Option<&str>) {
        self.save(
            prefix.as_ref(),
            suffix,
            SequenceFile,
            None,
            Location::caller(),
        );
    }
}
