//! The listener bus: tells whoever wants to know what the engine does.
//!
//! Invariant: nothing the engine does ever waits for a listener. Events go through a bounded queue to a
//! thread of their own; what doesn't fit is counted and dropped; a listener that panics is told so in the
//! log and gets the next event all the same.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::rdd::panic_message;
use crate::receiver::ReceiverStatus;
use crate::time::Time;
use crate::uid::OperatorUid;

/// How many events may wait for slow listeners.
const QUEUE: usize = 10_000;

/// What is known of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// The batch.
    pub batch_time: Time,
    /// When it was handed to the job scheduler.
    pub submission_time: Time,
    /// When its first job began.
    pub processing_start_time: Option<Time>,
    /// When its last output was committed.
    pub processing_end_time: Option<Time>,
    /// Records in its blocks and plans, as far as that is known before they are read.
    pub num_records: u64,
    /// The same for each input of which it is known.
    pub stream_records: Arc<BTreeMap<OperatorUid, u64>>,
    /// Its output operations, in the order of their declaration.
    pub output_operations: Vec<OutputOperationInfo>,
}

impl BatchInfo {
    /// Milliseconds from submission to the first job.
    ///
    /// ```
    /// # use tidemill::scheduler::StreamingEvent;
    /// # fn told(event: &StreamingEvent) {
    /// if let StreamingEvent::BatchStarted(batch) = event
    ///     && batch.scheduling_delay().is_some_and(|ms| ms > 1000)
    /// {
    ///     println!("the batch at {} waited for more than a second", batch.batch_time);
    /// }
    /// # }
    /// ```
    pub fn scheduling_delay(&self) -> Option<u64> {
        Some(crate::time::millis(
            self.processing_start_time?.since(self.submission_time),
        ))
    }

    /// Milliseconds from the first job to the last commit.
    ///
    /// ```
    /// # use tidemill::scheduler::StreamingEvent;
    /// # fn told(event: &StreamingEvent) {
    /// if let StreamingEvent::BatchCompleted(batch) = event {
    ///     println!("{} took {:?} ms", batch.batch_time, batch.processing_delay());
    /// }
    /// # }
    /// ```
    pub fn processing_delay(&self) -> Option<u64> {
        Some(crate::time::millis(
            self.processing_end_time?.since(self.processing_start_time?),
        ))
    }

    /// Milliseconds from submission to the last commit.
    ///
    /// ```
    /// # use tidemill::scheduler::StreamingEvent;
    /// # fn told(event: &StreamingEvent) {
    /// if let StreamingEvent::BatchCompleted(batch) = event {
    ///     println!("{} was ready after {:?} ms", batch.batch_time, batch.total_delay());
    /// }
    /// # }
    /// ```
    pub fn total_delay(&self) -> Option<u64> {
        Some(crate::time::millis(
            self.processing_end_time?.since(self.submission_time),
        ))
    }
}

/// What is known of an output operation in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputOperationInfo {
    /// Counts the batch's output operations, from 0.
    pub id: usize,
    /// The operation.
    pub uid: OperatorUid,
    /// Its kind: `print`, `save_as_text_files`, ...
    pub name: String,
    /// When it began; the last time, when it was tried again.
    pub start_time: Option<Time>,
    /// When it was committed.
    pub end_time: Option<Time>,
    /// How often it failed.
    pub failures: u64,
    /// Why it last failed.
    pub failure_reason: Option<String>,
    /// When it is tried again after a failure; `None` while it is run.
    pub next_try: Option<Time>,
}

/// What fixing a batch's contents took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAllocation {
    /// The batch.
    pub batch_time: Time,
    /// The epoch of the driver that did it.
    pub epoch: u64,
    /// When it began: sources are asked what there is.
    pub start_time: Time,
    /// When it was in the driver log.
    pub end_time: Time,
}

/// What writing a checkpoint took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointWrite {
    /// The batches up to this one are in it.
    pub batch_time: Time,
    /// The epoch of the driver that wrote it.
    pub epoch: u64,
    /// When it was cut.
    pub start_time: Time,
    /// When it was durable, or given up.
    pub end_time: Time,
    /// Bytes that were written for it; what it shares with earlier ones isn't.
    pub new_bytes: u64,
    /// Why it couldn't be written, if it couldn't: those before it are whole, and it is tried again.
    pub failure_reason: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamingEvent {
    /// The context is up and its receivers are about to start.
    StreamingStarted(Time),
    /// A receiver runs.
    ReceiverStarted(ReceiverStatus),
    /// A receiver failed and will be started again.
    ReceiverError(ReceiverStatus),
    /// A receiver has ended.
    ReceiverStopped(ReceiverStatus),
    /// What a batch holds is fixed. Not told of one that an earlier driver fixed. Spark has no such event.
    BatchAllocated(BatchAllocation),
    /// A batch waits for its turn.
    BatchSubmitted(BatchInfo),
    /// A batch's first job began.
    BatchStarted(BatchInfo),
    /// All outputs of a batch are committed.
    BatchCompleted(BatchInfo),
    /// A batch failed as often as it may, and why; it is tried on. Spark, which drops such a batch, has only its
    /// completion.
    BatchFailed(Time, String),
    /// An output operation of a batch began.
    OutputOperationStarted(Time, OutputOperationInfo),
    /// An output operation of a batch was committed or failed.
    OutputOperationCompleted(Time, OutputOperationInfo),
    /// A checkpoint is durable, or couldn't be written. Spark has no such event.
    CheckpointCompleted(CheckpointWrite),
}

/// Is told what the engine does. Called on a thread of the bus's own, in order.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use tidemill::Time;
/// use tidemill::scheduler::{StreamingEvent, StreamingListener};
///
/// /// Counts failures. A closure is a listener, too.
/// #[derive(Clone, Default)]
/// struct Failures(Arc<AtomicU64>);
///
/// impl StreamingListener for Failures {
///     fn on_event(&mut self, event: &StreamingEvent) {
///         if let StreamingEvent::BatchFailed(..) | StreamingEvent::ReceiverError(_) = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let mut failures = Failures::default();
/// failures.on_event(&StreamingEvent::StreamingStarted(Time::from_millis(0)));
/// failures.on_event(&StreamingEvent::BatchFailed(Time::from_millis(1000), "no room".to_owned()));
/// assert_eq!(failures.0.load(Ordering::Relaxed), 1);
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
/// context.add_streaming_listener(failures)?;
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait StreamingListener: Send + 'static {
    /// Something happened.
    fn on_event(&mut self, event: &StreamingEvent);
}

impl<F: FnMut(&StreamingEvent) + Send + 'static> StreamingListener for F {
    fn on_event(&mut self, event: &StreamingEvent) {
        self(event);
    }
}

/// Hands events to listeners.
#[derive(Clone)]
pub struct ListenerBus(Arc<Bus>);

struct Bus {
    queues: Mutex<Vec<SyncSender<StreamingEvent>>>,
    dropped: AtomicU64,
}

impl Default for ListenerBus {
    fn default() -> Self {
        Self(Arc::new(Bus {
            queues: Mutex::default(),
            dropped: AtomicU64::new(0),
        }))
    }
}

impl ListenerBus {
    /// Adds a listener; it has a thread to itself, so a slow one delays no other.
    ///
    /// # Errors
    /// When no thread can be had.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    ///
    /// use tidemill::Time;
    /// use tidemill::scheduler::{ListenerBus, StreamingEvent};
    ///
    /// let bus = ListenerBus::default();
    /// let (sender, seen) = channel();
    /// bus.add(move |event: &StreamingEvent| {
    ///     if let StreamingEvent::StreamingStarted(time) = event {
    ///         let _ = sender.send(*time);
    ///     }
    /// })?;
    /// bus.post(StreamingEvent::StreamingStarted(Time::from_millis(1000)));
    /// assert_eq!(seen.recv()?, Time::from_millis(1000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add(&self, mut listener: impl StreamingListener) -> std::io::Result<()> {
        let (sender, receiver) = sync_channel::<StreamingEvent>(QUEUE);
        std::thread::Builder::new()
            .name("tidemill-listener".to_owned())
            .spawn(move || {
                for event in receiver {
                    let told = catch_unwind(AssertUnwindSafe(|| listener.on_event(&event)));
                    if let Err(payload) = told {
                        tracing::error!("a listener panicked: {}", panic_message(&*payload));
                    }
                }
            })?;
        self.0
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        Ok(())
    }

    /// Tells all listeners; never waits.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::scheduler::{ListenerBus, StreamingEvent};
    ///
    /// // Without listeners nothing happens.
    /// ListenerBus::default().post(StreamingEvent::StreamingStarted(Time::from_millis(1000)));
    /// ```
    pub fn post(&self, event: StreamingEvent) {
        for queue in &*self.0.queues.lock().unwrap_or_else(PoisonError::into_inner) {
            if queue.try_send(event.clone()).is_err() {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Events that listeners were too slow to take.
    ///
    /// ```
    /// assert_eq!(tidemill::scheduler::ListenerBus::default().dropped(), 0);
    /// ```
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_listener_that_panics_gets_the_next_event() {
        let bus = ListenerBus::default();
        let (sender, seen) = channel();
        let mut first = true;
        bus.add(move |event: &StreamingEvent| {
            let StreamingEvent::StreamingStarted(time) = event else {
                return;
            };
            assert!(!std::mem::take(&mut first), "the first event is too much");
            sender.send(*time).unwrap();
        })
        .unwrap();
        bus.post(StreamingEvent::StreamingStarted(Time::from_millis(1)));
        bus.post(StreamingEvent::StreamingStarted(Time::from_millis(2)));
        assert_eq!(seen.recv().unwrap(), Time::from_millis(2));
    }

    #[test]
    fn a_stuck_listener_stalls_nobody() {
        let bus = ListenerBus::default();
        let (hold, held) = channel::<()>();
        bus.add(move |_: &StreamingEvent| {
            let _ = held.recv();
        })
        .unwrap();
        for ms in 0..QUEUE as u64 + 10 {
            bus.post(StreamingEvent::StreamingStarted(Time::from_millis(ms)));
        }
        assert!(bus.dropped() > 0);
        drop(hold);
    }
}
