//! [`Pane`]: the partial results of one pane, in the order of the groups that take turns.

/// One partial result for each key that occurs in a pane: all in memory, or all on the disk.
pub(super) struct Pane<V> {
    pub(super) number: u64,
    /// The key's slot.
    pub(super) slots: Vec<u32>,
    /// The key's partial result; when its group has had its turn, what is left of the key without this
    /// pane and those before.
    pub(super) values: Vec<Option<V>>,
    /// Whether they lie in the order of their groups: once no more can come.
    is_sorted: bool,
    /// How many are on the disk.
    on_disk: usize,
}

impl<V> Pane<V> {
    pub(super) fn new(number: u64, slots: Vec<u32>, values: Vec<Option<V>>) -> Self {
        Self {
            number,
            slots,
            values,
            is_sorted: false,
            on_disk: 0,
        }
    }

    /// How many entries there are, wherever they are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.on_disk
    }

    pub(super) fn on_disk(&self) -> usize {
        self.on_disk
    }

    /// All of it has been written.
    pub(super) fn spill(&mut self) {
        self.on_disk = self.slots.len();
        (self.slots, self.values) = (Vec::new(), Vec::new());
    }

    /// The entries in memory.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Option<&V>)> {
        let values = self.values.iter().map(Option::as_ref);
        self.slots.iter().copied().zip(values)
    }

    /// The places of a group's entries.
    pub(super) fn places_of(&self, group: u32, groups: u32) -> Vec<usize> {
        if !self.is_sorted {
            let places = self.slots.iter().enumerate();
            let places = places.filter(|(_, slot)| *slot % groups == group);
            return places.map(|(at, _)| at).collect();
        }
        let first = self.slots.partition_point(|slot| slot % groups < group);
        let rest = self.slots.get(first..).unwrap_or_default();
        let count = rest.partition_point(|slot| slot % groups == group);
        (first..first + count).collect()
    }

    /// No more comes: puts the entries in the order of their groups.
    pub(super) fn close(&mut self, groups: u32) {
        if std::mem::replace(&mut self.is_sorted, true) || groups == 1 {
            return;
        }
        let mut ends = vec![0usize; groups as usize + 1];
        for slot in &self.slots {
            if let Some(count) = ends.get_mut((slot % groups) as usize + 1) {
                *count += 1;
            }
        }
        let mut end = 0;
        for place in &mut ends {
            end += *place;
            *place = end;
        }
        let count = self.slots.len();
        let mut slots = vec![0; count];
        let mut values: Vec<Option<V>> = std::iter::repeat_with(|| None).take(count).collect();
        let entries = std::mem::take(&mut self.slots).into_iter();
        for (slot, value) in entries.zip(std::mem::take(&mut self.values)) {
            let Some(next) = ends.get_mut((slot % groups) as usize) else {
                continue;
            };
            if let (Some(to_slot), Some(to_value)) = (slots.get_mut(*next), values.get_mut(*next)) {
                (*to_slot, *to_value) = (slot, value);
            }
            *next += 1;
        }
        (self.slots, self.values) = (slots, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_puts_groups_together_and_changes_nothing_else() {
        let slots: Vec<u32> = vec![5, 0, 7, 3, 9, 4, 2, 12];
        let values: Vec<Option<u32>> = slots.iter().map(|slot| Some(slot * 10)).collect();
        let mut pane = Pane::new(1, slots.clone(), values);
        let of = |pane: &Pane<u32>, group| -> Vec<u32> {
            pane.places_of(group, 3)
                .iter()
                .map(|at| pane.slots[*at])
                .collect()
        };
        let before: Vec<Vec<u32>> = (0..3).map(|group| of(&pane, group)).collect();
        assert_eq!(before[0], [0, 3, 9, 12]);
        pane.close(3);
        let after: Vec<Vec<u32>> = (0..3).map(|group| of(&pane, group)).collect();
        assert_eq!(before, after);
        assert!(pane.iter().all(|(slot, value)| value == Some(&(slot * 10))));
        assert_eq!(pane.slots.len(), slots.len());
    }
}
