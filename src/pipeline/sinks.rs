//! Declares the sinks of a pipeline.

use tidemill_config::{Sink, SinkKind};

use super::any_stream::{AnyStream, any};
use crate::rdd::BoxError;
use crate::sink::{Console, Discard, ObjectFiles, TextFiles};

/// Commits the batches of `stream` to a sink, known to checkpoints by its uid or name.
pub(super) fn declare(stream: &AnyStream, sink: &Sink) -> Result<(), BoxError> {
    let uid = sink.uid.as_ref().unwrap_or(&sink.name).as_str();
    let named = |error: BoxError| format!("sink `{}`: {error}", sink.name);
    match &sink.kind {
        SinkKind::Console { rows } => {
            any!(stream, s => s.sink_with_uid(Console::stdout((*rows).into()), uid));
        }
        SinkKind::TextFiles {
            prefix,
            suffix,
            codec,
        } => {
            let mut files = TextFiles::open(prefix, suffix.as_deref()).map_err(named)?;
            if let Some(codec) = codec {
                files = files.codec(codec.name().parse()?);
            }
            any!(stream, s => s.sink_with_uid(files, uid));
        }
        SinkKind::ObjectFiles {
            prefix,
            suffix,
            codec,
        } => {
            let mut files = ObjectFiles::open(prefix, suffix.as_deref()).map_err(named)?;
            if let Some(codec) = codec {
                files = files.codec(codec.name().parse()?);
            }
            any!(stream, s => s.sink_with_uid(files, uid));
        }
        SinkKind::Discard => any!(stream, s => s.sink_with_uid(Discard, uid)),
        other => {
            return Err(format!("sink `{}`: `{}` isn't known", sink.name, other.name()).into());
        }
    }
    Ok(())
}
