//! [`RetryPolicy`]: how long and how often a request to a store is tried again.

use std::time::Duration;

/// An upload is given this long for each byte on top of [`RetryPolicy::attempt`]: 1 MiB/s.
const SLOWEST_BYTES_PER_SECOND: usize = 1 << 20;

/// How requests to an object store are tried again when it fails for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long one attempt may go without any answer or progress. A write gets a second more for each
    /// MiB.
    pub attempt: Duration,
    /// No further attempt is begun when the request has been tried for so long.
    pub give_up_after: Duration,
    /// The wait before the first repetition; later waits double.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
    /// Spreads the waits (each is drawn between half and all of its length), so that clients that
    /// failed together don't come back together. Processes should differ in it.
    pub seed: u64,
}

impl Default for RetryPolicy {
    /// About a minute in all. The seed comes from the machine's name and the process's number.
    fn default() -> Self {
        let machine = crc32fast::hash(rustix::system::uname().nodename().to_bytes());
        Self {
            attempt: Duration::from_secs(30),
            give_up_after: Duration::from_secs(60),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
            seed: u64::from(machine) << 32 | u64::from(std::process::id()),
        }
    }
}

impl RetryPolicy {
    /// How long an attempt to write so many bytes may take.
    pub(super) fn allowance(&self, bytes: usize) -> Duration {
        self.attempt + Duration::from_secs((bytes / SLOWEST_BYTES_PER_SECOND) as u64)
    }

    /// The waits of the request with this number.
    pub(super) fn waits(&self, request: u64) -> Waits {
        Waits {
            next: self.first_wait,
            longest: self.longest_wait,
            random: self.seed ^ mix(request),
        }
    }
}

/// The waits between the attempts of one request.
#[derive(Debug)]
pub(super) struct Waits {
    next: Duration,
    longest: Duration,
    random: u64,
}

impl Waits {
    pub(super) fn next(&mut self) -> Duration {
        let full = self.next.min(self.longest);
        self.next = full.saturating_mul(2);
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // The upper 53 bits as a number from 0 to 1.
        let drawn = (mix(self.random) >> 11) as f64 / (1_u64 << 53) as f64;
        full.mul_f64(0.5 + drawn / 2.0)
    }
}

/// The finaliser of SplitMix64: neighbouring numbers come out unrelated.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let policy = RetryPolicy {
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(1),
            seed: 7,
            ..RetryPolicy::default()
        };
        let full = [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis);
        let (mut one, mut other) = (policy.waits(1), policy.waits(2));
        let mut differ = 0;
        for full in full {
            let (a, b) = (one.next(), other.next());
            for wait in [a, b] {
                assert!(wait >= full / 2 && wait <= full, "{wait:?} of {full:?}");
            }
            differ += usize::from(a != b);
        }
        assert!(differ >= 5, "two requests wait alike");
        let again: Vec<_> = {
            let mut waits = policy.waits(1);
            (0..3).map(|_| waits.next()).collect()
        };
        let mut once_more = policy.waits(1);
        assert!(
            again.iter().all(|wait| *wait == once_more.next()),
            "the seed decides"
        );
    }

    #[test]
    fn a_large_write_is_given_more_time() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.allowance(10), policy.attempt);
        assert_eq!(
            policy.allowance(64 << 20),
            policy.attempt + Duration::from_secs(64)
        );
    }
}
