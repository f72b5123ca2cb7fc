//! [`Migrations`]: how a state that was written as older types becomes one of the program's.
//!
//! A step leads from one version to the next, for keys or for values; steps form a chain, each taking what
//! the one before gives and the last giving what the program holds. A version without a step leaves the
//! type as it is. What is migrated is written anew, whole, with the next checkpoint.

use std::any::{Any, TypeId, type_name};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;
use tidemill_checkpoint::{Chain, Chunk};

use super::keyed::KeyedState;
use super::mark::Mark;
use super::restore::{ChunkSource, Written};
use super::shelf::Held;
use super::{AnyState, StateKey, StateValue};
use crate::rdd::{BoxError, Executor, TaskError};

/// The version of a state whose version isn't set.
pub(crate) const FIRST_VERSION: u32 = 1;

/// A key or value of whatever type.
type Boxed = Box<dyn Any>;

/// A Rust type, for comparison and for messages.
#[derive(Debug, Clone, Copy)]
struct Type {
    id: TypeId,
    name: &'static str,
}

impl Type {
    fn of<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        }
    }
}

/// What a state consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Keys,
    Values,
}

impl Part {
    fn method(self) -> &'static str {
        match self {
            Self::Keys => "migrate_keys",
            Self::Values => "migrate_state",
        }
    }
}

type Decode = dyn Fn(&[u8]) -> Result<Boxed, TaskError> + Send + Sync;
type DecodeList = dyn Fn(&[u8]) -> Result<Vec<(u32, Boxed)>, TaskError> + Send + Sync;
type Convert = dyn Fn(Boxed) -> Result<Boxed, TaskError> + Send + Sync;

/// From one version to the next.
struct Step {
    old: Type,
    new: Type,
    decode: Box<Decode>,
    decode_list: Box<DecodeList>,
    convert: Box<Convert>,
    caller: &'static Location<'static>,
}

/// A mistake in a state's migrations, and the line that made it.
pub(crate) type Flaw = (String, &'static Location<'static>);

/// The version of a state and its steps.
pub(crate) struct Migrations {
    key: Type,
    value: Type,
    steps: RwLock<Steps>,
}

struct Steps {
    version: u32,
    keys: BTreeMap<u32, Step>,
    values: BTreeMap<u32, Step>,
}

impl Steps {
    /// The steps that lead on from a version.
    fn from(&self, part: Part, from: u32) -> impl Iterator<Item = &Step> {
        let chain = match part {
            Part::Keys => &self.keys,
            Part::Values => &self.values,
        };
        chain.range(from..).map(|(_, step)| step)
    }
}

impl Migrations {
    pub(crate) fn new<K: 'static, S: 'static>() -> Self {
        Self {
            key: Type::of::<K>(),
            value: Type::of::<S>(),
            steps: RwLock::new(Steps {
                version: FIRST_VERSION,
                keys: BTreeMap::new(),
                values: BTreeMap::new(),
            }),
        }
    }

    /// The version of the program's types.
    pub(crate) fn version(&self) -> u32 {
        self.steps().version
    }

    pub(crate) fn set_version(&self, version: u32) {
        self.steps_mut().version = version;
    }

    /// The versions that have a step to the next.
    pub(crate) fn versions_left(&self) -> BTreeSet<u32> {
        let steps = self.steps();
        steps
            .keys
            .keys()
            .chain(steps.values.keys())
            .copied()
            .collect()
    }

    /// Registers a step; `false` when there is one for this version.
    pub(crate) fn add<Old: DeserializeOwned + 'static, New: 'static>(
        &self,
        part: Part,
        from: u32,
        caller: &'static Location<'static>,
        f: impl Fn(Old) -> New + Send + Sync + 'static,
    ) -> bool {
        let step = Step {
            old: Type::of::<Old>(),
            new: Type::of::<New>(),
            decode: Box::new(|bytes| Ok(Box::new(decode::<Old>(bytes)?))),
            decode_list: Box::new(|bytes| {
                let list = decode::<Vec<(u32, Old)>>(bytes)?.into_iter();
                Ok(list
                    .map(|(number, old)| (number, Box::new(old) as Boxed))
                    .collect())
            }),
            convert: Box::new(move |old| {
                let old: Box<Old> = downcast(old)?;
                Ok(Box::new(f(*old)))
            }),
            caller,
        };
        let mut steps = self.steps_mut();
        let steps = match part {
            Part::Keys => &mut steps.keys,
            Part::Values => &mut steps.values,
        };
        let is_new = !steps.contains_key(&from);
        steps.entry(from).or_insert(step);
        is_new
    }

    /// Steps that don't fit together.
    pub(crate) fn flaws(&self) -> Vec<Flaw> {
        let steps = self.steps();
        let mut flaws = Vec::new();
        for (part, chain, end) in [
            (Part::Keys, &steps.keys, self.key),
            (Part::Values, &steps.values, self.value),
        ] {
            let method = part.method();
            for (from, step) in chain.range(steps.version..) {
                flaws.push((
                    format!(
                        "{method} from version {from}, but the state's version is {}: set \
                         .state_version({}), or correct the step",
                        steps.version,
                        from.saturating_add(1)
                    ),
                    step.caller,
                ));
            }
            let mut steps = chain.range(..steps.version).peekable();
            while let Some((from, step)) = steps.next() {
                let (next, taker) = match steps.peek() {
                    Some((next, step)) => (step.old, format!("{method} from version {next} takes")),
                    None => (end, "the program holds".to_owned()),
                };
                if step.new.id != next.id {
                    flaws.push((
                        format!(
                            "{method} from version {from} gives `{}`, and {taker} `{}`",
                            step.new.name, next.name
                        ),
                        step.caller,
                    ));
                }
            }
        }
        flaws
    }

    /// A key or value of version `from` as one of the program's; where no step leads on from there, it is
    /// read as that.
    pub(super) fn read<T: DeserializeOwned + 'static>(
        &self,
        part: Part,
        from: u32,
        bytes: &[u8],
    ) -> Result<T, TaskError> {
        let steps = self.steps();
        let mut chain = steps.from(part, from).peekable();
        match chain.peek() {
            Some(first) => converted((first.decode)(bytes)?, chain),
            None => decode(bytes),
        }
    }

    /// As [`Migrations::read`], for values that are written as a list, each behind a number.
    pub(super) fn read_list<T: DeserializeOwned + 'static>(
        &self,
        from: u32,
        bytes: &[u8],
    ) -> Result<Vec<(u32, T)>, TaskError> {
        let steps = self.steps();
        let mut chain = steps.from(Part::Values, from);
        let Some(first) = chain.next() else {
            return decode(bytes);
        };
        let list = (first.decode_list)(bytes)?.into_iter();
        list.map(|(number, old)| {
            let chain = steps.from(Part::Values, from);
            Ok((number, converted(old, chain)?))
        })
        .collect()
    }

    fn steps(&self) -> RwLockReadGuard<'_, Steps> {
        self.steps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn steps_mut(&self) -> RwLockWriteGuard<'_, Steps> {
        self.steps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a chain of steps makes of something old.
fn converted<'a, T: 'static>(
    mut value: Boxed,
    chain: impl Iterator<Item = &'a Step>,
) -> Result<T, TaskError> {
    for step in chain {
        value = (step.convert)(value)?;
    }
    Ok(*downcast::<T>(value)?)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TaskError> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        TaskError::new(format!(
            "it can't be read as `{}`: {error}",
            type_name::<T>()
        ))
    })
}

/// The chain has been checked before the start, so this can't fail.
fn downcast<T: 'static>(value: Boxed) -> Result<Box<T>, TaskError> {
    value.downcast().map_err(|_| {
        let name = type_name::<T>();
        TaskError::new(format!("a migration doesn't give what is wanted, `{name}`"))
    })
}

/// Fills `state` with what was written in an older version; the next checkpoint holds all of it.
pub(super) fn restore_migrated<K: StateKey, S: StateValue, M: Mark>(
    state: &KeyedState<K, S, M>,
    written: &Written<'_>,
    executor: &Executor,
) -> Result<(), BoxError> {
    let (series, chunks, from) = (written.series, written.chunks, written.version);
    let hasher = executor.hasher();
    let read = executor.run(series.partitions.len(), |partition| {
        let Some(chain) = series.partitions.get(partition) else {
            return Ok(Vec::new());
        };
        let chunks = read_chunks(chain, chunks)?;
        let migrations = &state.migrations;
        let mut entries = Vec::new();
        // Tombstones and later values name keys as they were written, so the chain comes first.
        for (key, value) in latest(&chunks) {
            let (mark, value) = M::split(value).ok_or_else(|| {
                TaskError::new("a checkpointed state doesn't begin with its last batch")
            })?;
            let key: K = migrations.read(Part::Keys, from, key)?;
            let value: S = migrations.read(Part::Values, from, value)?;
            entries.push(Held::new(hasher.hash(&key), mark, (key, value)));
        }
        Ok(entries)
    })?;
    let entries: Vec<Held<K, S, M>> = read.into_iter().flatten().collect();
    let count = entries.len() as u64;
    state.install(entries)?;
    keys_kept_apart(count, state.keys())?;
    state.set_rewrite(true);
    state.set_merged_through(written.through);
    Ok(())
}

/// Refuses a migration that made the same key of different ones.
pub(super) fn keys_kept_apart(written: u64, kept: u64) -> Result<(), String> {
    match written.saturating_sub(kept) {
        0 => Ok(()),
        lost => Err(format!(
            "migrate_keys makes the same key of different ones, and {lost} of {written} states would be \
             lost: keep keys apart"
        )),
    }
}

fn read_chunks(chain: &Chain, chunks: &ChunkSource<'_>) -> Result<Vec<Chunk>, TaskError> {
    let read = chain
        .chunks()
        .map(|chunk| chunks(chunk).map_err(TaskError::new));
    read.collect()
}

/// The last value of each key that isn't gone.
fn latest(chunks: &[Chunk]) -> HashMap<&[u8], &[u8]> {
    let mut latest = HashMap::new();
    for (key, value) in chunks.iter().flat_map(Chunk::iter) {
        match value {
            Some(value) => latest.insert(key, value),
            None => latest.remove(key),
        };
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Migrations {
        let migrations = Migrations::new::<String, String>();
        let here = Location::caller();
        assert!(migrations.add(Part::Values, 1, here, |old: u64| old as i64));
        assert!(migrations.add(Part::Values, 2, here, |old: i64| old.to_string()));
        assert!(migrations.add(Part::Keys, 2, here, |old: u8| old.to_string()));
        migrations.set_version(3);
        migrations
    }

    #[test]
    fn steps_are_taken_from_where_a_state_was_written() {
        let migrations = chain();
        assert!(migrations.flaws().is_empty());
        assert_eq!(migrations.versions_left(), [1, 2].into());
        let seven = rmp_serde::to_vec(&7u8).unwrap();
        for from in [1, 2] {
            let value: String = migrations.read(Part::Values, from, &seven).unwrap();
            let key: String = migrations.read(Part::Keys, from, &seven).unwrap();
            assert_eq!((value.as_str(), key.as_str()), ("7", "7"));
        }
        let text = rmp_serde::to_vec("text").unwrap();
        let value: String = migrations.read(Part::Values, 3, &text).unwrap();
        assert_eq!(value, "text");
        assert!(migrations.read::<String>(Part::Values, 2, &text).is_err());
    }

    #[test]
    fn steps_that_do_not_fit_are_told() {
        let migrations = chain();
        assert!(!migrations.add(Part::Values, 1, Location::caller(), |old: u64| old));
        migrations.set_version(2);
        let flaws: Vec<String> = migrations
            .flaws()
            .into_iter()
            .map(|(text, _)| text)
            .collect();
        let flaws = flaws.join("\n");
        for part in [
            "migrate_state from version 2, but the state's version is 2",
            "migrate_keys from version 2, but the state's version is 2",
            "gives `i64`, and the program holds `alloc::string::String`",
        ] {
            assert!(flaws.contains(part), "{part} isn't in:\n{flaws}");
        }
    }
}
