//! When the chunks of a chain are merged. Pure: sizes in, decision out.
//!
//! Two things make a chain costly to read: deltas that are large beside their base, and deltas that
//! are many. The first is cured by merging everything into a new base; it happens only after deltas
//! worth a fixed share of the base have been written, so its cost is a constant for each byte that
//! changed. The second must not be cured that way: a large base with a few small deltas would be
//! rewritten every few checkpoints, however little changed. So many deltas are merged among themselves,
//! the newest ones first and older ones only while they are not much larger than those: each entry is
//! then rewritten a logarithmic number of times before it reaches the base.

/// The limits of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldPolicy {
    /// Deltas of more than this share of their base's bytes are merged into it.
    pub ratio: f64,
    /// More deltas than this are merged among themselves; 0 counts as 1.
    pub max_deltas: usize,
}

impl Default for FoldPolicy {
    fn default() -> Self {
        Self {
            ratio: 0.5,
            max_deltas: 8,
        }
    }
}

/// What is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Nothing.
    Nothing,
    /// This many of the newest deltas, into one delta.
    Newest(usize),
    /// Everything, into a new base.
    All,
}

impl FoldPolicy {
    /// Decides for a chain whose newest delta is about to be added: `base` and `deltas` (oldest first,
    /// the new one included) are sizes in bytes.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio of sizes needs no exact ones"
    )]
    pub fn decide(&self, base: u64, deltas: &[u64]) -> Fold {
        let total: u64 = deltas.iter().sum();
        if total as f64 > self.ratio * base as f64 {
            return Fold::All;
        }
        let allowed = self.max_deltas.max(1);
        if deltas.len() <= allowed {
            return Fold::Nothing;
        }
        // So many that the rest fits, and half of them, so that the next merge is some checkpoints away.
        let least = deltas
            .len()
            .saturating_sub(allowed)
            .max(allowed / 2)
            .saturating_add(1);
        let (mut count, mut merged) = (0, 0_u64);
        for &bytes in deltas.iter().rev() {
            if count >= least && bytes > merged.saturating_mul(2) {
                break;
            }
            count += 1;
            merged = merged.saturating_add(bytes);
        }
        Fold::Newest(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_rewritten_only_when_much_of_it_changed() {
        let policy = FoldPolicy::default();
        assert_eq!(policy.decide(1000, &[500]), Fold::Nothing);
        assert_eq!(policy.decide(1000, &[300, 201]), Fold::All);
        assert_eq!(policy.decide(0, &[1]), Fold::All);
        assert_eq!(policy.decide(0, &[]), Fold::Nothing);
        assert_eq!(policy.decide(10_000, &[10; 9]), Fold::Newest(9));
        for max_deltas in [0, 1] {
            let policy = FoldPolicy {
                max_deltas,
                ..policy
            };
            assert_eq!(policy.decide(10_000, &[10]), Fold::Nothing);
            assert_eq!(policy.decide(10_000, &[900, 10]), Fold::Newest(2));
            assert_eq!(policy.decide(10_000, &[900, 10, 10, 10]), Fold::Newest(4));
        }
        assert_eq!(
            policy.decide(10_000, &[2000, 10, 10, 10, 10, 10, 10, 10, 10]),
            Fold::Newest(8)
        );
    }

    #[test]
    fn the_cost_follows_what_changed_and_the_chain_stays_short() {
        let policy = FoldPolicy::default();
        let (mut base, mut deltas, mut written) = (10_000_000_u64, Vec::new(), 0_u64);
        let rounds = 20_000_u64;
        for _ in 0..rounds {
            deltas.push(1000);
            match policy.decide(base, &deltas) {
                Fold::Nothing => written += 1000,
                Fold::Newest(count) => {
                    let merged: u64 = deltas.split_off(deltas.len() - count).iter().sum();
                    written += merged;
                    deltas.push(merged);
                }
                Fold::All => {
                    base += deltas.drain(..).sum::<u64>();
                    written += base;
                }
            }
            assert!(deltas.len() <= policy.max_deltas);
        }
        let amplification = written as f64 / (rounds * 1000) as f64;
        assert!(
            amplification < 12.0,
            "wrote {amplification} bytes for each one that changed"
        );
    }
}
