//! Receivers: tasks that take data in and store it in blocks.
//!
//! A receiver runs under a supervisor that restarts it with back-off for ever. What it stores reliably
//! it may acknowledge to its source; everything else is in memory until its block is cut.

mod status;
mod store;
mod supervisor;

pub use status::{ReceiverState, ReceiverStatus};
pub use store::Store;

pub(crate) use store::CloseReceiver;
pub(crate) use supervisor::{Supervision, supervise};

use std::time::Duration;

use crate::block::Record;
use crate::rdd::BoxError;

/// Takes data in from somewhere.
///
/// ```
/// use tidemill::receiver::{Receiver, Store};
/// use tidemill::rdd::BoxError;
///
/// /// Counts to a thousand, once.
/// struct Numbers;
///
/// impl Receiver for Numbers {
///     type Record = u64;
///
///     async fn on_start(&mut self, store: Store<u64>) -> Result<(), BoxError> {
///         for number in 0..1000 {
///             store.store(&number).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Receiver: Send + 'static {
    /// What it stores: `str` for text, or any type that serde can write and read.
    type Record: ?Sized + Record;

    /// Runs the receiver. `Ok` says that it has nothing more to receive; after an error or a panic it's
    /// started again, with back-off. The future is dropped when the receiver is to stop: at an `.await`,
    /// so what it hadn't stored by then is not stored.
    fn on_start(
        &mut self,
        store: Store<Self::Record>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Called after each end of [`Receiver::on_start`], to let go of what it holds.
    fn on_stop(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Whether it tells its source what is durable, and only then, and the source gives again what it wasn't told
    /// of: Spark's reliable receiver, which [`Store::store_reliably`] is for. Where it is, nothing is lost in a
    /// crash, as `check` and `/api/v1/graph` then say.
    fn is_reliable(&self) -> bool {
        false
    }

    /// The first and the longest wait before it is started again after a failure; waits double.
    fn back_off(&self) -> (Duration, Duration) {
        (Duration::from_millis(500), Duration::from_secs(30))
    }

    /// Where it receives from, for people.
    fn describe(&self) -> String {
        std::any::type_name::<Self>()
            .rsplit("::")
            .next()
            .unwrap_or("receiver")
            .to_owned()
    }
}

/// How fast a receiver may go; what isn't set is the context's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReceiverLimits {
    /// How often what it stored is cut into a block.
    pub block_interval: Option<std::time::Duration>,
    /// Records a second, at most.
    pub max_rate: Option<f64>,
}
