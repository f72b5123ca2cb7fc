//! What the engine writes into logs and checkpoints: events, blocks, metadata.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidemill::block::{
    BatchAllocationEvent, BatchCleanupEvent, BlockAdditionEvent, BlockId, BlockInfo, Encoding,
    Event,
};
use tidemill::formats::{self, BlockEntry};
use tidemill::{OperatorUid, Time};
use tidemill_storage::SimDisk;
use tidemill_storage::durable::{create_dir_all_durable, write_durable};
use tidemill_wal::{LogKind, Position, Sequence, Wal, WalOptions};

use crate::repair;
use crate::run::{Target, as_it_is, outcome};

const METADATA: &[u8] = include_bytes!("../../src/recovery/golden/metadata_v1.bin");

fn id(number: u64) -> BlockId {
    BlockId { epoch: 1, number }
}

fn addition(number: u64, position: Option<Position>) -> Event {
    Event::BlockAddition(BlockAdditionEvent {
        stream: OperatorUid::new("lines"),
        block: BlockInfo {
            id: id(number),
            records: 3,
            bytes: 180,
            cut_ms: 1_504_665_716_000,
            position,
            logged_as: None,
            requeued: None,
        },
    })
}

fn events() -> Vec<Event> {
    let position = Position {
        segment: Sequence(3),
        offset: 40,
        len: 17,
        sequence: Sequence(5),
    };
    let time = Time::from_millis(1_504_665_717_000);
    let plan = serde_bytes::ByteBuf::from(b"plan".to_vec());
    vec![
        addition(7, None),
        addition(8, Some(position)),
        Event::BatchAllocation(BatchAllocationEvent {
            time,
            blocks: BTreeMap::from([(OperatorUid::new("lines"), vec![id(7), id(8)])]),
            plans: BTreeMap::from([(OperatorUid::new("files"), plan)]),
        }),
        Event::BatchCleanup(BatchCleanupEvent { times: vec![time] }),
    ]
}

/// The first byte is the entry's kind, the others are its payload.
#[test]
fn driver_event() {
    let seeds: Vec<Vec<u8>> = events()
        .iter()
        .map(|event| {
            let (kind, payload) = formats::encode_event(event).unwrap();
            [&[kind][..], &payload].concat()
        })
        .collect();
    let target = Target {
        name: "driver_event",
        seeds,
        words: &[
            "stream", "block", "position", "times", "blocks", "plans", "id", "epoch",
        ],
        repair: as_it_is,
        cases: 20_000,
    };
    target.run(|case| {
        let Some((kind, payload)) = case.split_first() else {
            return "empty".to_owned();
        };
        let read = Event::decode(*kind, payload);
        if let Ok(event) = &read {
            let (kind_again, again) = formats::encode_event(event).unwrap();
            assert_eq!(kind_again, *kind);
            assert_eq!(Event::decode(kind_again, &again).as_ref(), Ok(event));
        }
        outcome(&read, "")
    });
}

fn block(encoding: Encoding, records: &[&[u8]]) -> Vec<u8> {
    let ends = records.iter().scan(0, |end, record| {
        *end += record.len() as u32;
        Some(*end)
    });
    let entry = BlockEntry {
        stream: OperatorUid::new("lines"),
        id: id(7),
        encoding,
        offsets: std::iter::once(0).chain(ends).collect(),
        data: records.concat(),
    };
    formats::encode_block(entry).unwrap().to_vec()
}

#[test]
fn block_payload() {
    let target = Target {
        name: "block_payload",
        seeds: vec![
            include_bytes!("../../src/block/golden/block_v1.bin").to_vec(),
            block(Encoding::Text, &["täglich".as_bytes(), b"", "→".as_bytes()]),
            block(Encoding::MessagePack, &[b"\xa1a", b"\x91\x01"]),
            block(Encoding::Text, &[]),
        ],
        words: &["stream", "records", "encoding", "text", "message_pack", "→"],
        repair: as_it_is,
        cases: 20_000,
    };
    target.run(|case| {
        let payload = Bytes::copy_from_slice(case);
        let read = formats::decode_block(payload.clone());
        if let Ok(entry) = &read {
            let again = formats::encode_block(entry.clone()).unwrap();
            assert_eq!(formats::decode_block(again).as_ref(), Ok(entry));
            if entry.encoding == Encoding::Text {
                let lines = formats::block_lines(payload).unwrap();
                assert_eq!(lines.len() + 1, entry.offsets.len());
                assert_eq!(lines.concat().as_bytes(), entry.data, "a record was lost");
            }
        }
        outcome(&read, "")
    });
}

#[test]
fn metadata() {
    let mut nested = METADATA.to_vec();
    nested[0] += 1;
    nested.extend(b"\xa1x");
    nested.extend(vec![0x91; 100_000]);
    let target = Target {
        name: "metadata",
        seeds: vec![METADATA.to_vec(), nested],
        words: &[
            "format",
            "tracker",
            "unallocated",
            "allocated",
            "graph",
            "positions",
        ],
        repair: as_it_is,
        cases: 20_000,
    };
    target.run(|case| {
        let read = formats::rewrite_metadata(case, "checkpoint 3");
        if let Ok(written) = &read {
            let again = formats::rewrite_metadata(written, "checkpoint 3").unwrap();
            assert_eq!(again, *written);
        }
        outcome(&read, "checkpoint 3")
    });
}

/// Which bytes a batch in an object store has.
#[test]
fn sink_decision() {
    let target = Target {
        name: "sink_decision",
        seeds: vec![
            include_bytes!("../../src/sink/part_files/golden/decision_v1.txt").to_vec(),
            b"tidemill-parts 2 00000000\n".to_vec(),
        ],
        words: &[
            "tidemill-parts",
            " ",
            "\n",
            "18446744073709551615",
            "é",
            "+",
        ],
        repair: repair::decision,
        cases: 20_000,
    };
    target.run(|case| {
        let read = formats::decode_decision(Bytes::copy_from_slice(case));
        if let Ok(parts) = &read {
            // No other text says the same.
            let lines = parts
                .iter()
                .map(|part| format!("{} {:08x} {}\n", part.bytes, part.crc, part.object));
            let body: String = lines.collect();
            let crc = crc32fast::hash(body.as_bytes());
            let text = format!("tidemill-parts 1 {crc:08x}\n{body}");
            assert_eq!(text.as_bytes(), case);
            assert!(!parts.is_empty());
        }
        outcome(&read, "")
    });
}

/// Elements that somebody put into files.
#[test]
fn object_file() {
    let target = Target {
        name: "object_file",
        seeds: vec![include_bytes!("../../src/object_file/golden/v1.bin").to_vec()],
        words: &["TIDEOBJS", "page", "seconds"],
        repair: repair::object_file,
        cases: 20_000,
    };
    target.run(|case| outcome(&formats::decode_object_file(case), ""));
}

/// A driver's log whose frames are good and whose events say anything, replayed as recovery does.
#[test]
fn driver_log() {
    let (kind, epoch, dir) = (LogKind(1), 5, Path::new("/driver"));
    let file = dir.join("00000000000000000000.wal");
    let disk = SimDisk::new();
    let open =
        |disk: &SimDisk| Wal::open(Arc::new(disk.clone()), dir, WalOptions::new(kind, epoch));
    let (wal, _) = open(&disk).unwrap();
    for event in events() {
        let (kind, payload) = formats::encode_event(&event).unwrap();
        wal.append(kind, vec![payload]).wait().unwrap();
    }
    drop(wal);
    let seed = tidemill_storage::Disk::read(&disk, &file).unwrap().to_vec();
    let target = Target {
        name: "driver_log",
        seeds: vec![seed],
        words: &[
            "lines", "stream", "block", "position", "times", "blocks", "plans",
        ],
        repair: repair::segment,
        cases: 3_000,
    };
    let place = "the log in /driver";
    target.run(|case| {
        let disk = SimDisk::new();
        create_dir_all_durable(&disk, dir).unwrap();
        write_durable(&disk, &file, case).unwrap();
        let (wal, _) = match open(&disk) {
            Ok(opened) => opened,
            Err(error) => return error.to_string(),
        };
        let replayed = formats::replay(&wal, place, METADATA);
        if let Ok(metadata) = &replayed {
            assert_eq!(
                formats::rewrite_metadata(metadata, "here").unwrap(),
                *metadata
            );
        }
        outcome(&replayed, place)
    });
}
