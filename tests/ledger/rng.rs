//! [`Rng`]: a small seeded generator (SplitMix64), so that a run is repeated by its seed alone.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Random numbers that a seed determines.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for a part, whose numbers don't depend on what other parts draw.
    pub fn part(&self, part: u64) -> Self {
        Self(Self(self.0 ^ part.wrapping_mul(0xA24B_AED4_963E_E407)).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.below(range))
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(0..100) < percent
    }
}

/// The seed of this run: `TIDEMILL_SEED`, or a new one.
pub fn seed() -> u64 {
    match std::env::var("TIDEMILL_SEED") {
        Ok(text) => text.parse().expect("TIDEMILL_SEED is a whole number"),
        Err(_) => {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            since.as_nanos() as u64 % 1_000_000_000_000
        }
    }
}
