//! Traces: each batch is one, sent to a collector by OTLP over HTTP (feature `otel`).
//!
//! Invariant: the engine knows nothing of it. Spans are made of what the [listener bus](crate::scheduler) tells, on
//! that listener's thread, and sent by a thread of the exporter's own; both queues forget what doesn't fit. So
//! nothing waits for a collector, and there is no cost for each record, nor any at all while nobody asked for
//! traces.

mod exporter;
mod recorder;

use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::StreamingContext;
use crate::error::{Error, Result};
use exporter::Telling;
use recorder::Recorder;

/// Where collectors take traces, below their address.
const PATH: &str = "/v1/traces";

/// How long a collector may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long the last spans may take at the end.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Traces that are being sent to a collector.
///
/// A trace is a batch, from the moment its contents are fixed until it is complete. Below its span `batch` are
/// `allocate`, `wait` (for its turn), `output` (each attempt at each output operation) and `checkpoint` (one that
/// was cut after it). A receiver that fails is a trace of its own, `receiver restart`. Spark has nothing of the
/// kind.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends traces of `context`'s batches to the collector at `otlp`, such as `http://127.0.0.1:4318`; what
    /// follows the port is put before `/v1/traces`. To be called before the context starts, and not on an
    /// asynchronous task. How many spans are gathered and how often they are sent, `OTEL_BSP_*` in the environment
    /// say; which traces are kept at all, `OTEL_TRACES_SAMPLER`.
    ///
    /// Nothing is sent yet: that a collector can't be reached the log says, and the batches go on.
    ///
    /// # Errors
    /// When `otlp` is no address, or a thread can't be had.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::telemetry::Traces;
    ///
    /// let context = StreamingContext::builder("doc", Duration::from_millis(100)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// let traces = Traces::start(&context, "http://127.0.0.1:4318")?;
    /// context.start()?;
    /// context.stop(false)?;
    /// traces.shut_down();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn start(context: &StreamingContext, otlp: &str) -> Result<Self> {
        let wrong = |error: &dyn fmt::Display| {
            Error::Setting(format!("traces can't be sent to `{otlp}`: {error}"))
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}{PATH}", otlp.trim_end_matches('/')))
            .with_timeout(ANSWER_LIMIT)
            .build()
            .map_err(|error| wrong(&error))?;
        let resource = Resource::builder()
            .with_service_name(context.name())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Telling::new(exporter, otlp.to_owned()))
            .with_resource(resource)
            .build();
        context.add_streaming_listener(Recorder::new(provider.tracer("tidemill")))?;
        Ok(Self { provider })
    }

    /// Sends what is gathered, for two seconds at most. To be called when the context has stopped; a batch that
    /// isn't complete by then isn't sent.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::telemetry::Traces;
    ///
    /// let context = StreamingContext::builder("doc", Duration::from_millis(100)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// let traces = Traces::start(&context, "http://127.0.0.1:4318")?;
    /// context.start()?;
    /// // The batches first, so that the last of them is told, too.
    /// context.stop(true)?;
    /// traces.shut_down();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn shut_down(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last traces may not have been taken");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}
