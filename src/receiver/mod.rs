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
///
/// One whose source gives again what it wasn't told of, as a queue does:
///
/// ```
/// use std::time::Duration;
///
/// use tidemill::receiver::{Receiver, Store};
/// use tidemill::rdd::BoxError;
/// # struct Queue;
/// # struct Connection;
/// # impl Queue {
/// #     async fn connect(&self) -> Result<Connection, BoxError> { Ok(Connection) }
/// # }
/// # impl Connection {
/// #     async fn next(&mut self) -> Result<(u64, Vec<String>), BoxError> { std::future::pending().await }
/// #     async fn acknowledge(&mut self, _message: u64) -> Result<(), BoxError> { Ok(()) }
/// #     async fn say_goodbye(self) {}
/// # }
///
/// struct Messages {
///     queue: Queue,
///     connection: Option<Connection>,
/// }
///
/// impl Receiver for Messages {
///     type Record = str;
///
///     async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
///         let connection = self.connection.insert(self.queue.connect().await?);
///         loop {
///             let (message, lines) = connection.next().await?;
///             store.store_reliably(lines.iter().map(String::as_str)).await?;
///             // The lines are durable, and will be in exactly one batch.
///             connection.acknowledge(message).await?;
///         }
///     }
///
///     async fn on_stop(&mut self) {
///         if let Some(connection) = self.connection.take() {
///             connection.say_goodbye().await;
///         }
///     }
///
///     fn is_reliable(&self) -> bool {
///         true
///     }
///
///     fn back_off(&self) -> (Duration, Duration) {
///         (Duration::from_secs(1), Duration::from_secs(60))
///     }
///
///     fn describe(&self) -> String {
///         "messages of a queue".to_owned()
///     }
/// }
///
/// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
/// let lines = context.receiver_stream(Messages { queue: Queue, connection: None });
/// lines.print();
/// assert!(context.sources()[0].is_receiver);
/// # Ok::<(), tidemill::Error>(())
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

    /// Where it receives from, for people. Asked when it is declared, and at each start.
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
