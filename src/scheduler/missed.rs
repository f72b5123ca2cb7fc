//! Which ticks are to be run when some were missed: those that change a result.

use std::time::Duration;

use crate::time::Time;

/// Which missed ticks change a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Catchup {
    /// None.
    Nothing,
    /// Those at most this long after data last came in.
    Windows(Duration),
    /// All.
    EveryBatch,
}

/// The tick to run at `now`, when `next` is the first that hasn't been run; `None` when it isn't due yet.
///
/// It is `next` where that changes a result, else the newest that is due: those between are left out.
/// Decided anew before every tick, since a tick that is made up for takes in what has come meanwhile, and
/// that may give the ones behind it something to show.
pub(crate) fn tick_to_run(
    catchup: Catchup,
    next: Time,
    now: Time,
    last_filled: Option<Time>,
    interval: Duration,
) -> Option<Time> {
    if now < next {
        return None;
    }
    let newest = Time::steps(next, now, interval).next_back().unwrap_or(next);
    let changes_a_result = match (catchup, last_filled) {
        (Catchup::EveryBatch, _) => true,
        (Catchup::Windows(length), Some(filled)) => next <= filled.plus(length),
        _ => false,
    };
    Some(if changes_a_result { next } else { newest })
}

/// How many ticks are to be run from `next` on, as things are at `now`.
pub(super) fn ticks_to_run(
    catchup: Catchup,
    next: Time,
    now: Time,
    last_filled: Option<Time>,
    interval: Duration,
) -> u64 {
    if now < next {
        return 0;
    }
    let ticks_to = |end: Time| {
        let steps = end.since(next).as_millis() / interval.as_millis().max(1);
        u64::try_from(steps).unwrap_or(u64::MAX).saturating_add(1)
    };
    let due = ticks_to(now);
    match (catchup, last_filled) {
        (Catchup::EveryBatch, _) => due,
        (Catchup::Windows(length), Some(filled)) if next <= filled.plus(length) => {
            // Behind those that a window still fills, the newest.
            due.min(ticks_to(filled.plus(length)).saturating_add(1))
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// The ticks from `next` to `now`, with what came in at each tick as `filled` says.
    fn ticks(catchup: Catchup, next: u64, now: u64, mut filled: Vec<u64>) -> Vec<u64> {
        let (mut next, mut ran, mut came) = (next, Vec::new(), Vec::new());
        filled.retain(|time| {
            let is_past = *time < next;
            if is_past {
                came.push(*time);
            }
            !is_past
        });
        while let Some(time) = tick_to_run(
            catchup,
            at(next),
            at(now),
            came.last().copied().map(at),
            SECOND,
        ) {
            let time = time.as_millis() / 1000;
            ran.push(time);
            // A tick takes in all that has come up to it.
            if filled.iter().any(|came| *came <= time) {
                filled.retain(|came| *came > time);
                came.push(time);
            }
            next = time + 1;
        }
        ran
    }

    #[test]
    fn a_tick_isnt_run_before_its_time() {
        assert!(ticks(Catchup::EveryBatch, 10, 9, vec![]).is_empty());
        assert_eq!(ticks(Catchup::EveryBatch, 10, 10, vec![]), [10]);
    }

    #[test]
    fn a_program_without_memory_skips_to_the_newest_tick() {
        assert_eq!(ticks(Catchup::Nothing, 10, 3600, vec![9]), [3600]);
    }

    #[test]
    fn a_window_is_run_until_it_is_empty() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        assert_eq!(ticks(windows, 10, 3600, vec![9]), [10, 11, 12, 3600]);
        assert_eq!(ticks(windows, 10, 11, vec![9]), [10, 11]);
        assert_eq!(ticks(windows, 10, 3600, vec![]), [3600]);
    }

    #[test]
    fn what_comes_in_while_catching_up_has_all_its_windows_too() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        assert_eq!(
            ticks(windows, 10, 3600, vec![9, 11]),
            [10, 11, 12, 13, 14, 3600]
        );
    }

    #[test]
    fn state_sees_every_batch() {
        assert_eq!(ticks(Catchup::EveryBatch, 10, 13, vec![]), [10, 11, 12, 13]);
    }

    #[test]
    fn what_is_left_is_what_will_be_run() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        for (catchup, next, now, filled) in [
            (Catchup::Nothing, 10, 3600, Some(9)),
            (Catchup::Nothing, 10, 9, Some(9)),
            (Catchup::EveryBatch, 10, 3600, None),
            (windows, 10, 3600, Some(9)),
            (windows, 10, 11, Some(9)),
            (windows, 10, 13, Some(9)),
            (windows, 10, 3600, Some(2)),
            (windows, 10, 3600, None),
        ] {
            let left = ticks_to_run(catchup, at(next), at(now), filled.map(at), SECOND);
            let ran = ticks(catchup, next, now, filled.into_iter().collect());
            assert_eq!(
                left,
                ran.len() as u64,
                "{catchup:?} {next}..={now} {filled:?}"
            );
        }
    }
}
