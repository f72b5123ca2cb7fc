//! [`Pulse`]: whether the job generator is alive, which is what the service manager's watchdog is told.

use crate::time::Time;

/// The generator, looked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// How often it has gone round.
    pub(super) beats: u64,
    /// The tick it waits for.
    pub(super) next: Time,
    /// The stream's time.
    pub(super) now: Time,
}

/// What was seen of it so far.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beats: Option<u64>,
}

impl Pulse {
    /// It is alive when it has gone round since it was last looked at, or its next tick isn't due. A batch that
    /// takes long doesn't hold it up: it cuts the next one, or waits, going round, until that may be cut.
    pub(super) fn is_alive(&mut self, look: Look) -> bool {
        let has_beaten = self.beats != Some(look.beats);
        self.beats = Some(look.beats);
        has_beaten || look.now < look.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(beats: u64, next: u64, now: u64) -> Look {
        let (next, now) = (Time::from_millis(next), Time::from_millis(now));
        Look { beats, next, now }
    }

    #[test]
    fn one_that_goes_round_is_alive_however_late_it_is() {
        let mut pulse = Pulse::default();
        assert!(pulse.is_alive(look(1, 10, 50)));
        assert!(pulse.is_alive(look(2, 10, 60)));
    }

    #[test]
    fn one_that_waits_for_its_time_is_alive_however_long() {
        let mut pulse = Pulse::default();
        assert!(pulse.is_alive(look(1, 1000, 10)));
        assert!(pulse.is_alive(look(1, 1000, 20)));
        assert!(pulse.is_alive(look(1, 1000, 999)));
    }

    #[test]
    fn one_that_stands_still_when_its_tick_is_due_is_stuck() {
        let mut pulse = Pulse::default();
        assert!(pulse.is_alive(look(1, 1000, 999)));
        assert!(!pulse.is_alive(look(1, 1000, 1000)));
        assert!(!pulse.is_alive(look(1, 1000, 2000)));
        // It was only held up.
        assert!(pulse.is_alive(look(2, 2000, 2001)));
    }
}
