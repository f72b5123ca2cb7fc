//! A small reader of MessagePack, as JSON: byte strings become lists of numbers, keys become text.

use serde_json::{Map, Value};

/// Reads one value that fills `bytes`.
pub fn read(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = value(&mut rest);
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    value
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(count);
    *rest = behind;
    taken
}

fn number(rest: &mut &[u8], bytes: usize) -> u64 {
    take(rest, bytes)
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn value(rest: &mut &[u8]) -> Value {
    let tag = take(rest, 1)[0];
    match tag {
        0x00..=0x7f => tag.into(),
        0x80..=0x8f => map(rest, usize::from(tag & 15)),
        0x90..=0x9f => list(rest, usize::from(tag & 15)),
        0xa0..=0xbf => text(rest, usize::from(tag & 31)),
        0xc0 => Value::Null,
        0xc2 | 0xc3 => Value::Bool(tag == 0xc3),
        0xc4..=0xc6 => {
            let length = number(rest, 1 << (tag - 0xc4)) as usize;
            take(rest, length).into()
        }
        0xcc..=0xcf => number(rest, 1 << (tag - 0xcc)).into(),
        0xd9..=0xdb => {
            let length = number(rest, 1 << (tag - 0xd9)) as usize;
            text(rest, length)
        }
        0xdc | 0xdd => {
            let length = number(rest, 2 << (tag - 0xdc)) as usize;
            list(rest, length)
        }
        0xde | 0xdf => {
            let length = number(rest, 2 << (tag - 0xde)) as usize;
            map(rest, length)
        }
        0xd0..=0xd3 => {
            let bytes = 1 << (tag - 0xd0);
            let shift = 64 - 8 * bytes;
            (((number(rest, bytes) << shift) as i64) >> shift).into()
        }
        0xe0..=0xff => i64::from(tag as i8).into(),
        // Fractions: none of our own records has any.
        other => panic!("tag {other:02x}"),
    }
}

fn text(rest: &mut &[u8], length: usize) -> Value {
    String::from_utf8(take(rest, length).to_vec())
        .unwrap()
        .into()
}

fn list(rest: &mut &[u8], length: usize) -> Value {
    (0..length).map(|_| value(rest)).collect::<Vec<_>>().into()
}

fn map(rest: &mut &[u8], length: usize) -> Value {
    let mut fields = Map::new();
    for _ in 0..length {
        let key = match value(rest) {
            Value::String(key) => key,
            other => other.to_string(),
        };
        assert!(fields.insert(key, value(rest)).is_none());
    }
    fields.into()
}
