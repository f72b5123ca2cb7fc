use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Visit {
    page: String,
    seconds: Option<f64>,
}

fn visits() -> Vec<Visit> {
    let visit = |page: &str, seconds| Visit {
        page: page.to_owned(),
        seconds,
    };
    vec![visit("/", Some(1.5)), visit("/grüße", None)]
}

fn written<T: Serialize>(elements: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let mut writer = Writer::default();
    for element in elements {
        writer.push(element, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    bytes
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, String> {
    let mut reader = Reader::new(bytes)?;
    let mut elements = Vec::new();
    while reader.next_frame(|element| elements.push(element))? {}
    Ok(elements)
}

/// To write a new version's file: UPDATE_GOLDEN=1. Those of old versions are never changed.
#[test]
fn version_1_can_be_read_for_ever() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("src/object_file/golden/v{VERSION}.bin"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, written(&visits())).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(read::<Visit>(&golden).unwrap(), visits());
    assert_eq!(written(&visits()), golden);
}

#[test]
fn elements_come_back_in_order_over_many_frames() {
    assert_eq!(read::<u8>(&written::<u8>(&[])).unwrap(), Vec::<u8>::new());
    let many: Vec<(String, u64)> = (0..60_000).map(|n| (format!("key {n}"), n)).collect();
    let bytes = written(&many);
    assert!(bytes.len() > 2 * (256 << 10));
    assert_eq!(read::<(String, u64)>(&bytes).unwrap(), many);
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let whole = written(&visits());
    for end in 0..whole.len() {
        read::<Visit>(&whole[..end]).unwrap_err();
    }
    for index in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[index] ^= 1 << bit;
            read::<Visit>(&flipped).unwrap_err();
        }
    }
    let error = read::<Visit>(&[&whole[..], b"\0"].concat()).unwrap_err();
    assert!(error.contains("behind its end"), "{error}");
}

#[test]
fn frames_that_are_missing_or_doubled_are_found() {
    let many: Vec<String> = (0..50_000).map(|n| format!("a longer key {n}")).collect();
    let whole = written(&many);
    let first = FRAME_HEADER + u32::from_le_bytes(whole[16..20].try_into().unwrap()) as usize;
    let (header, rest) = whole.split_at(HEADER);
    for wrong in [
        [header, &rest[first..]].concat(),
        [header, &rest[..first], rest].concat(),
    ] {
        let error = read::<String>(&wrong).unwrap_err();
        assert!(error.contains("doesn't belong"), "{error}");
    }
}

#[test]
fn what_it_isnt_is_said() {
    let told = |bytes: &[u8]| read::<Visit>(bytes).unwrap_err();
    let error = told(b"to be or not to be");
    assert!(error.contains("no object file"), "{error}");
    let mut newer = written(&visits());
    newer[..HEADER].copy_from_slice(&header(VERSION + 1, 9));
    let error = told(&newer);
    assert!(error.contains("format version 2"), "{error}");
    let error = told(&written(&[7u64]));
    assert!(
        error.contains("element 0") && error.contains("Visit"),
        "{error}"
    );
    // The first field alone can be read of each: the rest must not be lost silently.
    let error = read::<u64>(&{
        let mut writer = Writer::default();
        let mut bytes = Vec::new();
        let mut out = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        writer.push(&7u64, &mut out).unwrap();
        writer.ready.push(1);
        writer.finish(&mut out).unwrap();
        bytes
    });
    assert!(error.unwrap_err().contains("holds more"));
}
