//! Whether this driver still owns its checkpoint location (R11).
//!
//! Appends to a shared log and checkpoints prove it by themselves: they are conditional writes, and a
//! successor's fence is in their way. What isn't such a write asks here first: the commit of a batch, a
//! clean-up. A proof is good for a moment, counted by a clock that goes on while the process is stopped
//! or the machine sleeps, so one who was held up looks again before it does anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::clock::time_since_boot;
use crate::error::Error;

/// How long a proof is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(2);

/// When ownership was last proven, by the time since boot.
#[derive(Debug, Default)]
pub(crate) struct LastProof(Mutex<Option<Duration>>);

impl LastProof {
    fn is_fresh(&self, now: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| now.saturating_sub(last) < BELIEVED_FOR)
    }

    fn note(&self, at: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl Engine {
    /// Proves that no later driver has taken the location over, unless that was done just now. A later
    /// driver is reported as what the engine can't survive, once it is known of.
    ///
    /// # Errors
    /// [`tidemill_checkpoint::Error::Fenced`], or a failure of the store: then nothing is known, and
    /// the caller mustn't go on either.
    pub(super) fn prove_ownership(&self) -> Result<(), Error> {
        let now = time_since_boot();
        if self.last_proof.is_fresh(now) {
            return Ok(());
        }
        match self.checkpointer.store().prove_ownership() {
            Ok(()) => {
                // What was true when the question was asked, not when the answer came.
                self.last_proof.note(now);
                Ok(())
            }
            Err(error @ tidemill_checkpoint::Error::Fenced { .. }) => {
                let told = Error::OwnedByAnother(error.to_string());
                self.troubles.fatal(told);
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_believed_for_a_moment_only() {
        let proof = LastProof::default();
        let at = Duration::from_secs(100);
        assert!(!proof.is_fresh(at));
        proof.note(at);
        assert!(proof.is_fresh(at));
        assert!(proof.is_fresh(at + BELIEVED_FOR / 2));
        assert!(!proof.is_fresh(at + BELIEVED_FOR));
    }
}
