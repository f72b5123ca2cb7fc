use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Pushes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn pushes() -> impl Strategy<Value = Pushes> {
    let key = vec(0_u8..4, 0..12);
    let value = proptest::option::of(vec(any::<u8>(), 0..200));
    vec((key, value), 0..60)
}

fn build(pushes: &Pushes) -> ChunkBuilder {
    let mut builder = ChunkBuilder::new();
    for (key, value) in pushes {
        builder.push(key, value.as_deref());
    }
    builder
}

fn chunk(pushes: &Pushes) -> Chunk {
    Chunk::decode(build(pushes).finish()).unwrap()
}

fn owned(chunk: &Chunk) -> Pushes {
    chunk
        .iter()
        .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
        .collect()
}

proptest! {
    #[test]
    fn a_chunk_holds_the_last_push_of_each_key_in_order(pushes in pushes()) {
        let model: BTreeMap<_, _> = pushes.iter().cloned().collect();
        let chunk = chunk(&pushes);
        prop_assert_eq!(owned(&chunk), model.into_iter().collect::<Pushes>());
        prop_assert_eq!(chunk.len() as usize, chunk.iter().count());
    }

    #[test]
    fn absorbing_is_pushing_on(one in pushes(), two in pushes()) {
        let mut absorbed = build(&one);
        absorbed.absorb(build(&two));
        prop_assert_eq!(absorbed.finish(), build(&[one, two].concat()).finish());
    }

    #[test]
    fn merging_is_pushing_oldest_first(runs in vec(pushes(), 0..6)) {
        let chunks: Vec<_> = runs.iter().map(chunk).collect();
        let model: BTreeMap<_, _> = runs.concat().into_iter().collect();
        let kept = Chunk::decode(merge(&chunks, Tombstones::Keep).bytes().clone()).unwrap();
        prop_assert_eq!(owned(&kept), model.clone().into_iter().collect::<Pushes>());
        let dropped = merge(&chunks, Tombstones::Drop);
        let living: Pushes = model.into_iter().filter(|(_, value)| value.is_some()).collect();
        prop_assert_eq!(owned(&dropped), living);
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Chunk::decode(bytes.into()).is_err());
    }

    #[test]
    fn an_arbitrary_body_under_a_right_checksum_is_read_or_refused(
        entries in 0_u64..4, body in vec(0_u8..6, 0..40),
    ) {
        let bytes = [&Header::new(entries, &body).encode()[..], &body].concat();
        if let Ok(chunk) = Chunk::decode(bytes.into()) {
            let again = ChunkBuilder::from(&chunk).finish();
            prop_assert_eq!(Chunk::decode(again).unwrap().len(), entries);
        }
    }
}

fn sample() -> Bytes {
    build(&vec![
        (b"pear".to_vec(), Some(b"3".to_vec())),
        (b"apple".to_vec(), Some(Vec::new())),
        (b"fig".to_vec(), None),
    ])
    .finish()
}

#[test]
fn the_bytes_are_those_of_format_1() {
    let golden = include_bytes!("../../tests/golden/chunk-v1.bin");
    assert_eq!(&sample()[..], golden);
    assert_eq!(&golden[..8], &MAGIC);
    let chunk = Chunk::decode(Bytes::from_static(golden)).unwrap();
    assert_eq!(chunk.len(), 3);
    assert_eq!(&golden[HEADER..HEADER + 7], b"\x05\x01apple");
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            let error = Chunk::decode(flipped.into()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}");
        }
        assert!(matches!(
            Chunk::decode(bytes.slice(..at)),
            Err(Error::Damaged { .. })
        ));
    }
}

#[test]
fn an_empty_chunk_is_a_header() {
    let bytes = ChunkBuilder::new().finish();
    assert_eq!(bytes.len(), HEADER);
    assert!(Chunk::decode(bytes).unwrap().is_empty());
}
