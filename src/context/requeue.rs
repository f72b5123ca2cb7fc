//! Dead letters put back into the inputs that they came from.
//!
//! Invariant: the letters of a batch are a block of their own for each input, and the event that adds the block
//! says whose letters it holds. So one entry of the driver's log both puts them back and says that they are:
//! whatever is killed when, and however often it's asked for, they are in one further batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use tidemill_storage::failpoint;

use super::StreamingContext;
use crate::block::Tracker;
use crate::dead_letters::{DeadLetter, read};
use crate::error::{Error, Result};
use crate::receiver::CloseReceiver;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What became of the letters of a batch that were to be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequeuedBatch {
    /// The batch.
    pub batch_time: Time,
    /// Records of inputs that were put back now. One that several letters came of is put back once.
    pub records: u64,
    /// Inputs whose letters of this batch had been put back before.
    pub already: Vec<OperatorUid>,
    /// How many letters can't be put back, by why.
    pub left: BTreeMap<String, u64>,
}

impl StreamingContext {
    /// Puts the records that dead letters came from back into their inputs, exactly once: those of the batch
    /// at `batch`, or of all. They are in the next batch, as if they had just been received. Asked for again,
    /// it changes nothing.
    ///
    /// The whole record of the input is put back. Where an operator had made several of it, and only some
    /// couldn't be processed, the others are processed again.
    ///
    /// # Errors
    /// When the context isn't active, has no place for letters, that can't be read, or a log fails. What had
    /// been put back by then is put back.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).dead_letters(std::env::temp_dir().join("tidemill-doc-requeue").display().to_string()).build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// # lines.try_map(|line| line.parse::<u64>()).on_error(tidemill::rdd::ErrorPolicy::DeadLetters).print();
    /// context.start()?;
    /// // Every letter there is: none.
    /// assert!(context.requeue_dead_letters(None)?.is_empty());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn requeue_dead_letters(&self, batch: Option<Time>) -> Result<Vec<RequeuedBatch>> {
        let intake = self.0.intake.get();
        let intake = intake.ok_or(Error::WrongState("the context isn't active"))?;
        let office = &self.0.registry.dead_letters;
        let url = office.url().ok_or(Error::WrongState(
            "the program has no place for dead letters",
        ))?;
        let _alone = office
            .putting_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let letters = read(url).map_err(|error| Error::Unreadable {
            place: format!("the dead letters at {url}"),
            reason: error.to_string(),
        })?;
        let ways_in = self.ways_in(&intake.tracker);
        let renames = self.renames();
        let runtime = self.runtime()?;
        let mut all = Vec::new();
        let wanted = |time: &Time| batch.is_none_or(|batch| batch == *time);
        for (time, mut letters) in letters.into_iter().filter(|(time, _)| wanted(time)) {
            let sources = letters
                .iter_mut()
                .filter_map(|letter| letter.source.as_mut());
            sources.for_each(|source| *source = renames.of(source));
            let Sorted { by_source, left } = sort(time, &letters, &ways_in);
            let mut done = RequeuedBatch {
                batch_time: time,
                records: 0,
                already: Vec::new(),
                left,
            };
            for (source, (way_in, records)) in by_source {
                if intake.tracker.is_requeued(&source, time) {
                    done.already.push(source);
                    continue;
                }
                failpoint!("dead_letters::before_put_back");
                let put_back = runtime.block_on(way_in.put_back(time, &records));
                put_back.map_err(|error| {
                    Error::Fatal(format!(
                        "the dead letters of `{source}` aren't put back: {error}"
                    ))
                })?;
                failpoint!("dead_letters::after_put_back");
                done.records += records.len() as u64;
            }
            all.push(done);
        }
        Ok(all)
    }

    /// The inputs that take records in as they come.
    fn ways_in(&self, tracker: &Tracker) -> BTreeMap<OperatorUid, WayIn> {
        let inputs = self.inputs();
        let receivers = inputs.receivers.iter();
        receivers
            .filter_map(|receiver| {
                let uid = receiver.node.core().uid();
                let way_in = WayIn {
                    receiver: receiver.way_in()?,
                    withdrawn: tracker.withdrawn(&uid),
                };
                Some((uid, way_in))
            })
            .collect()
    }
}

/// An input that takes records in as they come.
struct WayIn {
    receiver: CloseReceiver,
    /// By block, up to which batch letters of its records don't count.
    withdrawn: BTreeMap<String, Time>,
}

/// Letters by whether and where they can be put back.
struct Sorted<'a> {
    by_source: BTreeMap<OperatorUid, (&'a CloseReceiver, Vec<Vec<u8>>)>,
    left: BTreeMap<String, u64>,
}

fn sort<'a>(
    time: Time,
    letters: &[DeadLetter],
    ways_in: &'a BTreeMap<OperatorUid, WayIn>,
) -> Sorted<'a> {
    let mut sorted = Sorted {
        by_source: BTreeMap::new(),
        left: BTreeMap::new(),
    };
    let mut seen = BTreeSet::new();
    for letter in letters {
        match way_back(time, letter, ways_in) {
            Ok((source, way_in, record)) => {
                if seen.insert((source, &letter.block, letter.offset)) {
                    let (_, records) = sorted
                        .by_source
                        .entry(source.clone())
                        .or_insert_with(|| (way_in, Vec::new()));
                    records.push(record);
                }
            }
            Err(why) => *sorted.left.entry(why).or_default() += 1,
        }
    }
    sorted
}

/// The record that a letter came of, and where it belongs; or why it can't be put back.
fn way_back<'l, 'a>(
    time: Time,
    letter: &'l DeadLetter,
    ways_in: &'a BTreeMap<OperatorUid, WayIn>,
) -> std::result::Result<(&'l OperatorUid, &'a CloseReceiver, Vec<u8>), String> {
    let Some(source) = &letter.source else {
        return Err("it isn't known which record they came from".to_owned());
    };
    let Some(way_in) = ways_in.get(source) else {
        return Err(format!(
            "`{source}` isn't an input that takes records in: hand them in where it reads from"
        ));
    };
    let through = letter
        .block
        .as_ref()
        .and_then(|block| way_in.withdrawn.get(block));
    if through.is_some_and(|through| time <= *through) {
        return Err(
            "their records waited in the savepoint that was gone back to, and are in a later batch"
                .to_owned(),
        );
    }
    let receiver = &way_in.receiver;
    let record = letter.source_record(receiver.encoding());
    let record = record.ok_or_else(|| format!("their records aren't of the type of `{source}`"))?;
    Ok((source, receiver, record))
}
