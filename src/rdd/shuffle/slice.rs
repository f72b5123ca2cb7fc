//! [`Slice`]: a part of a result partition's keys.

use crate::rdd::spread;

/// Of one partition, the keys whose [spread] hash begins with `depth` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) partition: usize,
    pub(super) depth: u32,
    bits: u64,
}

impl Slice {
    /// All keys of a partition.
    pub(super) fn whole(partition: usize) -> Self {
        Self {
            partition,
            depth: 0,
            bits: 0,
        }
    }

    /// Both halves.
    pub(super) fn halves(self) -> [Self; 2] {
        [0, 1].map(|bit| Self {
            depth: self.depth + 1,
            bits: self.bits << 1 | bit,
            ..self
        })
    }

    /// Whether a key of this partition and hash is in it.
    #[inline]
    pub(super) fn holds(self, partition: usize, hash: u64) -> bool {
        let spread = spread(hash);
        // By none of its bits are all alike; a shift by all of them is none.
        let bits = spread.checked_shr(64 - self.depth).unwrap_or(0);
        partition == self.partition && bits == self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::KeyHasher;

    #[test]
    fn every_key_is_in_one_slice_of_each_depth() {
        let hasher = KeyHasher::new(3);
        let mut slices = vec![Slice::whole(1)];
        for depth in 0..6 {
            let mut found = vec![0; slices.len()];
            for key in 0..2000u64 {
                let hash = hasher.hash(&key);
                let holds: Vec<usize> = (0..slices.len())
                    .filter(|n| slices[*n].holds(1, hash))
                    .collect();
                let [slice] = holds[..] else {
                    panic!("{key} is in the slices {holds:?}");
                };
                found[slice] += 1;
                assert!(slices.iter().all(|slice| !slice.holds(0, hash)));
            }
            let even = 2000 >> depth;
            assert!(
                found.iter().all(|n| (even / 2..even * 2 + 1).contains(n)),
                "{found:?}"
            );
            slices = slices.into_iter().flat_map(Slice::halves).collect();
        }
    }
}
