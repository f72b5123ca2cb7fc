//! The three events of the driver's log, and how they are written.
//!
//! An entry's kind says which event it is; its payload is one byte of format version and a MessagePack
//! map with field names.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{BlockId, BlockInfo, GIVEN_UP};
use crate::messagepack;
use crate::time::Time;
use crate::uid::OperatorUid;

const FORMAT: u8 = 1;

const BLOCK_ADDITION: u8 = 1;
const BATCH_ALLOCATION: u8 = 2;
const BATCH_CLEANUP: u8 = 3;

/// A block was received and is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockAdditionEvent {
    /// The stream that received it.
    pub stream: OperatorUid,
    /// The block.
    pub block: BlockInfo,
}

/// A batch is made of these blocks, and of these ranges of direct sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAllocationEvent {
    /// The batch.
    pub time: Time,
    /// Blocks of each receiver's stream.
    pub blocks: BTreeMap<OperatorUid, Vec<BlockId>>,
    /// What each direct source reads, in its own words.
    #[serde(default)]
    pub plans: BTreeMap<OperatorUid, ByteBuf>,
}

/// These batches are complete, checkpointed and forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCleanupEvent {
    /// The batches.
    pub times: Vec<Time>,
}

/// An entry of the driver's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub enum Event {
    /// See [`BlockAdditionEvent`].
    #[serde(rename = "BlockAdditionEvent")]
    BlockAddition(BlockAdditionEvent),
    /// See [`BatchAllocationEvent`].
    #[serde(rename = "BatchAllocationEvent")]
    BatchAllocation(BatchAllocationEvent),
    /// See [`BatchCleanupEvent`].
    #[serde(rename = "BatchCleanupEvent")]
    BatchCleanup(BatchCleanupEvent),
}

impl Event {
    /// The version in front of every event that is written.
    pub(crate) const FORMAT: u8 = FORMAT;
    /// The kinds of entries, and the event that each is.
    pub(crate) const KINDS: [(u8, &str); 3] = [
        (BLOCK_ADDITION, "BlockAdditionEvent"),
        (BATCH_ALLOCATION, "BatchAllocationEvent"),
        (BATCH_CLEANUP, "BatchCleanupEvent"),
    ];

    /// The entry's kind and payload.
    pub(crate) fn encode(&self) -> Result<(u8, Bytes), String> {
        let mut out = BytesMut::with_capacity(256).writer();
        out.get_mut().put_u8(FORMAT);
        let mut writer = rmp_serde::Serializer::new(&mut out).with_struct_map();
        let (kind, written) = match self {
            Self::BlockAddition(event) => (BLOCK_ADDITION, event.serialize(&mut writer)),
            Self::BatchAllocation(event) => (BATCH_ALLOCATION, event.serialize(&mut writer)),
            Self::BatchCleanup(event) => (BATCH_CLEANUP, event.serialize(&mut writer)),
        };
        written.map_err(|error| error.to_string())?;
        Ok((kind, out.into_inner().freeze()))
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// Says what is wrong with it; the caller adds where it is.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::block::{BatchCleanupEvent, Event};
    ///
    /// // As `tidemill wal dump` reads a driver's log: a version, and MessagePack behind it.
    /// let cleanup = BatchCleanupEvent { times: vec![Time::from_millis(1000)] };
    /// let payload = [vec![1], rmp_serde::to_vec_named(&cleanup)?].concat();
    /// assert_eq!(Event::decode(3, &payload)?, Event::BatchCleanup(cleanup));
    ///
    /// let error = Event::decode(9, &payload).unwrap_err();
    /// assert_eq!(error, "an event of unknown kind 9");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, String> {
        if kind == GIVEN_UP {
            return Err(
                "this entry was lost to damage and given up by `wal repair`, since the newest \
                 checkpoint didn't need it; what is read now does: use a newer checkpoint, or start \
                 anew with --fresh"
                    .to_owned(),
            );
        }
        let body = match payload.split_first() {
            Some((&FORMAT, body)) => body,
            Some((version, _)) => {
                return Err(format!(
                    "event format {version}; this release reads format {FORMAT}: use the release \
                     that wrote it, or a newer one"
                ));
            }
            None => return Err("an event without a format version".to_owned()),
        };
        fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
            messagepack::read(body).map_err(|error| error.to_string())
        }
        match kind {
            BLOCK_ADDITION => read(body).map(Self::BlockAddition),
            BATCH_ALLOCATION => read(body).map(Self::BatchAllocation),
            BATCH_CLEANUP => read(body).map(Self::BatchCleanup),
            other => Err(format!("an event of unknown kind {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addition() -> Event {
        Event::BlockAddition(BlockAdditionEvent {
            stream: OperatorUid::new("lines"),
            block: BlockInfo {
                id: BlockId {
                    epoch: 1,
                    number: 7,
                },
                records: 3,
                bytes: 180,
                cut_ms: 1_504_665_716_000,
                position: None,
                logged_as: None,
                requeued: None,
            },
        })
    }

    fn allocation() -> Event {
        let lines = OperatorUid::new("lines");
        Event::BatchAllocation(BatchAllocationEvent {
            time: Time::from_millis(1_504_665_717_000),
            blocks: BTreeMap::from([(
                lines,
                vec![BlockId {
                    epoch: 1,
                    number: 7,
                }],
            )]),
            plans: BTreeMap::from([(OperatorUid::new("files"), ByteBuf::from(*b"plan"))]),
        })
    }

    fn cleanup() -> Event {
        Event::BatchCleanup(BatchCleanupEvent {
            times: vec![Time::from_millis(1_504_665_717_000)],
        })
    }

    /// To write a new format's files: UPDATE_GOLDEN=1. Those of an old format are never changed.
    #[test]
    fn the_first_format_can_be_read_for_ever() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/block/golden");
        let events = [
            ("block_addition", addition()),
            ("batch_allocation", allocation()),
            ("batch_cleanup", cleanup()),
        ];
        for (name, event) in events {
            let path = golden.join(format!("{name}_v{FORMAT}.bin"));
            let (kind, payload) = event.encode().unwrap();
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &payload).unwrap();
            }
            let held = std::fs::read(&path).unwrap();
            assert_eq!(Event::decode(kind, &held).unwrap(), event, "{name}");
            assert_eq!(
                held, payload,
                "{name}: today's writer writes the same bytes"
            );
        }
    }

    #[test]
    fn every_cut_and_newer_formats_are_errors() {
        let (kind, payload) = addition().encode().unwrap();
        for cut in 0..payload.len() {
            assert!(Event::decode(kind, &payload[..cut]).is_err());
        }
        let mut newer = payload.to_vec();
        newer[0] = FORMAT + 1;
        assert!(
            Event::decode(kind, &newer)
                .unwrap_err()
                .contains("format 2")
        );
        assert!(Event::decode(99, &payload).unwrap_err().contains("kind 99"));
        let given_up = Event::decode(GIVEN_UP, &[]).unwrap_err();
        assert!(given_up.contains("wal repair"), "{given_up}");
    }
}
