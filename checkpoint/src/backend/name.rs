//! [`Name`]: the one place that formats and reads the names of what is stored.

use std::fmt;

use crate::id::{CheckpointId, ChunkId, Epoch};

/// A record of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    /// Who owns an epoch.
    Claim(Epoch),
    /// A checkpoint (or a fence in its place).
    Manifest(CheckpointId),
    /// A run of entries.
    Chunk(ChunkId),
    /// A manifest and small chunks in one, where a backend keeps them so.
    Pack(CheckpointId),
}

/// The kinds of names, for listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    Claims,
    Manifests,
    Chunks,
    Packs,
}

impl Folder {
    /// What names of this kind start with, before a `/`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Claims => "epoch",
            Self::Manifests => "manifest",
            Self::Chunks => "chunk",
            Self::Packs => "pack",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(epoch) => write!(f, "epoch/{:020}", epoch.0),
            Self::Manifest(id) => write!(f, "manifest/{:020}", id.0),
            Self::Chunk(id) => write!(f, "chunk/{:020}-{:020}", id.epoch.0, id.number),
            Self::Pack(id) => write!(f, "pack/{:020}", id.0),
        }
    }
}

impl Name {
    /// Reads a name; `None` for anything that [`Name`] wouldn't write.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (folder, rest) = text.split_once('/')?;
        let number = |digits: &str| {
            let whole = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if whole {
                digits.parse::<u64>().ok()
            } else {
                None
            }
        };
        match folder {
            "epoch" => Some(Self::Claim(Epoch(number(rest)?))),
            "manifest" => Some(Self::Manifest(CheckpointId(number(rest)?))),
            "pack" => Some(Self::Pack(CheckpointId(number(rest)?))),
            "chunk" => {
                let (epoch, count) = rest.split_once('-')?;
                let id = ChunkId {
                    epoch: Epoch(number(epoch)?),
                    number: number(count)?,
                };
                Some(Self::Chunk(id))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_as_their_numbers() {
        let chunk = |epoch, number| {
            Name::Chunk(ChunkId {
                epoch: Epoch(epoch),
                number,
            })
        };
        for name in [
            Name::Claim(Epoch(0)),
            Name::Claim(Epoch(u64::MAX)),
            Name::Manifest(CheckpointId(9)),
            Name::Manifest(CheckpointId(10)),
            Name::Pack(CheckpointId(11)),
            chunk(1, u64::MAX),
            chunk(2, 0),
        ] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        assert!(chunk(9, 1).to_string() < chunk(10, 0).to_string());
        assert_eq!(
            Name::Manifest(CheckpointId(7)).to_string(),
            "manifest/00000000000000000007"
        );
    }

    #[test]
    fn anything_else_is_no_name() {
        for text in [
            "",
            "lock",
            "epoch/1",
            "epoch/+0000000000000000001",
            "chunk/1-2",
            "x/y",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
