//! [`Told`]: what an entry of a log says, as JSON.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::location::WhichLog;
use super::super::output::{Fields, opaque};
use crate::OperatorUid;
use crate::block::{Block, BlockId, BlockInfo, Event, GIVEN_UP};

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Event(Event),
    /// Received data.
    Block {
        stream: OperatorUid,
        id: BlockId,
        records: u64,
        bytes: u64,
    },
    /// It was lost to damage, and `wal repair` has marked its place.
    GivenUp,
}

impl Told {
    /// Reads an entry's payload; an error says what is wrong with it.
    pub(super) fn read(log: WhichLog, kind: u8, payload: Bytes) -> Result<Self, String> {
        match log {
            _ if kind == GIVEN_UP => Ok(Self::GivenUp),
            WhichLog::Driver => Event::decode(kind, &payload).map(Self::Event),
            WhichLog::Blocks => {
                let (stream, id, block) = Block::from_payload(payload)?;
                Ok(Self::Block {
                    stream,
                    id,
                    records: block.records(),
                    bytes: block.len() as u64,
                })
            }
        }
    }

    pub(super) fn fields(&self) -> Fields {
        let named = |name: &'static str| Fields::default().with("event", name);
        match self {
            Self::GivenUp => named("GivenUp"),
            Self::Block {
                stream,
                id,
                records,
                bytes,
            } => Fields::default()
                .with("stream", stream.as_str())
                .with("block", id.to_string())
                .with("records", *records)
                .with("bytes", *bytes),
            Self::Event(Event::BlockAddition(event)) => named("BlockAdditionEvent")
                .with("stream", event.stream.as_str())
                .and(block_info(&event.block)),
            Self::Event(Event::BatchAllocation(event)) => {
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
            Self::Event(Event::BatchCleanup(event)) => {
                let times: Vec<u64> = event.times.iter().map(|time| time.as_millis()).collect();
                named("BatchCleanupEvent").with("times", times)
            }
        }
    }
}

/// A block without its data; `dataSequence` is its entry in the block log.
pub(in crate::cli) fn block_info(info: &BlockInfo) -> Fields {
    let data = info.position.map(|position| position.sequence.0);
    Fields::default()
        .with("block", info.id.to_string())
        .with("records", info.records)
        .with("bytes", info.bytes)
        .with("cut", info.cut_ms)
        .with("dataSequence", data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperatorUid;
    use crate::Time;
    use crate::block::BatchAllocationEvent;

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
        let told = |kind| Told::read(WhichLog::Driver, kind, payload.clone());
        let fields = told(kind).unwrap().fields();
        assert_eq!(serde_json::to_string(&fields).unwrap(), meant);
        assert!(told(99).is_err());
        assert!(Told::read(WhichLog::Blocks, kind, payload.clone()).is_err());
    }
}
