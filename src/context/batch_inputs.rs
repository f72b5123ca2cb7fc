//! [`BatchInput`]: what a batch is made of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::StreamingContext;
use crate::block::BlockInfo;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What a batch holds of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchInput {
    /// The input.
    pub stream_name: OperatorUid,
    /// Where it reads from; `None` for an input that the program has no more.
    pub location: Option<String>,
    /// Its records, where that is known before they are read.
    pub records: Option<u64>,
    /// The blocks that were received; `None` when the batch has been cleaned up, and for a direct source.
    pub blocks: Option<Vec<InputBlock>>,
    /// Bytes of what a direct source planned to read; `None` when the batch has been cleaned up.
    pub plan_bytes: Option<u64>,
}

/// A block of records that were received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputBlock {
    /// Its name: the epoch of the driver that cut it, and its number.
    pub id: String,
    /// Its records.
    pub records: u64,
    /// Bytes of its records.
    pub bytes: u64,
    /// When it was cut.
    pub cut: Time,
    /// Its number in the block log; `None` when it is in memory only.
    pub sequence: Option<u64>,
}

impl InputBlock {
    fn of(info: &BlockInfo) -> Self {
        Self {
            id: info.id.to_string(),
            records: info.records,
            bytes: info.bytes,
            cut: Time::from_millis(info.cut_ms),
            sequence: info.position.map(|position| position.sequence.0),
        }
    }
}

impl StreamingContext {
    /// What the batch at `time` is made of, by input; `None` when nothing is known of it, or no longer. Blocks are
    /// known until the batch is cleaned up, figures for as long as the batch is among the
    /// [retained](crate::Builder::retained_batches).
    ///
    /// ```
    /// # fn show(context: &tidemill::StreamingContext, time: tidemill::Time) {
    /// for input in context.batch_inputs(time).unwrap_or_default() {
    ///     println!("{}: {:?} records", input.stream_name, input.records);
    /// }
    /// # }
    /// ```
    pub fn batch_inputs(&self, time: Time) -> Option<Vec<BatchInput>> {
        let allocation = self
            .engine()
            .and_then(|engine| engine.intake.tracker.allocation(time));
        let info = self.0.progress.batch(time);
        if allocation.is_none() && info.is_none() {
            return None;
        }
        let locations: BTreeMap<OperatorUid, String> = self
            .sources()
            .into_iter()
            .map(|source| (source.uid, source.location))
            .collect();
        let mut inputs: BTreeMap<OperatorUid, BatchInput> = BTreeMap::new();
        let mut of = |uid: &OperatorUid, change: &dyn Fn(&mut BatchInput)| {
            let input = inputs.entry(uid.clone()).or_insert_with(|| BatchInput {
                stream_name: uid.clone(),
                location: locations.get(uid).cloned(),
                records: None,
                blocks: None,
                plan_bytes: None,
            });
            change(input);
        };
        for (uid, records) in info.iter().flat_map(|info| &*info.stream_records) {
            of(uid, &|input| input.records = Some(*records));
        }
        let allocation = allocation.unwrap_or_default();
        for (uid, blocks) in &allocation.blocks {
            of(uid, &|input| {
                input.blocks = Some(blocks.iter().map(InputBlock::of).collect());
            });
        }
        for (uid, plan) in &allocation.plans {
            of(uid, &|input| input.plan_bytes = Some(plan.len() as u64));
        }
        Some(inputs.into_values().collect())
    }
}
