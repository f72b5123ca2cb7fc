//! Several commits at once.

use std::sync::{Arc, Barrier, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::super::dataset::Halfway;
use super::super::tester::{Broken, Tester};
use super::super::{BatchIdentity, Harness, Sink, Verdict};
use super::holds;

/// How often what depends on the scheduler is tried.
const ROUNDS: usize = 8;

/// How long a commit waits in its middle for another one, which may wait for it (a lock is a fine way to keep
/// drivers apart).
const MEETING: Duration = Duration::from_secs(2);

pub(super) fn side_by_side<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for _ in 0..ROUNDS {
        let (shared, other) = (tester.open()?, tester.open()?);
        let batches = [(); 4].map(|()| tester.next());
        let start = Barrier::new(batches.len());
        let commit = |sink: &dyn Sink<H::Record>, batch: &BatchIdentity| {
            let texts = tester.texts(batch);
            start.wait();
            tester
                .commit(sink, batch, tester.dataset(&texts, 2))
                .map_err(|error| format!("beside three others, a commit failed: {error}"))
        };
        let commit = &commit;
        thread::scope(|scope| {
            let threads: Vec<_> = batches
                .iter()
                .zip([&shared, &shared, &shared, &other])
                .map(|(batch, sink)| scope.spawn(move || commit(&**sink, batch)))
                .collect();
            threads.into_iter().try_for_each(joined)
        })?;
        for batch in &batches {
            tester.expect(batch, &tester.texts(batch), "behind four commits at once")?;
        }
    }
    holds(format!("four at once, {ROUNDS} times"))
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<(), Broken>>) -> Result<(), Broken> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
}

pub(super) fn race<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for _ in 0..ROUNDS {
        let batch = tester.next();
        let texts = tester.texts(&batch);
        let start = Barrier::new(2);
        let commit = |partitions| {
            start.wait();
            tester
                .commit_afresh(&batch, tester.dataset(&texts, partitions))
                .is_ok()
        };
        let commit = &commit;
        let any_committed = thread::scope(|scope| {
            let racers = [1, 3].map(|partitions| scope.spawn(move || commit(partitions)));
            racers.map(|racer| racer.join().unwrap_or(false))
        })
        .contains(&true);
        if any_committed {
            tester.expect(&batch, &texts, "behind a race of two handles")?;
        }
        // One may lose with an error; the engine then tries again.
        tester.must_commit(&batch, &texts, 2, "after a race of two handles")?;
        tester.expect(&batch, &texts, "behind the commit after a race")?;
    }
    holds(format!("two at once, {ROUNDS} times"))
}

/// In the middle of one computation another handle commits the same batch from beginning to end.
pub(super) fn predecessor<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for (partition, others) in [(0, 1), (2, 3), (2, 5)] {
        let batch = tester.next();
        let texts = tester.texts(&batch);
        let (arrive, arrived) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let meeting = Mutex::new((arrive, finished));
        let meet = move || {
            let meeting = meeting.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody listens any more when the computation is run a second time.
            if meeting.0.send(()).is_ok() {
                let _ = meeting.1.recv_timeout(MEETING);
            }
        };
        let late = tester
            .dataset(&texts, 3)
            .with(partition, Halfway::Do(Arc::new(meet)));
        let successor = || -> Result<(), Broken> {
            // The sender is gone when the sink never computed.
            if arrived.recv().is_err() {
                return Ok(());
            }
            drop(arrived);
            tester.must_commit(&batch, &texts, others, "in the middle of another commit")?;
            let seen = tester.expect(&batch, &texts, "in the middle of another commit");
            drop(finish);
            seen
        };
        thread::scope(|scope| {
            let successor = scope.spawn(successor);
            // It may fail: it isn't needed any more.
            let _ = tester.commit_afresh(&batch, late);
            joined(successor)
        })?;
        tester.expect(&batch, &texts, "behind the end of a late commit")?;
        tester.must_commit(&batch, &texts, 2, "after the end of a late commit")?;
        tester.expect(&batch, &texts, "behind a commit after a late one")?;
    }
    holds("overtaken in the first and in the last partition")
}
