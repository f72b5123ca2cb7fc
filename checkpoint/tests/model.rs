//! Random histories against plain maps: deltas, full partitions, tombstones, reopening, folding.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use std::collections::BTreeMap;

use common::{Model, options, places, restore};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tidemill_checkpoint::{
    CheckpointReader, CheckpointStore, ChunkBuilder, Draft, FoldPolicy, PartitionChanges,
    SeriesChanges, StoreOptions,
};

const PARTITIONS: usize = 2;

type Changes = BTreeMap<u8, Option<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Step {
    Write {
        series: usize,
        partitions: Vec<(bool, Changes)>,
    },
    /// The other series' changes only.
    Drop(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::weighted(0.7, vec(any::<u8>(), 0..40));
    let changes = btree_map(any::<u8>(), value, 0..12);
    let partitions = vec((proptest::bool::weighted(0.1), changes), PARTITIONS);
    prop_oneof![
        12 => (0..2_usize, partitions)
            .prop_map(|(series, partitions)| Step::Write { series, partitions }),
        1 => (0..2_usize).prop_map(Step::Drop),
        2 => Just(Step::Reopen),
    ]
}

fn name(series: usize) -> String {
    format!("series {series}")
}

fn options_of(policy: FoldPolicy) -> StoreOptions {
    let mut options = options();
    options.fold = policy;
    options
}

fn changes_of(series: usize, partitions: &[(bool, Changes)]) -> SeriesChanges {
    let partitions = partitions.iter().map(|(full, changes)| {
        let mut builder = ChunkBuilder::new();
        // Backwards, so that sorting has something to do.
        for (key, value) in changes.iter().rev() {
            builder.push(&[*key], value.as_deref());
        }
        PartitionChanges {
            full: *full,
            builder,
        }
    });
    SeriesChanges {
        name: name(series),
        format: 1,
        partitions: partitions.collect(),
    }
}

fn apply(model: &mut Model, partitions: &[(bool, Changes)]) {
    model.resize_with(PARTITIONS, BTreeMap::new);
    for (map, (full, changes)) in model.iter_mut().zip(partitions) {
        if *full {
            map.clear();
        }
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(vec![*key], value.clone()),
                None => map.remove(&vec![*key]),
            };
        }
    }
}

fn check(store: &CheckpointStore, model: &BTreeMap<usize, Model>) {
    let newest = store.newest().unwrap();
    assert!(newest.skipped.is_empty());
    let Some(manifest) = newest.manifest else {
        assert!(model.is_empty());
        return;
    };
    assert_eq!(manifest.series.len(), model.len());
    for (series, expected) in model {
        assert_eq!(&restore(store, &manifest, &name(*series)), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map_of_maps(
        steps in vec(step(), 1..40),
        max_deltas in 1..5_usize,
        ratio in 0.1..4.0_f64,
    ) {
        for place in places() {
            let open = || {
                let options = options_of(FoldPolicy { ratio, max_deltas });
                CheckpointStore::open(&place.location, options).unwrap()
            };
            let mut store = open();
            let mut model: BTreeMap<usize, Model> = BTreeMap::new();
            for (step, time) in steps.iter().zip(1..) {
                let mut draft = Draft { time_ms: time, ..Draft::default() };
                let others = |but: usize| {
                    model.keys().filter(|key| **key != but).map(|key| name(*key)).collect()
                };
                match step {
                    Step::Write { series, partitions } => {
                        draft.unchanged = others(*series);
                        draft.series = vec![changes_of(*series, partitions)];
                        store.write(draft).unwrap();
                        apply(model.entry(*series).or_default(), partitions);
                    }
                    Step::Drop(series) => {
                        draft.unchanged = others(*series);
                        store.write(draft).unwrap();
                        model.remove(series);
                    }
                    Step::Reopen => {
                        drop(store);
                        store = open();
                    }
                }
                let manifest = store.newest().unwrap().manifest;
                let chains = manifest.iter().flat_map(|manifest| &manifest.series);
                for chain in chains.flat_map(|series| &series.partitions) {
                    prop_assert!(chain.deltas.len() <= max_deltas);
                }
            }
            check(&store, &model);
            drop(store);
            check(&open(), &model);
            let verification = CheckpointReader::open(&place.location).unwrap().verify().unwrap();
            prop_assert!(verification.is_whole() && verification.orphans.is_empty());
            if let tidemill_checkpoint::Location::Sled(path) = &place.location {
                let blobs = std::fs::read_dir(path.join("index/blobs"));
                prop_assert_eq!(blobs.map_or(0, |names| names.count()), 0);
            }
        }
    }
}
