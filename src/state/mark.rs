//! [`Mark`]: what is kept of a key besides its state, and how it is written.

use crate::time::Time;

/// What is kept of a key besides its state.
pub(crate) trait Mark: Copy + PartialEq + Send + Sync + 'static {
    /// The mark of a key that a batch touched.
    fn at(time: Time) -> Self;
    /// When the key was touched last, if that is kept.
    fn touched(self) -> Option<Time>;
    /// Writes what stands in front of the state.
    fn write(self, out: &mut Vec<u8>);
    /// Takes the mark off the front of what was written.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])>;
}

/// Nothing: the state stands alone.
impl Mark for () {
    fn at(_time: Time) -> Self {}

    fn touched(self) -> Option<Time> {
        None
    }

    fn write(self, _out: &mut Vec<u8>) {}

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        Some(((), bytes))
    }
}

/// The last batch that touched the key. Written so that mark and state together are a MessagePack array
/// of two: milliseconds as `uint 64`, then the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touched(pub(crate) Time);

/// An array of two, and a 64-bit number as its first element.
const FRONT: [u8; 2] = [0x92, 0xcf];

impl Mark for Touched {
    fn at(time: Time) -> Self {
        Self(time)
    }

    fn touched(self) -> Option<Time> {
        Some(self.0)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&FRONT);
        out.extend_from_slice(&self.0.as_millis().to_be_bytes());
    }

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (ms, state) = bytes.strip_prefix(&FRONT)?.split_first_chunk::<8>()?;
        Some((Self(Time::from_millis(u64::from_be_bytes(*ms))), state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_and_state_are_one_messagepack_array() {
        let mut bytes = Vec::new();
        Touched(Time::from_millis(1_504_665_716_000)).write(&mut bytes);
        bytes.extend(rmp_serde::to_vec("abc").unwrap());
        let read: (u64, String) = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, (1_504_665_716_000, "abc".to_owned()));
        let (mark, state) = Touched::split(&bytes).unwrap();
        assert_eq!(mark.0.as_millis(), 1_504_665_716_000);
        assert_eq!(rmp_serde::from_slice::<String>(state).unwrap(), "abc");
        for cut in 0..10 {
            assert!(Touched::split(&bytes[..cut]).is_none());
        }
    }
}
