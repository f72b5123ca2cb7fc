//! Reads the MessagePack of the engine's own records.

use serde::Deserialize;

/// How deep values may lie in each other. No record of ours comes near it, and a reader that follows any
/// depth it is given can be made to overflow its stack.
const MAX_DEPTH: usize = 64;

/// Reads a record.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Record {
        #[serde(default)]
        known: u8,
    }

    #[test]
    fn fields_of_later_releases_are_passed_over_unless_they_are_bottomless() {
        let nested =
            |depth: usize| [&b"\x82\xa5known\x07\xa1x"[..], &vec![0x91; depth], b"\x01"].concat();
        assert_eq!(read::<Record>(&nested(20)).unwrap(), Record { known: 7 });
        let error = read::<Record>(&nested(100_000)).unwrap_err();
        assert!(error.to_string().contains("depth"), "{error}");
    }
}
