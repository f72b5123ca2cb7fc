//! The compactor: one thread that has a log's home put small segments together, beside everything else.

use crate::shared::Shared;

/// Compacts whenever there is something to, until told to stop. A failure costs nothing but objects: what
/// there was is still there, and the next commit that finds it due tries again.
pub(crate) fn run(shared: &Shared) {
    let Some(orders) = &shared.compaction else {
        return;
    };
    let stop = || orders.is_stopped();
    while orders.wait() {
        loop {
            match shared.segments.compact(&stop) {
                Ok(true) if !stop() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "small segments couldn't be put together");
                    shared.heed(&error);
                    if error.is_fenced() {
                        return;
                    }
                    break;
                }
            }
        }
    }
}
