//! [`Reserve`]: when a disk is low, when it isn't any more, and how much may be taken in between.

/// Bytes to be kept free on each disk that the engine writes to: allocations, clean-ups and checkpoints
/// must still fit when nothing more is taken in. Zero: no such care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reserve(pub(crate) u64);

impl Reserve {
    /// From how many free bytes on sources go on: a quarter more than the reserve, so that they don't stop
    /// and go with every segment that is removed.
    pub(crate) fn resume_at(self) -> u64 {
        self.0.saturating_add(self.0 / 4)
    }

    /// How many free bytes a start takes: a quarter of the reserve. Not all of it, since a pipeline that
    /// was held back must be able to start again and make room.
    pub(crate) fn to_start(self) -> u64 {
        self.0 / 4
    }

    /// Whether a disk with so many free bytes is low.
    pub(super) fn is_low(self, was_low: bool, free: u64) -> bool {
        match was_low {
            _ if self.0 == 0 => false,
            false => free <= self.0,
            true => free < self.resume_at(),
        }
    }

    /// How much may be taken in on so many free bytes.
    pub(super) fn allowance(self, free: u64) -> u64 {
        match self.0 {
            0 => u64::MAX,
            reserve => free.saturating_sub(reserve),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_from_the_reserve_down_until_a_quarter_more_is_free() {
        let reserve = Reserve(100);
        let low = |was_low, free| reserve.is_low(was_low, free);
        assert!(!low(false, 101) && low(false, 100) && low(false, 0));
        assert!(low(true, 101) && low(true, 124) && !low(true, 125));
        assert_eq!(reserve.allowance(101), 1);
        assert_eq!(reserve.allowance(7), 0);
        assert_eq!(reserve.to_start(), 25);
    }

    #[test]
    fn without_a_reserve_nothing_is_low() {
        let none = Reserve(0);
        assert!(!none.is_low(false, 0) && !none.is_low(true, 0));
        assert_eq!((none.allowance(0), none.to_start()), (u64::MAX, 0));
    }
}
