//! [`DStream::silent_after`]: what is said of an input that gives nothing for long.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use crate::rdd::Element;

/// What follows when an input has given no record for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnSilence {
    /// It is told: in the log, on the page, by `/readyz` and as a metric.
    #[default]
    Warn,
    /// Besides, the context isn't ready.
    Unready,
}

/// When an input counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) after: Duration,
    pub(crate) then: OnSilence,
}

impl<T: ?Sized + Element> DStream<T> {
    /// Tells when this input has given no record for `after`, from its start on, and when it goes on. Only for
    /// inputs: a stream that is made of others is a mistake that the start reports. (Spark doesn't tell.)
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// use tidemill::OnSilence;
    ///
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context
    ///     .socket_text_stream("localhost:9999")
    ///     .silent_after(Duration::from_secs(300), OnSilence::Warn);
    /// lines.print();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn silent_after(self, after: Duration, then: OnSilence) -> Self {
        let caller = Location::caller();
        let core = self.node.core();
        if !core.is_input {
            let uid = core.uid();
            let message = format!(
                "silent_after is for inputs, and `{uid}` is made of other streams: call it on what they read"
            );
            self.mistake(caller, message);
        } else if after.is_zero() {
            self.mistake(caller, "silent_after must be above 0".to_owned());
        } else {
            core.set_silence(Silence { after, then });
        }
        self
    }
}
