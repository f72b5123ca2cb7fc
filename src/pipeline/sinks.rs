//! Declares the sinks of a pipeline.

use tidemill_config::{Codec, FileFormat, RecordKind, Sink, SinkKind};

use super::any_stream::{AnyStream, any};
use super::rows::{Cells, ToRow};
use crate::dstream::DStream;
use crate::rdd::{BoxError, Element};
use crate::sink::{Console, Csv, Discard, Files, JsonLines, Objects, SequenceFile, Text};

/// Commits the batches of `stream` to a sink, known to checkpoints by its uid or name.
pub(super) fn declare(stream: &AnyStream, sink: &Sink) -> Result<(), BoxError> {
    let uid = sink.known_as();
    match &sink.kind {
        SinkKind::Console { rows } => {
            any!(stream, s => s.sink_with_uid(Console::stdout((*rows).into()), uid));
        }
        SinkKind::Files {
            format,
            prefix,
            suffix,
            codec,
        } => {
            let place = Place {
                prefix,
                suffix: suffix.as_deref(),
                codec: *codec,
                uid,
            };
            let declared = declare_files(stream, *format, sink.input, &place);
            declared.map_err(|error| format!("sink `{}`: {error}", sink.name))?;
        }
        SinkKind::Discard => any!(stream, s => s.sink_with_uid(Discard, uid)),
        other => return Err(unknown(other.name(), &sink.name)),
    }
    Ok(())
}

fn unknown(kind: &str, sink: impl std::fmt::Display) -> BoxError {
    format!("sink `{sink}`: `{kind}` isn't known").into()
}

/// Where files go.
struct Place<'a> {
    prefix: &'a str,
    suffix: Option<&'a str>,
    codec: Option<Codec>,
    uid: &'a str,
}

impl Place<'_> {
    fn open<F: Default>(&self) -> Result<Files<F>, BoxError> {
        self.open_with(F::default())
    }

    fn open_with<F>(&self, format: F) -> Result<Files<F>, BoxError> {
        let files = Files::open_with(self.prefix, self.suffix, format)?;
        Ok(match self.codec {
            Some(codec) => files.codec(codec.name().parse()?),
            None => files,
        })
    }

    /// A step before the sink: the records as rows.
    fn rows<T: ?Sized + Element + ToRow>(
        &self,
        stream: &DStream<T>,
        cells: Cells,
    ) -> DStream<T::Row> {
        let rows = stream.map(move |record| record.to_row(cells));
        rows.uid(format!("{}.rows", self.uid))
    }
}

fn declare_files(
    stream: &AnyStream,
    format: FileFormat,
    records: RecordKind,
    place: &Place<'_>,
) -> Result<(), BoxError> {
    let uid = place.uid;
    match format {
        FileFormat::Text => any!(stream, s => s.sink_with_uid(place.open::<Text>()?, uid)),
        FileFormat::Objects => any!(stream, s => s.sink_with_uid(place.open::<Objects>()?, uid)),
        FileFormat::Json => {
            any!(stream, s => place.rows(s, Cells::Nested).sink_with_uid(place.open::<JsonLines>()?, uid));
        }
        FileFormat::Csv => {
            any!(stream, s => place.rows(s, Cells::Flat).sink_with_uid(place.open::<Csv>()?, uid));
        }
        FileFormat::Sequence => {
            let files = place.open::<SequenceFile>()?;
            match stream {
                AnyStream::Counts(counts) => counts.sink_with_uid(files, uid),
                AnyStream::Pairs(pairs) => {
                    let texts = pairs.map(|(key, value)| (key.to_string(), value.to_string()));
                    texts.uid(format!("{uid}.rows")).sink_with_uid(files, uid);
                }
                AnyStream::Text(_) | AnyStream::Values(_) => {
                    return Err("sequence files hold pairs, and these are single records".into());
                }
            }
        }
        FileFormat::Parquet | FileFormat::Arrow | FileFormat::Avro => {
            return declare_columns(stream, format, records, place);
        }
        _ => return Err("files of this format aren't known".into()),
    }
    Ok(())
}

#[cfg(feature = "columnar")]
fn declare_columns(
    stream: &AnyStream,
    format: FileFormat,
    records: RecordKind,
    place: &Place<'_>,
) -> Result<(), BoxError> {
    use super::rows::columns;
    use crate::columnar::{ArrowIpc, Avro, ColumnFormat, Declared, Parquet};

    fn write<F: ColumnFormat>(
        stream: &AnyStream,
        records: RecordKind,
        place: &Place<'_>,
    ) -> Result<(), BoxError> {
        let cells = Cells::Columns(records);
        any!(stream, s => {
            let files = place.open_with(Declared::<F>::new(&columns(records)))?;
            place.rows(s, cells).sink_with_uid(files, place.uid);
        });
        Ok(())
    }
    match format {
        FileFormat::Parquet => write::<Parquet>(stream, records, place),
        FileFormat::Arrow => write::<ArrowIpc>(stream, records, place),
        _ => write::<Avro>(stream, records, place),
    }
}

#[cfg(not(feature = "columnar"))]
fn declare_columns(
    _stream: &AnyStream,
    _format: FileFormat,
    _records: RecordKind,
    _place: &Place<'_>,
) -> Result<(), BoxError> {
    Err(
        "this build can't write files of columns: build it with the feature `columnar`, or write json_files"
            .into(),
    )
}
