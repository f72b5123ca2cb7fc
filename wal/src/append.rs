//! [`Append`]: an append under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::position::{Position, Sequence};
use crate::wait::wait;

/// An append under way: a future of its durable position, or a thing to block on. Appends are answered
/// in sequence order. Dropping it doesn't take the append back.
#[derive(Debug)]
#[must_use = "nothing is known to be durable before the answer"]
pub struct Append {
    sequence: Sequence,
    answer: oneshot::Receiver<Result<Position>>,
}

/// Where the answer is given.
pub(crate) type Answer = oneshot::Sender<Result<Position>>;

impl Append {
    /// One that has no number yet: made before the queue's lock is taken, as it allocates.
    pub(crate) fn unnumbered() -> (Answer, Self) {
        let (sender, answer) = oneshot::channel();
        (
            sender,
            Self {
                sequence: Sequence(0),
                answer,
            },
        )
    }

    pub(crate) fn numbered(self, sequence: Sequence) -> Self {
        Self { sequence, ..self }
    }

    /// The number the entry has if it is answered `Ok`. After an error it says nothing: the number
    /// may be given out again.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Blocks until the entry is durable. Async code awaits the append itself instead.
    pub fn wait(self) -> Result<Position> {
        wait(self)
    }
}

impl Future for Append {
    type Output = Result<Position>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| match answer {
                Ok(result) => result,
                // Only if the writer thread ended without answering, which poisons the log as well.
                Err(_) => Err(Error::Poisoned {
                    reason: Arc::from("the log's writer has ended"),
                }),
            })
    }
}
