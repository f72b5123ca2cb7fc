//! Tables of offsets add up, and decode the golden files to what the code decodes.

use bytes::Bytes;
use crc32fast::Hasher;
use tidemill_checkpoint::Chunk;
use tidemill_wal::Sequence;
use tidemill_wal::format::header::{HEADER_BYTES, MAGIC, SegmentHeader, VERSION};
use tidemill_wal::format::sealed::SEALED_HEADER_BYTES;
use tidemill_wal::position::FRAME_HEADER_BYTES;

use crate::page::{Page, root};

/// A table of offsets: fields of fixed place, by what they are.
struct Layout {
    fields: Vec<(usize, usize, String)>,
}

impl Layout {
    fn of(page: &Page, section: &str) -> Self {
        let tables = &page.section(section).tables;
        let table = tables
            .iter()
            .find(|table| table.head[0] == "offset")
            .unwrap();
        assert_eq!(table.head, ["offset", "bytes", "what"]);
        let mut fields = Vec::new();
        let mut end = 0;
        for row in &table.rows {
            let Ok(bytes) = row[1].parse::<usize>() else {
                // The rest is of variable length, and begins where the fixed part ends.
                assert_eq!(row[0], end.to_string(), "{section}: {row:?}");
                break;
            };
            assert_eq!(row[0], end.to_string(), "{section}: {row:?}");
            fields.push((end, bytes, row[2].clone()));
            end += bytes;
        }
        Self { fields }
    }

    fn end(&self) -> usize {
        self.fields.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// The bytes of the one field whose description begins so.
    fn bytes<'a>(&self, from: &'a [u8], what: &str) -> &'a [u8] {
        let mut found = self
            .fields
            .iter()
            .filter(|(.., text)| text.starts_with(what));
        let (offset, bytes, _) = found.next().unwrap_or_else(|| panic!("no field `{what}`"));
        assert!(found.next().is_none(), "two fields `{what}`");
        &from[*offset..offset + bytes]
    }

    /// The field as a little-endian number.
    fn number(&self, from: &[u8], what: &str) -> u64 {
        let bytes = self.bytes(from, what);
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

fn golden(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap()
}

fn crc(start: u32, parts: &[&[u8]]) -> u64 {
    let mut hasher = Hasher::new_with_initial(start);
    parts.iter().for_each(|part| hasher.update(part));
    u64::from(hasher.finalize())
}

#[test]
fn sizes_are_those_of_the_code() {
    let page = Page::read();
    let end = |section| Layout::of(&page, section).end();
    assert_eq!(end("Segment"), HEADER_BYTES);
    assert_eq!(end("Frame"), FRAME_HEADER_BYTES);
    assert_eq!(
        end("Envelope"),
        tidemill_checkpoint::formats::ENVELOPE_BYTES
    );
    assert_eq!(end("Chunk"), 32);
    assert_eq!(end("Sealed record"), SEALED_HEADER_BYTES);
    assert_eq!(tidemill_wal::format::frame::MAX_PAYLOAD_BYTES, 1 << 30);
}

#[test]
fn a_segment_is_read_by_its_tables() {
    let page = Page::read();
    let bytes = golden("wal/tests/golden/v1.wal");
    let layout = Layout::of(&page, "Segment");
    let header = SegmentHeader::decode("golden", Sequence(0), &bytes).unwrap();
    assert_eq!(layout.bytes(&bytes, "magic"), MAGIC);
    assert_eq!(layout.number(&bytes, "version"), u64::from(VERSION));
    assert_eq!(
        layout.number(&bytes, "log kind"),
        u64::from(header.log_kind.0)
    );
    assert_eq!(layout.number(&bytes, "epoch"), header.epoch);
    assert_eq!(layout.number(&bytes, "sequence number"), header.first.0);
    assert_eq!(layout.number(&bytes, "CRC-32"), crc(0, &[&bytes[..36]]));
    // "The binding is the CRC-32 of bytes 16 to 32 of the header."
    let binding = crc(0, &[&bytes[16..32]]) as u32;
    assert_eq!(binding, header.binding());

    let layout = Layout::of(&page, "Frame");
    let mut rest = &bytes[HEADER_BYTES..];
    for sequence in 0..3 {
        let length = layout.number(rest, "bytes of payload") as usize;
        let (frame, behind) = rest.split_at(FRAME_HEADER_BYTES + length);
        assert_eq!(layout.number(frame, "sequence number"), sequence);
        assert_eq!(layout.number(frame, "kind") & 128, 128);
        let computed = crc(binding, &[&frame[..4], &frame[8..]]);
        assert_eq!(layout.number(frame, "CRC-32"), computed);
        rest = behind;
    }
    assert!(rest.is_empty());
}

#[test]
fn envelopes_are_read_by_their_table() {
    let page = Page::read();
    let layout = Layout::of(&page, "Envelope");
    for file in ["manifest-v1", "claim-v1", "fence-v1", "pack-v1"] {
        let mut bytes = golden(&format!("checkpoint/tests/golden/{file}.bin"));
        let length = layout.number(&bytes, "n, bytes of the body") as usize;
        assert!(file == "pack-v1" || bytes.len() == 24 + length);
        bytes.truncate(24 + length);
        let known = tidemill_checkpoint::formats::ENVELOPES;
        let (_, version) = known
            .iter()
            .find(|(magic, _)| layout.bytes(&bytes, "magic") == magic)
            .unwrap();
        assert_eq!(layout.number(&bytes, "version"), u64::from(*version));
        let computed = crc(0, &[&bytes[..12], &bytes[16..]]);
        assert_eq!(layout.number(&bytes, "CRC-32"), computed);
    }
}

#[test]
fn sealed_records_are_read_by_their_table() {
    use tidemill_wal::segments::objects::{HEAD, RUN};
    let page = Page::read();
    let layout = Layout::of(&page, "Sealed record");
    for (file, kind) in [("head-v1", HEAD), ("run-v1", RUN)] {
        let mut bytes = golden(&format!("wal/tests/golden/{file}.bin"));
        let length = layout.number(&bytes, "n, bytes of the body") as usize;
        assert!(kind.magic == RUN.magic || bytes.len() == 24 + length);
        bytes.truncate(24 + length);
        assert_eq!(layout.bytes(&bytes, "magic"), kind.magic);
        assert_eq!(layout.number(&bytes, "version"), u64::from(kind.version));
        assert_eq!(layout.number(&bytes, "log kind"), 7);
        let computed = crc(0, &[&bytes[..12], &bytes[16..]]);
        assert_eq!(layout.number(&bytes, "CRC-32"), computed);
    }
}

#[test]
fn a_slot_is_read_by_the_segments_table() {
    let page = Page::read();
    let layout = Layout::of(&page, "Segment");
    for (file, slot) in [("slot-v1", 4), ("fence-v1", 0)] {
        let bytes = golden(&format!("wal/tests/golden/{file}.bin"));
        let (header, length) = SegmentHeader::decode_slot("golden", slot, &bytes).unwrap();
        assert_eq!(
            layout.number(&bytes, "in a [slot](#slot), bytes"),
            u64::from(length)
        );
        assert_eq!(length as usize, bytes.len());
        assert_eq!(
            layout.number(&bytes, "in a [slot](#slot), the low half"),
            slot
        );
        assert_eq!(layout.number(&bytes, "sequence number"), header.first.0);
    }
}

#[test]
fn a_chunk_is_read_by_its_table() {
    let page = Page::read();
    let layout = Layout::of(&page, "Chunk");
    let bytes = golden("checkpoint/tests/golden/chunk-v1.bin");
    let chunk = Chunk::decode(Bytes::from(bytes.clone())).unwrap();
    assert_eq!(layout.number(&bytes, "entries"), chunk.len());
    assert_eq!(layout.number(&bytes, "n, bytes") as usize, bytes.len() - 32);
    let computed = crc(0, &[&bytes[..12], &bytes[16..]]);
    assert_eq!(layout.number(&bytes, "CRC-32"), computed);
    // By the page's own words about entries, which are short here.
    let mut rest = &bytes[32..];
    for (key, value) in &chunk {
        let (key_length, tag) = (usize::from(rest[0]), usize::from(rest[1]));
        let (found_key, behind) = rest[2..].split_at(key_length);
        let (found_value, behind) = behind.split_at(tag.saturating_sub(1));
        assert_eq!(
            (found_key, tag),
            (key, value.map_or(0, |value| value.len() + 1))
        );
        assert_eq!(found_value, value.unwrap_or_default());
        rest = behind;
    }
    assert!(rest.is_empty());
}

#[test]
fn a_block_is_read_by_its_table() {
    let page = Page::read();
    let layout = Layout::of(&page, "Block log");
    let bytes = golden("src/block/golden/block_v1.bin");
    let block = tidemill::formats::decode_block(Bytes::from(bytes.clone())).unwrap();
    let header = layout.number(&bytes, "h, bytes") as usize;
    let (offsets, data) = bytes[4 + header..].split_at(4 * block.offsets.len());
    let plain: Vec<u8> = block
        .offsets
        .iter()
        .flat_map(|at| at.to_le_bytes())
        .collect();
    assert_eq!((offsets, data), (&plain[..], &block.data[..]));
}

#[test]
fn a_decision_is_read_by_its_table() {
    let page = Page::read();
    let table = &page.section("Decision").tables[0];
    let column = |what: &str| {
        let begins = |row: &Vec<String>| row[2].starts_with(what);
        let row = table.rows.iter().find(|row| begins(row)).unwrap();
        row[0].parse::<usize>().unwrap() - 1
    };
    let (bytes, checksum, object) = (
        column("bytes of the part"),
        column("CRC-32 of the part"),
        column("the staged object"),
    );
    let golden = golden("src/sink/part_files/golden/decision_v1.txt");
    let text = String::from_utf8(golden.clone()).unwrap();
    let (head, body) = text.split_once('\n').unwrap();
    // "The first: `tidemill-parts`, the version, and the CRC-32 of all that follows in eight hexadecimal digits."
    let all = format!("{:08x}", crc(0, &[body.as_bytes()]));
    assert_eq!(head, format!("tidemill-parts 1 {all}"));
    let parts = tidemill::formats::decode_decision(Bytes::from(golden)).unwrap();
    let lines: Vec<Vec<&str>> = body.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), parts.len());
    for (line, part) in lines.iter().zip(&parts) {
        assert_eq!(line.len(), table.rows.len());
        let read = (
            line[bytes].parse().unwrap(),
            u32::from_str_radix(line[checksum], 16).unwrap(),
            line[object],
        );
        assert_eq!(read, (part.bytes, part.crc, part.object.as_str()));
    }
}
