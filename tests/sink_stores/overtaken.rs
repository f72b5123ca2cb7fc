//! A driver that is paused at any request, while others commit the same batch, changes nothing afterwards.
//!
//! Three drivers, each with partitions of its own. What is committed when the first answers `Ok` must be there,
//! byte for byte, when all have ended; and all of them must end, with `Ok` or an error.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tidemill_storage::Objects;

use super::requests::{TROUBLES, Trouble, Watched, read_folder};
use super::{FOLDER, LAYOUTS, Layout, all_records, commit, in_memory, records};

/// Reads the batch, which must be committed, and right.
fn committed(objects: &dyn Objects, case: &str) -> Vec<Bytes> {
    let parts = read_folder(objects, FOLDER).unwrap_or_else(|error| panic!("{case}: {error}"));
    let parts = parts.unwrap_or_else(|| panic!("{case}: not committed"));
    assert_eq!(records(&parts), all_records(), "{case}");
    parts
}

/// A driver that stops at a request until it is let go.
struct Paused {
    go: Option<std::sync::mpsc::Sender<()>>,
    thread: thread::JoinHandle<Result<(), String>>,
}

impl Paused {
    /// Starts it and waits until it has stopped; `None` when it ended before that.
    fn start(objects: &Arc<dyn Objects>, layout: Layout, at: usize, behind: bool) -> Option<Self> {
        let watched = Watched::new(Arc::clone(objects));
        let (arrived, go) = watched.pause(at, behind);
        let thread = thread::spawn(move || {
            commit(Arc::new(watched), layout).map_err(|error| error.to_string())
        });
        let paused = Self {
            go: Some(go),
            thread,
        };
        if arrived.recv().is_ok() {
            return Some(paused);
        }
        paused.end().unwrap();
        None
    }

    fn end(mut self) -> Result<(), String> {
        drop(self.go.take());
        self.thread.join().unwrap()
    }
}

/// All pauses of a driver in a store like this one.
fn pauses(objects: impl Fn() -> Arc<dyn Objects>, layout: Layout) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    for at in 0.. {
        for behind in [false, true] {
            match Paused::start(&objects(), layout, at, behind) {
                Some(paused) => paused.end().unwrap(),
                None => return found,
            }
            found.push((at, behind));
        }
    }
    found
}

#[test]
fn one_successor_from_any_partitions() {
    for first in LAYOUTS {
        let pauses = pauses(in_memory, first);
        assert!(pauses.len() > 15, "{pauses:?}");
        for (second, (at, behind)) in LAYOUTS
            .iter()
            .flat_map(|second| pauses.iter().map(move |pause| (second, *pause)))
        {
            let case = format!("{first:?} then {second:?}, paused at {at} ({behind})");
            let objects = in_memory();
            let paused = Paused::start(&objects, first, at, behind).unwrap();
            commit(Arc::clone(&objects), second).unwrap_or_else(|error| panic!("{case}: {error}"));
            let before = committed(&*objects, &case);
            let _ = paused.end();
            assert_eq!(committed(&*objects, &case), before, "{case}");
            // And the hidden folder is gone in the end.
            commit(Arc::clone(&objects), second).unwrap();
            assert_eq!(objects.list("").unwrap().len(), before.len() + 1, "{case}");
        }
    }
}

#[test]
fn two_successors_which_are_let_go_in_any_order() {
    let (first, second, third): (Layout, Layout, Layout) = (&[5, 9, 9], &[3, 6, 9], &[5, 9]);
    let pauses_of_first = pauses(in_memory, first);
    for (at, behind) in pauses_of_first {
        // How far the second comes depends on where the first stands: up to its end.
        for stop in 0.. {
            let mut is_last = false;
            for first_goes_first in [false, true] {
                let case = format!("paused at {at} ({behind}) and {stop}; {first_goes_first}");
                let objects = in_memory();
                let one = Paused::start(&objects, first, at, behind).unwrap();
                let Some(two) = Paused::start(&objects, second, stop, false) else {
                    let _ = one.end();
                    is_last = true;
                    break;
                };
                commit(Arc::clone(&objects), third)
                    .unwrap_or_else(|error| panic!("{case}: {error}"));
                let before = committed(&*objects, &case);
                let (one, two) = if first_goes_first {
                    (one, two)
                } else {
                    (two, one)
                };
                let _ = one.end();
                assert_eq!(committed(&*objects, &case), before, "{case}");
                let _ = two.end();
                assert_eq!(committed(&*objects, &case), before, "{case}");
            }
            if is_last {
                break;
            }
        }
    }
}

/// Both are in the middle; whoever is let go first finds what the other has done so far.
#[test]
fn two_drivers_in_turns() {
    let (first, second): (Layout, Layout) = (&[5, 9, 9], &[3, 6, 9]);
    for (at, behind) in pauses(in_memory, first) {
        for (stop, _) in pauses(in_memory, second).into_iter().step_by(2) {
            for first_goes_first in [false, true] {
                let case = format!("{at} ({behind}), {stop}, {first_goes_first}");
                let objects = in_memory();
                let one = Paused::start(&objects, first, at, behind).unwrap();
                // The first may have left it less to do.
                let Some(two) = Paused::start(&objects, second, stop, false) else {
                    let _ = one.end();
                    continue;
                };
                let (one, two) = if first_goes_first {
                    (one, two)
                } else {
                    (two, one)
                };
                one.end().unwrap_or_else(|error| panic!("{case}: {error}"));
                let before = committed(&*objects, &case);
                let _ = two.end();
                assert_eq!(committed(&*objects, &case), before, "{case}");
            }
        }
    }
}

/// Not only a fresh folder: one in which an attempt died before, anywhere.
#[test]
fn a_successor_behind_an_attempt_that_died() {
    for died_at in (0..).take_while(|at| dies(&Watched::new(in_memory()), *at)) {
        let left_over = || -> Arc<dyn Objects> {
            let objects = in_memory();
            dies(&Watched::new(Arc::clone(&objects)), died_at);
            objects
        };
        for (at, behind) in pauses(left_over, &[5, 9, 9]) {
            let case = format!("died at {died_at}, paused at {at} ({behind})");
            let objects = left_over();
            let paused = Paused::start(&objects, &[5, 9, 9], at, behind).unwrap();
            commit(Arc::clone(&objects), &[5, 9]).unwrap_or_else(|error| panic!("{case}: {error}"));
            let before = committed(&*objects, &case);
            let _ = paused.end();
            assert_eq!(committed(&*objects, &case), before, "{case}");
        }
    }
}

/// Whether a driver with other partitions comes to request `at`, where it dies.
fn dies(watched: &Watched, at: usize) -> bool {
    watched.fail(at, Trouble::DiesBefore);
    let _ = commit(Arc::new(watched.clone()), &[3, 6, 9]);
    watched.clear()
}

/// In a live driver a failed request fails the commit, and the next one completes it.
#[test]
fn any_request_may_fail() {
    for trouble in TROUBLES {
        for at in 0.. {
            let case = format!("{trouble:?} at {at}");
            let objects = in_memory();
            let watched = Watched::new(Arc::clone(&objects));
            watched.fail(at, trouble);
            let first = commit(Arc::new(watched.clone()), &[3, 6, 9]);
            let was_reached = watched.clear();
            let seen = read_folder(&*objects, FOLDER).unwrap();
            if first.is_ok() {
                committed(&*objects, &case);
            }
            commit(Arc::new(watched.clone()), &[5, 9])
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            let parts = committed(&*objects, &case);
            if let Some(seen) = seen {
                assert_eq!(parts, seen, "{case}");
            }
            if !was_reached {
                first.unwrap();
                break;
            }
        }
    }
}
