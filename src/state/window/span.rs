//! [`Span`]: a window's length and slide, counted in panes.
//!
//! A *pane* is the greatest common divisor of length and slide: every window consists of whole panes, so
//! what a pane's batches add up to for a key is kept once, as one partial result. Panes are numbered by
//! the time at which they end.

use std::time::Duration;

use crate::time::{Time, millis};

/// At most so many groups of keys take turns in having their suffixes made.
const GROUPS: u64 = 1024;

/// A window's measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The length of a pane in milliseconds.
    pane: u64,
    /// Panes in a window.
    panes: u64,
    /// Panes in a slide.
    per_slide: u64,
}

impl Span {
    /// A window of `length` every `slide`; what makes no sense is refused by the stream that declares it.
    pub(crate) fn new(length: Duration, slide: Duration) -> Self {
        let (length, slide) = (millis(length).max(1), millis(slide).max(1));
        let (mut a, mut b) = (length, slide);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self {
            pane: a,
            panes: length / a,
            per_slide: slide / a,
        }
    }

    /// The length of a pane in milliseconds.
    pub(crate) fn pane_ms(&self) -> u64 {
        self.pane
    }

    /// Whether what is kept in panes of so many milliseconds can be kept in this window's: each of these is
    /// some of those.
    pub(crate) fn can_take(&self, pane_ms: u64) -> bool {
        self.pane.checked_rem(pane_ms) == Some(0)
    }

    pub(super) fn panes(&self) -> u64 {
        self.panes
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(self.pane.saturating_mul(self.panes))
    }

    /// The pane of the batch at `time`, when windows are in phase with `zero`.
    pub(super) fn pane_of(&self, time: Time, zero: Time) -> u64 {
        let past = time.as_millis().saturating_sub(zero.as_millis());
        let end = zero.as_millis() + past.div_ceil(self.pane) * self.pane;
        end / self.pane
    }

    /// Whether a window ends at `time`.
    pub(super) fn is_output(&self, time: Time, zero: Time) -> bool {
        let slide = Duration::from_millis(self.pane * self.per_slide);
        time.is_step_from(zero, slide)
    }

    /// Whether any window reads the batch at `time`: not all do where the slide is longer than the window.
    pub(crate) fn is_read(&self, time: Time, zero: Time) -> bool {
        let pane = self.pane_of(time, zero) - zero.as_millis() / self.pane;
        let next_output = pane.div_ceil(self.per_slide) * self.per_slide;
        pane + self.panes > next_output
    }

    /// How many groups of keys take turns.
    pub(super) fn groups(&self) -> u32 {
        u32::try_from(self.panes.min(GROUPS)).unwrap_or(1).max(1)
    }

    /// The group whose turn it is when `pane` opens.
    pub(super) fn turn_of(&self, pane: u64) -> Option<u32> {
        let (at, groups) = (pane % self.panes, u64::from(self.groups()));
        let group = (at * groups).div_ceil(self.panes);
        (group < groups && group * self.panes / groups == at)
            .then(|| u32::try_from(group).unwrap_or_default())
    }

    /// The last pane up to `newest` at which it was the group's turn.
    pub(super) fn last_turn(&self, group: u32, newest: u64) -> u64 {
        let at = u64::from(group) * self.panes / u64::from(self.groups());
        newest.saturating_sub((newest % self.panes + self.panes - at) % self.panes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn panes_divide_length_and_slide() {
        let span = Span::new(SECOND * 10, SECOND * 4);
        assert_eq!((span.pane, span.panes, span.per_slide), (2000, 5, 2));
        // Windows end at 104, 108, ...; panes at 102, 104, ...
        let panes: Vec<u64> = (101..=105).map(|s| span.pane_of(at(s), at(100))).collect();
        assert_eq!(panes, [51, 51, 52, 52, 53]);
        assert!(span.is_output(at(104), at(100)) && !span.is_output(at(102), at(100)));
    }

    #[test]
    fn batches_between_windows_are_not_read() {
        let span = Span::new(SECOND * 2, SECOND * 3);
        let read: Vec<u64> = (101..=106)
            .filter(|s| span.is_read(at(*s), at(100)))
            .collect();
        assert_eq!(read, [102, 103, 105, 106]);
    }

    #[test]
    fn every_group_has_its_turn_once_in_a_window() {
        for panes in [1, 2, 3, 60, 1023, 1024, 1025, 3600] {
            let span = Span::new(SECOND * panes, SECOND);
            let panes = u64::from(panes);
            let turns: Vec<u32> = (panes..panes * 2).filter_map(|p| span.turn_of(p)).collect();
            assert_eq!(turns, (0..span.groups()).collect::<Vec<_>>(), "{panes}");
            for newest in panes * 2..panes * 2 + 5 {
                for group in [0, span.groups() / 2, span.groups() - 1] {
                    let last = span.last_turn(group, newest);
                    assert_eq!(span.turn_of(last), Some(group));
                    assert!(last <= newest && newest - last < panes);
                }
            }
        }
    }
}
