//! `checkpoint`: streams whose datasets are saved with the checkpoints.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::Element;
use crate::state::Datasets;
use crate::time::is_multiple;

/// The kind of these streams.
pub(crate) const CHECKPOINTED: &str = "checkpoint";

/// The least interval that is chosen where the program doesn't say one.
const USUAL: Duration = Duration::from_secs(10);

impl<T: ?Sized + Element + Serialize> DStream<T>
where
    T::Own: DeserializeOwned,
{
    /// The same stream, whose datasets are saved with the checkpoints for as long as later batches read them: after
    /// a restart a window over it reads them back, and nothing before it is computed again. So a window may lie over
    /// a stream with state, which could not be rebuilt otherwise.
    ///
    /// `interval` says how much time may pass until datasets are saved; `None` is the multiple of the slide next to
    /// 10 s, or the slide if that is longer. What a restart finds unsaved it computes again. Where a state lies
    /// before the stream it can't, and every checkpoint of the context saves all there is. An interval that is no
    /// multiple of the stream's slide is refused at the start.
    ///
    /// Needs a checkpoint location. Datasets are held in memory until then, and batches run in order, as with every
    /// state. In the original `checkpoint` cuts the lineage of datasets at every interval, and a window over a state
    /// that lies between is computed from the last one on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn main() -> tidemill::Result<()> {
    /// let second = Duration::from_secs(1);
    /// let context = tidemill::StreamingContext::builder("peaks", second)
    ///     .checkpoint("memory:doc-peaks")
    ///     .build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let totals = words.count_by_value().update_state_by_key(
    ///     |new: &[u64], total: Option<&u64>| Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>()),
    /// );
    /// let saved = totals.checkpoint(second * 10);
    /// saved.reduce_by_key_and_window(|a, b| *a.max(b), second * 30, second).print();
    /// context.start()?;
    /// # context.stop(false)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn checkpoint(&self, interval: impl Into<Option<Duration>>) -> DStream<T> {
        let (caller, slide) = (Location::caller(), self.slide_duration());
        let interval = interval.into().unwrap_or_else(|| usual_interval(slide));
        if !is_multiple(interval, slide) {
            self.mistake(
                caller,
                format!(
                    "the checkpoint interval is {interval:?}; it must be a positive multiple of the stream's slide, \
                     {slide:?}"
                ),
            );
        }
        let can_be_made_again = !self.registry().reads_state(&[self.node().core().id]);
        let datasets = Arc::new(Datasets::<T>::new(can_be_made_again.then_some(interval)));
        let parts = NodeParts {
            state: Some(datasets.clone()),
            ..self.child(CHECKPOINTED, caller)
        };
        let (parent, executor) = (Arc::clone(self.node()), self.registry().executor.clone());
        let compute = move |core: &super::NodeCore, _: &super::node::Generated<T>, time| {
            datasets.dataset(time, core.remember(), &executor, || {
                parent.get_or_compute(time)
            })
        };
        DStream::from_node(StreamNode::register_with(self.registry(), parts, compute))
    }
}

/// The least multiple of the slide that isn't below 10 s.
fn usual_interval(slide: Duration) -> Duration {
    let slides = USUAL.as_millis().div_ceil(slide.as_millis().max(1)).max(1);
    slide * u32::try_from(slides).unwrap_or(u32::MAX)
}
