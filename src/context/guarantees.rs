//! What a context's paths guarantee: the facts that [`crate::guarantee`] decides by.

use std::collections::BTreeMap;

use tidemill_storage::Location;

use super::StreamingContext;
use super::settings::ReceiverLog;
use crate::guarantee::{Acknowledged, Facts, Limit, LossWindow, PathGuarantee, paths};
use crate::source::SourceInfo;
use crate::uid::OperatorUid;

impl StreamingContext {
    /// What each path from a source to a sink guarantees, and which link limits it. Spark leaves that to its
    /// guide.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// use tidemill::guarantee::Level;
    ///
    /// let context = StreamingContext::builder("doc", Duration::from_secs(1))
    ///     .checkpoint("file:data/checkpoint")
    ///     .build()?;
    /// context.http_stream("visits", None).print();
    /// let path = &context.paths()[0];
    /// assert_eq!(path.guarantee, Level::AtLeastOnce);
    /// assert_eq!(path.limited_by.as_deref(), Some("visits.print"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn paths(&self) -> Vec<PathGuarantee> {
        paths(&Facts {
            graph: self.graph(),
            sources: self.sources(),
            sinks: self.guarantees(),
            in_memory: self.in_memory(),
        })
    }

    /// The loss window of each source: what it declares, and what it holds at this moment.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// use tidemill::guarantee::Acknowledged;
    ///
    /// let context = StreamingContext::builder("doc", Duration::from_secs(1))
    ///     .checkpoint("file:data/checkpoint")
    ///     .build()?;
    /// # let visits = context.http_stream("visits", None);
    /// # visits.print();
    /// let windows = context.loss_windows();
    /// assert_eq!(windows[0].acknowledged, Acknowledged::AfterSync);
    /// assert_eq!(windows[0].at_risk, 0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn loss_windows(&self) -> Vec<LossWindow> {
        let on_the_way: BTreeMap<OperatorUid, u64> = {
            let inputs = self.inputs();
            let receivers = inputs.receivers.iter();
            receivers
                .map(|receiver| (receiver.node.core().uid(), receiver.on_the_way()))
                .collect()
        };
        let backlog = self.backlog();
        let window = |source: &SourceInfo| {
            let mut not_durable = on_the_way.get(&source.uid).copied().unwrap_or_default();
            if source.is_receiver && !source.is_replayable {
                not_durable += backlog
                    .get(&source.uid)
                    .map_or(0, |backlog| backlog.records);
            }
            LossWindow::of(source, not_durable)
        };
        self.sources().iter().map(window).collect()
    }

    /// Why nothing outlives the process, when that is so.
    fn in_memory(&self) -> Option<Limit> {
        let settings = self.settings();
        let ends = |key: &str, url: &str| {
            let is_memory = matches!(url.parse(), Ok(Location::Memory(_)));
            let why = || format!("{key}.url = \"{url}\": it ends with the process");
            is_memory.then(|| Limit::new(key, why()))
        };
        let Some(checkpoint) = &settings.checkpoint else {
            let why =
                "there is no checkpoint location: what the program knows ends with the process";
            return Some(Limit::new("checkpoint", why));
        };
        let wal = settings.wal.as_deref();
        ends("checkpoint", checkpoint).or_else(|| ends("wal", wal?))
    }

    /// When receivers' sources are told that what they gave is safe: by those that tell, and by others.
    pub(super) fn acknowledged(&self, is_reliable: bool) -> Acknowledged {
        match (is_reliable, self.settings().receiver_log()) {
            (false, _) => Acknowledged::Never,
            (true, ReceiverLog::Nowhere) => Acknowledged::InMemory,
            (true, ReceiverLog::Memory | ReceiverLog::Disk) => Acknowledged::AfterSync,
            (true, ReceiverLog::Store) => Acknowledged::AfterPut,
        }
    }
}
