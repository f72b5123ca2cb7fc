//! Declares the sources of a pipeline.

use tidemill_config::{Http, Limits, Silence, Source, SourceKind};

use crate::dstream::DStream;
use crate::rdd::BoxError;
use crate::receiver::ReceiverLimits;
use crate::source::{
    DirectSource, FileSource, FileSourceOptions, Glob, HttpLimits, HttpSource, QueueSource,
    RateOptions, RateSource, Remember, SocketOptions, SocketReceiver,
};
use crate::{OnSilence, StreamingContext};

/// The stream of a source's lines, known to checkpoints by the source's name.
pub(super) fn declare(
    context: &StreamingContext,
    source: &Source,
    http: &Http,
) -> Result<DStream<str>, BoxError> {
    let name = source.name.as_str();
    let limits = source.limits.as_ref().map(limits).unwrap_or_default();
    let stream = match &source.kind {
        SourceKind::Http {
            listen, max_body, ..
        } => {
            let ingest = context.ingest().clone();
            ingest.limit_bodies(http.bodies_memory.as_usize());
            let source = HttpSource::new(name, ingest, *listen, max_body.as_usize())
                .with_limits(http_limits(http));
            context.receiver_stream_with(name, source, limits)
        }
        SourceKind::Socket {
            address,
            reconnect_delay,
            reconnect_delay_max,
            max_line,
        } => {
            let options = SocketOptions {
                reconnect_delay: *reconnect_delay,
                reconnect_delay_max: *reconnect_delay_max,
                max_line: max_line.as_usize(),
            };
            let receiver = SocketReceiver::text(address.to_string(), options);
            context.receiver_stream_with(name, receiver, limits)
        }
        SourceKind::Files {
            path,
            pattern,
            new_files_only,
            max_files_per_batch,
            batch_folders,
            remember,
            ascending_names,
        } => {
            let remember = match (ascending_names, remember) {
                (true, _) => Remember::GreatestName,
                (false, Some(window)) => Remember::Within(*window),
                (false, None) => Remember::All,
            };
            let options = FileSourceOptions {
                pattern: pattern.as_ref().map(Glob::new),
                new_files_only: *new_files_only,
                max_files_per_batch: max_files_per_batch.map(Into::into),
                batch_folders: *batch_folders,
                remember,
            };
            let files = FileSource::new(path, options);
            files
                .check()
                .map_err(|error| format!("{}: source `{name}`: {error}", source.location))?;
            context.direct_stream_with(name, files)
        }
        SourceKind::Rate {
            records_per_second,
            words_per_line,
            vocabulary,
            seed,
            limit,
        } => {
            let options = RateOptions {
                records_per_second: (*records_per_second).into(),
                words_per_line: (*words_per_line).into(),
                vocabulary: (*vocabulary).into(),
                seed: *seed,
                limit: limit.map(Into::into),
            };
            context.direct_stream_with(name, RateSource::new(options))
        }
        SourceKind::Queue {
            lines,
            one_at_a_time,
        } => {
            let (source, handle) = QueueSource::<str>::new();
            lines
                .iter()
                .for_each(|entry| handle.push_vec(entry.clone()));
            context.direct_stream_with(name, source.one_at_a_time(*one_at_a_time))
        }
        other => return Err(format!("source `{name}`: `{}` isn't known", other.name()).into()),
    };
    Ok(match source.silence {
        Some(Silence { after, then }) => stream.silent_after(after, on_silence(then)),
        None => stream,
    })
}

fn on_silence(then: tidemill_config::OnSilence) -> OnSilence {
    match then {
        tidemill_config::OnSilence::Warn => OnSilence::Warn,
        tidemill_config::OnSilence::Unready => OnSilence::Unready,
    }
}

fn limits(limits: &Limits) -> ReceiverLimits {
    ReceiverLimits {
        block_interval: Some(limits.block_interval),
        max_rate: limits.max_rate.map(|rate| rate.get() as f64),
    }
}

/// What clients of an HTTP address may take, by itself.
pub(crate) fn http_limits(http: &Http) -> HttpLimits {
    HttpLimits {
        connections: http.max_connections.get(),
        connections_of_peer: http.max_connections_per_peer.get(),
        idle: http.idle_timeout,
        head: http.header_timeout,
        stall: http.stall_timeout,
    }
}
