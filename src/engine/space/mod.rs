//! [`SpaceWatch`]: looks how much room there is on the disks, and shuts the [`Gate`] in time (R10).
//!
//! It looks once a second, and at once when somebody was refused or half of what there was room for has
//! been taken in. A disk that can't tell is never low; what it refuses shuts the gate all the same.

mod place;
mod policy;
mod status;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use status::{DiskSpace, SpaceStatus};

pub(crate) use place::{Place, room_to_start};
pub(crate) use policy::Reserve;

use crate::block::Gate;
use crate::clock::Clock;
use crate::uid::OperatorUid;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the disks of some folders, on a thread of its own.
pub(crate) struct SpaceWatch {
    watched: Arc<Watched>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Watched {
    places: Vec<Place>,
    reserve: AtomicU64,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    /// What the last look found, in the order of `places`.
    found: Mutex<Vec<DiskSpace>>,
    is_stopping: AtomicBool,
}

impl SpaceWatch {
    /// A watch that has looked once and doesn't watch yet.
    pub(crate) fn new(
        places: Vec<Place>,
        reserve: Reserve,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let watched = Watched {
            places,
            reserve: AtomicU64::new(reserve.0),
            gate,
            clock,
            found: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        };
        watched.look();
        Self {
            watched: Arc::new(watched),
            thread: Mutex::default(),
        }
    }

    /// Watches from now on.
    pub(crate) fn start(&self) -> std::io::Result<()> {
        let watched = Arc::clone(&self.watched);
        let thread = std::thread::Builder::new()
            .name("tidemill-space".to_owned())
            .spawn(move || watched.run())?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.watched.is_stopping.store(true, Ordering::Release);
        self.watched.gate.ask_for_a_look();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the watch over free space panicked");
        }
    }

    /// Keeps another number of bytes free, and looks whether they are.
    pub(crate) fn set_reserve(&self, reserve: Reserve) {
        self.watched.reserve.store(reserve.0, Ordering::Relaxed);
        self.watched.gate.ask_for_a_look();
    }

    /// What it found; `sources` are all there are.
    pub(crate) fn status(&self, sources: impl FnOnce() -> Vec<OperatorUid>) -> SpaceStatus {
        let (reserve, gate) = (self.watched.reserve(), &self.watched.gate);
        let shut = gate.shut();
        SpaceStatus {
            held_back: shut.is_some(),
            since: shut.as_ref().map(|shut| shut.since),
            paused_sources: shut.as_ref().map_or_else(Vec::new, |_| sources()),
            reasons: shut.map(|shut| shut.reasons).unwrap_or_default(),
            reserve: reserve.0,
            resume_at: reserve.resume_at(),
            refusals: gate.refusals(),
            disks: self.watched.found().clone(),
        }
    }
}

impl Watched {
    fn run(&self) {
        while !self.is_stopping.load(Ordering::Acquire) {
            let next = self.clock.now().plus(EVERY);
            self.gate.wait_for_a_look(next);
            self.look();
        }
    }

    fn look(&self) {
        let before = self.found().clone();
        let found: Vec<DiskSpace> = self
            .places
            .iter()
            .enumerate()
            .map(|(index, place)| self.look_at(place, before.get(index)))
            .collect();
        let low = found.iter().filter(|disk| disk.is_low);
        let low = low.map(|disk| self.describe(disk)).collect();
        let free = found.iter().filter_map(|disk| disk.free);
        let allowance = free.map(|free| self.reserve().allowance(free)).min();
        *self.found() = found;
        self.gate.looked(low, allowance.unwrap_or(u64::MAX));
    }

    fn look_at(&self, place: &Place, before: Option<&DiskSpace>) -> DiskSpace {
        let asked = place.free();
        let error = asked.as_ref().err().map(ToString::to_string);
        if let Some(error) = &error
            && before.is_none_or(|before| before.error.is_none())
        {
            tracing::warn!(error, "can't see how much room there is");
        }
        let was_low = before.is_some_and(|before| before.is_low);
        let free = asked.unwrap_or_else(|_| before.and_then(|before| before.free));
        DiskSpace {
            name: place.name,
            path: place.folder.display().to_string(),
            free,
            is_low: free.is_some_and(|free| self.reserve().is_low(was_low, free)),
            error,
        }
    }

    fn describe(&self, disk: &DiskSpace) -> String {
        format!(
            "the disk of the {} at {} has {} bytes free, and {} are to be kept free; sources go on from \
             {} on",
            disk.name,
            disk.path,
            disk.free.unwrap_or_default(),
            self.reserve().0,
            self.reserve().resume_at()
        )
    }

    fn reserve(&self) -> Reserve {
        Reserve(self.reserve.load(Ordering::Relaxed))
    }

    fn found(&self) -> MutexGuard<'_, Vec<DiskSpace>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::time::Time;
    use tidemill_storage::{Fault, OperationKind, SimDisk};

    fn watch(disk: &SimDisk, reserve: u64) -> (SpaceWatch, Arc<Gate>) {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Time::from_millis(0)));
        let gate = Arc::new(Gate::new(Arc::clone(&clock)));
        let place = Place {
            name: "logs",
            folder: "/".into(),
            disk: Arc::new(disk.clone()),
        };
        let watch = SpaceWatch::new(vec![place], Reserve(reserve), Arc::clone(&gate), clock);
        (watch, gate)
    }

    #[test]
    fn sources_stop_at_the_reserve_and_go_on_a_quarter_above() {
        let disk = SimDisk::new();
        let (watch, gate) = watch(&disk, 1000);
        assert_eq!(watch.watched.found()[0].free, None);
        for (free, held_back) in [(1001, false), (1000, true), (1249, true), (1250, false)] {
            disk.set_capacity(Some(free));
            watch.watched.look();
            let status = watch.status(|| vec![OperatorUid::new("lines")]);
            assert_eq!(status.held_back, held_back, "{free}");
            assert_eq!(status.disks[0].free, Some(free));
            assert_eq!(status.paused_sources.len(), usize::from(held_back));
            assert_eq!(gate.shut().is_some(), held_back);
        }
    }

    #[test]
    fn a_disk_that_cant_be_asked_is_as_it_was() {
        let disk = SimDisk::new();
        disk.set_capacity(Some(10));
        let (watch, gate) = watch(&disk, 1000);
        disk.set_faults(|operation| {
            (operation.kind == OperationKind::List).then_some(Fault::Errno(5))
        });
        watch.watched.look();
        assert!(gate.shut().is_some());
        let status = watch.status(Vec::new);
        assert!(status.disks[0].error.is_some(), "{status:?}");
        disk.clear_faults();
        disk.set_capacity(None);
        watch.watched.look();
        assert!(gate.shut().is_none());
    }

    #[test]
    fn a_refusal_has_it_look_at_once() {
        let disk = SimDisk::new();
        let (watch, gate) = watch(&disk, 1000);
        watch.start().unwrap();
        disk.set_capacity(Some(10));
        // The clock stands still: only the refusal can have it look.
        gate.refused(crate::block::Writer::BlockLog, &"full");
        gate.accepted(&crate::block::Writer::BlockLog);
        while watch.watched.found()[0].free != Some(10) {
            std::thread::yield_now();
        }
        watch.stop();
        assert!(gate.shut().is_some());
    }
}
