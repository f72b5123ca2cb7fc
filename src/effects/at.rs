//! For which batch this thread works.

use std::cell::Cell;

use crate::time::Time;

thread_local! {
    static BATCH: Cell<Option<Time>> = const { Cell::new(None) };
}

/// The batch that this thread works for.
pub(crate) fn batch_time() -> Option<Time> {
    BATCH.get()
}

/// Runs `work` for the batch at `time`.
pub(crate) fn at_batch<R>(time: Option<Time>, work: impl FnOnce() -> R) -> R {
    struct Back(Option<Time>);
    impl Drop for Back {
        fn drop(&mut self) {
            BATCH.set(self.0);
        }
    }
    let _back = Back(BATCH.replace(time));
    work()
}
