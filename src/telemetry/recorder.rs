//! [`Recorder`]: spans out of events.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Span as _, SpanBuilder, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::receiver::ReceiverStatus;
use crate::scheduler::{
    BatchAllocation, BatchInfo, CheckpointWrite, OutputOperationInfo, StreamingEvent,
    StreamingListener,
};
use crate::time::Time;

/// Of how many complete batches is known which trace they are: a checkpoint is durable some time after them.
const REMEMBERED: usize = 256;

/// Names of attributes, after OpenTelemetry's conventions: the system's name in front.
mod key {
    pub(super) const BATCH_TIME: &str = "tidemill.batch.time";
    pub(super) const EPOCH: &str = "tidemill.epoch";
    pub(super) const RECORDS: &str = "tidemill.batch.records";
    pub(super) const OUTPUT: &str = "tidemill.output.uid";
    pub(super) const KIND: &str = "tidemill.output.kind";
    pub(super) const ATTEMPT: &str = "tidemill.output.attempt";
    pub(super) const BYTES: &str = "tidemill.checkpoint.bytes";
    pub(super) const SOURCE: &str = "tidemill.source";
    pub(super) const RESTARTS: &str = "tidemill.receiver.restarts";
}

pub(super) struct Recorder {
    tracer: SdkTracer,
    /// Batches that aren't complete.
    open: BTreeMap<Time, Context>,
    /// Complete ones, of late.
    complete: BTreeMap<Time, Context>,
    /// Receivers that have failed and don't run again yet.
    failing: BTreeMap<usize, Span>,
}

impl StreamingListener for Recorder {
    fn on_event(&mut self, event: &StreamingEvent) {
        match event {
            StreamingEvent::BatchAllocated(allocation) => self.allocated(allocation),
            StreamingEvent::BatchSubmitted(info) => self.submitted(info),
            StreamingEvent::BatchStarted(info) => self.started(info),
            StreamingEvent::OutputOperationCompleted(time, output) => self.output(*time, output),
            StreamingEvent::BatchFailed(time, reason) => self.failed(*time, reason),
            StreamingEvent::BatchCompleted(info) => self.completed(info),
            StreamingEvent::CheckpointCompleted(write) => self.checkpoint(write),
            StreamingEvent::ReceiverError(status) => self.receiver_failed(status),
            StreamingEvent::ReceiverStarted(status) | StreamingEvent::ReceiverStopped(status) => {
                self.receiver_ended(status);
            }
            StreamingEvent::StreamingStarted(_) | StreamingEvent::OutputOperationStarted(..) => {}
        }
    }
}

impl Recorder {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self {
            tracer,
            open: BTreeMap::new(),
            complete: BTreeMap::new(),
            failing: BTreeMap::new(),
        }
    }

    fn span(&self, name: &'static str, parent: &Context, start: Time) -> Span {
        let span = SpanBuilder::from_name(name).with_start_time(moment(start));
        self.tracer.build_with_context(span, parent)
    }

    /// The parent of what belongs to a batch; none of a batch that isn't known.
    fn batch(&self, time: Time) -> Context {
        let known = self.open.get(&time).or_else(|| self.complete.get(&time));
        known.cloned().unwrap_or_default()
    }

    fn open(&mut self, time: Time, start: Time) {
        let mut span = self.span("batch", &Context::new(), start);
        span.set_attribute(number(key::BATCH_TIME, time.as_millis()));
        self.open.insert(time, Context::new().with_span(span));
    }

    fn allocated(&mut self, allocation: &BatchAllocation) {
        let time = allocation.batch_time;
        self.open(time, allocation.start_time);
        let batch = self.batch(time);
        batch
            .span()
            .set_attribute(number(key::EPOCH, allocation.epoch));
        let mut span = self.span("allocate", &batch, allocation.start_time);
        span.end_with_timestamp(moment(allocation.end_time));
    }

    /// One that an earlier driver allocated begins here.
    fn submitted(&mut self, info: &BatchInfo) {
        if !self.open.contains_key(&info.batch_time) {
            self.open(info.batch_time, info.submission_time);
        }
    }

    fn started(&mut self, info: &BatchInfo) {
        let mut span = self.span("wait", &self.batch(info.batch_time), info.submission_time);
        let start = info.processing_start_time.unwrap_or(info.submission_time);
        span.end_with_timestamp(moment(start));
    }

    /// An attempt at an output operation has ended.
    fn output(&mut self, time: Time, output: &OutputOperationInfo) {
        let start = output.start_time.unwrap_or(time);
        let mut span = self.span("output", &self.batch(time), start);
        span.set_attribute(KeyValue::new(key::OUTPUT, output.uid.to_string()));
        span.set_attribute(KeyValue::new(key::KIND, output.name.clone()));
        let attempt = output.failures + u64::from(output.end_time.is_some());
        span.set_attribute(number(key::ATTEMPT, attempt));
        match (output.end_time, &output.failure_reason) {
            (Some(end), _) => span.end_with_timestamp(moment(end)),
            (None, reason) => {
                // It has failed just now.
                span.set_status(Status::error(reason.clone().unwrap_or_default()));
                span.end();
            }
        }
    }

    /// A batch failed as often as it may. It is tried on, and its span goes on.
    fn failed(&mut self, time: Time, reason: &str) {
        let batch = self.batch(time);
        let reason = reason.to_owned();
        batch
            .span()
            .add_event("failed", vec![KeyValue::new("reason", reason.clone())]);
        batch.span().set_status(Status::error(reason));
    }

    fn completed(&mut self, info: &BatchInfo) {
        let Some(batch) = self.open.remove(&info.batch_time) else {
            return;
        };
        let span = batch.span();
        span.set_attribute(number(key::RECORDS, info.num_records));
        span.set_status(Status::Ok);
        let end = info.processing_end_time.unwrap_or(info.submission_time);
        span.end_with_timestamp(moment(end));
        self.complete.insert(info.batch_time, batch);
        if self.complete.len() > REMEMBERED {
            self.complete.pop_first();
        }
    }

    fn checkpoint(&mut self, write: &CheckpointWrite) {
        let mut span = self.span(
            "checkpoint",
            &self.batch(write.batch_time),
            write.start_time,
        );
        span.set_attribute(number(key::EPOCH, write.epoch));
        span.set_attribute(number(key::BYTES, write.new_bytes));
        if let Some(reason) = &write.failure_reason {
            span.set_status(Status::error(reason.clone()));
        }
        span.end_with_timestamp(moment(write.end_time));
    }

    fn receiver_failed(&mut self, status: &ReceiverStatus) {
        let start = status.last_error_time.unwrap_or_default();
        let mut span = self.span("receiver restart", &Context::new(), start);
        span.set_attribute(KeyValue::new(key::SOURCE, status.stream_name.to_string()));
        span.set_attribute(number(key::RESTARTS, status.restarts));
        let reason = status.last_error_message.clone();
        span.set_status(Status::error(reason.unwrap_or_default()));
        // One that never ran again in between ends where the next begins.
        if let Some(mut last) = self.failing.insert(status.stream_id, span) {
            last.end_with_timestamp(moment(start));
        }
    }

    /// It runs again, or has ended for good.
    fn receiver_ended(&mut self, status: &ReceiverStatus) {
        if let Some(mut span) = self.failing.remove(&status.stream_id) {
            span.end();
        }
    }
}

fn moment(time: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.as_millis())
}

/// Attributes know no unsigned numbers.
fn number(key: &'static str, value: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX))
}
