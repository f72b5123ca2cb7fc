//! `tidemill wal dump`: the logs, entry by entry, one JSON object a line.
//!
//! Works beside a live driver: what it is just about to write ends the dump, and what it cleans up
//! meanwhile is left out.

use bytes::Bytes;
use serde_json::{Map, Value};
use tidemill_wal::Entry;

use super::args::DumpArgs;
use super::error::{CliError, Result};
use super::location::{self, FoundLog, WhichLog};
use super::output::{Fields, Output, opaque};
use crate::block::{Block, BlockInfo, Event, GIVEN_UP};

/// Prints every entry of the driver's log, then of the block log, each in its order.
pub(super) fn dump(args: &DumpArgs) -> Result<()> {
    let mut out = Output::new();
    let mut failures = Vec::new();
    for log in location::logs(&args.location, &args.sets.set)? {
        let mut entries = log.reader.entries();
        while let Some(entry) = entries.next() {
            let described = entry
                .map_err(|error| error.to_string())
                .and_then(|entry| describe(&log, &entry, entries.place(entry.position)))
                .map(|line| out.json_line(&line));
            match described {
                Ok(written) => written?,
                Err(reason) => failures.push(format!("{}: {reason}", log.which.name())),
            }
        }
    }
    out.finish()?;
    match failures.is_empty() {
        true => Ok(()),
        false => Err(CliError::Failed(format!(
            "not all of it could be read:\n{}",
            failures.join("\n")
        ))),
    }
}

/// An entry with its place in front.
fn describe(
    log: &FoundLog,
    entry: &Entry,
    (file, offset): (String, u64),
) -> std::result::Result<Fields, String> {
    let contents = match log.which {
        _ if entry.kind == GIVEN_UP => Ok(Fields::default().with("event", "GivenUp")),
        WhichLog::Driver => event(entry.kind, &entry.payload),
        WhichLog::Blocks => block(&entry.payload),
    };
    let contents = contents.map_err(|reason| format!("{file}, offset {offset}: {reason}"))?;
    let place = Fields::default()
        .with("log", log.which.name())
        .with("sequence", entry.sequence.0)
        .with("file", file)
        .with("offset", offset);
    Ok(place.and(contents))
}

fn event(kind: u8, payload: &[u8]) -> std::result::Result<Fields, String> {
    let named = |name: &'static str| Fields::default().with("event", name);
    Ok(match Event::decode(kind, payload)? {
        Event::BlockAddition(event) => named("BlockAdditionEvent")
            .with("stream", event.stream.as_str())
            .and(block_info(&event.block)),
        Event::BatchAllocation(event) => {
            let blocks = event.blocks.iter().map(|(stream, blocks)| {
                let ids = blocks.iter().map(|id| Value::from(id.to_string()));
                (stream.to_string(), Value::Array(ids.collect()))
            });
            let plans = event
                .plans
                .iter()
                .map(|(stream, plan)| (stream.to_string(), opaque(plan)));
            named("BatchAllocationEvent")
                .with("time", event.time.as_millis())
                .with("blocks", blocks.collect::<Map<_, _>>())
                .with("plans", plans.collect::<Map<_, _>>())
        }
        Event::BatchCleanup(event) => {
            let times: Vec<u64> = event.times.iter().map(|time| time.as_millis()).collect();
            named("BatchCleanupEvent").with("times", times)
        }
    })
}

/// A block without its data; `dataSequence` is its entry in the block log.
pub(super) fn block_info(info: &BlockInfo) -> Fields {
    let data = info.position.map(|position| position.sequence.0);
    Fields::default()
        .with("block", info.id.to_string())
        .with("records", info.records)
        .with("bytes", info.bytes)
        .with("cut", info.cut_ms)
        .with("dataSequence", data)
}

fn block(payload: &Bytes) -> std::result::Result<Fields, String> {
    let (stream, id, block) = Block::from_payload(payload.clone())?;
    Ok(Fields::default()
        .with("stream", stream.as_str())
        .with("block", id.to_string())
        .with("records", block.records())
        .with("bytes", block.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperatorUid;
    use crate::Time;
    use crate::block::{BatchAllocationEvent, BlockId};

    #[test]
    fn an_allocation_names_its_blocks_and_plans() {
        let stream = OperatorUid::new("lines");
        let files = OperatorUid::new("files");
        let allocation = Event::BatchAllocation(BatchAllocationEvent {
            time: Time::from_millis(5000),
            blocks: [(
                stream,
                vec![BlockId {
                    epoch: 1,
                    number: 7,
                }],
            )]
            .into(),
            plans: [(files, serde_bytes::ByteBuf::from(vec![1, 0x92, 1, 2]))].into(),
        });
        let (kind, payload) = allocation.encode().unwrap();
        let meant = r#"{"event":"BatchAllocationEvent","time":5000,"blocks":{"lines":["1-7"]},"plans":{"files":[1,2]}}"#;
        assert_eq!(
            serde_json::to_string(&event(kind, &payload).unwrap()).unwrap(),
            meant
        );
        assert!(event(99, &payload).is_err());
        assert!(block(&payload).is_err());
    }
}
