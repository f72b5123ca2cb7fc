//! What is worth putting together: the decision alone.
//!
//! Slots count as level 0, a run of them as level 1, a run of such runs as level 2. What is put together is
//! a stretch without gaps of so many of one level, with what of lower levels lies between; so each byte is
//! written again once for each level at most.

use super::names::Slot;

/// An object that holds one slot, or several in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) first: Slot,
    pub(super) last: Slot,
    pub(super) bytes: u64,
    pub(super) is_run: bool,
}

/// What counts as many, and what as small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How many make a run.
    pub(super) many: usize,
    /// A slot below this is small.
    pub(super) small_bytes: u64,
    /// A run doesn't get larger than this.
    pub(super) run_bytes: u64,
}

impl Extent {
    fn level(&self, many: usize) -> u32 {
        let slots = self.last.0.saturating_sub(self.first.0).saturating_add(1);
        match self.is_run {
            false => 0,
            true => slots.ilog(many.max(2) as u64).max(1),
        }
    }

    fn is_small(&self, terms: Terms) -> bool {
        match self.is_run {
            false => self.bytes < terms.small_bytes,
            true => self.bytes <= terms.run_bytes / 2,
        }
    }
}

/// The first and last slot of what is to become one run; `extents` are in order.
pub(super) fn plan(extents: &[Extent], terms: Terms) -> Option<(Slot, Slot)> {
    let levels = extents
        .iter()
        .map(|extent| extent.level(terms.many))
        .max()?;
    (0..=levels).find_map(|level| {
        let mut stretch = Stretch::default();
        for extent in extents {
            let fits = extent.level(terms.many) <= level && extent.is_small(terms);
            if !fits || !stretch.goes_on_with(extent) {
                stretch = Stretch::default();
            }
            if !fits {
                continue;
            }
            if stretch.bytes.saturating_add(extent.bytes) > terms.run_bytes {
                // As large as it gets: worth it though they aren't so many.
                if stretch.count > 1 && stretch.bytes >= terms.run_bytes / 2 {
                    return stretch.ends();
                }
                stretch = Stretch::default();
            }
            stretch.add(extent, extent.level(terms.many) == level);
            if stretch.of_level >= terms.many {
                return stretch.ends();
            }
        }
        None
    })
}

/// Extents without a gap.
#[derive(Debug, Default)]
struct Stretch {
    ends: Option<(Slot, Slot)>,
    bytes: u64,
    count: usize,
    /// How many of them are of the level that is looked for.
    of_level: usize,
}

impl Stretch {
    fn goes_on_with(&self, extent: &Extent) -> bool {
        self.ends
            .is_none_or(|(_, last)| last.next() == extent.first)
    }

    fn add(&mut self, extent: &Extent, is_of_level: bool) {
        let first = self.ends.map_or(extent.first, |(first, _)| first);
        self.ends = Some((first, extent.last));
        self.bytes = self.bytes.saturating_add(extent.bytes);
        self.count += 1;
        self.of_level += usize::from(is_of_level);
    }

    fn ends(&self) -> Option<(Slot, Slot)> {
        self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        many: 4,
        small_bytes: 100,
        run_bytes: 1_000,
    };

    fn slot(number: u64, bytes: u64) -> Extent {
        Extent {
            first: Slot(number),
            last: Slot(number),
            bytes,
            is_run: false,
        }
    }

    fn run(first: u64, last: u64, bytes: u64) -> Extent {
        Extent {
            first: Slot(first),
            last: Slot(last),
            bytes,
            is_run: true,
        }
    }

    fn planned(extents: &[Extent]) -> Option<(u64, u64)> {
        plan(extents, TERMS).map(|(first, last)| (first.0, last.0))
    }

    #[test]
    fn so_many_small_slots_in_a_row_make_a_run() {
        let slots: Vec<_> = (5..8).map(|number| slot(number, 50)).collect();
        assert_eq!(planned(&slots), None);
        let slots: Vec<_> = (5..12).map(|number| slot(number, 50)).collect();
        assert_eq!(planned(&slots), Some((5, 8)));
        assert_eq!(planned(&[]), None);
    }

    #[test]
    fn large_slots_and_gaps_are_in_the_way() {
        let mut slots: Vec<_> = (0..7).map(|number| slot(number, 50)).collect();
        slots[3].bytes = 100;
        assert_eq!(planned(&slots), None);
        slots.remove(3);
        assert_eq!(planned(&slots), None);
        slots.push(slot(7, 50));
        assert_eq!(planned(&slots), Some((4, 7)));
    }

    #[test]
    fn so_many_small_runs_make_a_larger_one() {
        let mut runs: Vec<_> = (0..4).map(|n| run(n * 4, n * 4 + 3, 100)).collect();
        assert_eq!(planned(&runs), Some((0, 15)));
        runs.insert(4, slot(16, 50));
        assert_eq!(planned(&runs), Some((0, 15)));
        // Not yet: one of them has been through it, and three are left.
        let runs = [
            run(0, 15, 400),
            run(16, 19, 50),
            run(20, 23, 50),
            run(24, 27, 50),
        ];
        assert_eq!(planned(&runs), None);
    }

    #[test]
    fn a_run_is_closed_when_it_is_as_large_as_it_gets() {
        let terms = Terms { many: 40, ..TERMS };
        let slots: Vec<_> = (0..20).map(|number| slot(number, 90)).collect();
        let planned = plan(&slots, terms);
        assert_eq!(planned, Some((Slot(0), Slot(10))));
    }
}
