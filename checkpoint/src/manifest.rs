//! A manifest: everything that one checkpoint names.
//!
//! Invariant: a manifest becomes visible only after every chunk it names is durable, and is never
//! changed afterwards. It is stored in an [envelope](crate::envelope) as MessagePack with field names,
//! so that a field added later is absent (and defaulted) in older ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::envelope::{self, Kind};
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId, Epoch};

/// Manifests: their magic and newest format.
pub(crate) const KIND: Kind = Kind {
    magic: *b"tidemani",
    version: 1,
    name: "a manifest",
};

/// What a checkpoint consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number.
    pub id: CheckpointId,
    /// The batch time it stands for, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// When it was cut, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The epoch of the driver that wrote it.
    pub epoch: Epoch,
    /// Opaque to the store.
    #[serde(with = "byte_string")]
    pub metadata: Bytes,
    /// For each log, the first sequence number that a replay from this checkpoint needs.
    #[serde(default)]
    pub low_water: BTreeMap<String, u64>,
    /// The keyed data.
    #[serde(default)]
    pub series: Vec<Series>,
    /// Bytes that were written for this checkpoint and not for an earlier one, the manifest aside.
    #[serde(default)]
    pub new_bytes: u64,
    /// The name of a savepoint: a checkpoint that stays until it is forgotten by this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A named, partitioned set of keyed entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Its name, unique within the manifest.
    pub name: String,
    /// The format of its entries; opaque to the store.
    pub format: u32,
    /// One chain a partition.
    pub partitions: Vec<Chain>,
}

/// Where one partition's entries are: a base, and deltas that lie above it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The entries as of some earlier checkpoint; `None` when there were none.
    #[serde(default)]
    pub base: Option<ChunkRef>,
    /// What changed since, oldest first.
    #[serde(default)]
    pub deltas: Vec<ChunkRef>,
}

/// Names a chunk and says what must be found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Its name.
    pub id: ChunkId,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its entries, tombstones included.
    pub entries: u64,
    /// The checksum in its header.
    pub crc: u32,
}

impl ChunkRef {
    /// Whether this is the chunk that is meant.
    pub(crate) fn is_to(&self, chunk: &Chunk) -> bool {
        let found = (chunk.bytes().len() as u64, chunk.len(), chunk.crc());
        found == (self.bytes, self.entries, self.crc)
    }
}

impl Chain {
    /// Its chunks, oldest first: applied in this order they give the partition's entries.
    pub fn chunks(&self) -> impl Iterator<Item = &ChunkRef> {
        self.base.iter().chain(&self.deltas)
    }
}

impl Manifest {
    /// Every chunk it names.
    pub fn chunks(&self) -> impl Iterator<Item = &ChunkRef> {
        self.series
            .iter()
            .flat_map(|series| &series.partitions)
            .flat_map(Chain::chunks)
    }

    /// The series of this name.
    #[must_use]
    pub fn series(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }

    /// Its stored form.
    pub(crate) fn encode(&self) -> Result<Bytes> {
        let body = rmp_serde::to_vec_named(self).map_err(|error| Error::Encode {
            what: KIND.name,
            why: error.to_string(),
        })?;
        Ok(envelope::seal(KIND, &body))
    }

    /// Reads its stored form, which must be that of checkpoint `id`.
    pub(crate) fn decode(place: &str, id: CheckpointId, bytes: &Bytes) -> Result<Self> {
        let (_, body) = envelope::open(KIND, place, bytes)?;
        let manifest: Self = envelope::read_body(place, &body)?;
        if manifest.id != id {
            return Err(Error::damaged(
                place,
                format!("it is checkpoint {}", manifest.id),
            ));
        }
        Ok(manifest)
    }
}

/// [`Bytes`] as a MessagePack byte string.
mod byte_string {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(from).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(number: u64) -> ChunkRef {
        let id = ChunkId {
            epoch: Epoch(3),
            number,
        };
        ChunkRef {
            id,
            bytes: 100 + number,
            entries: number,
            crc: 0xdead_beef,
        }
    }

    fn sample() -> Manifest {
        let chain = Chain {
            base: Some(reference(1)),
            deltas: vec![reference(5), reference(9)],
        };
        Manifest {
            id: CheckpointId(7),
            time_ms: 1_504_665_716_000,
            created_ms: 1_504_665_716_123,
            epoch: Epoch(3),
            metadata: Bytes::from_static(b"opaque\0bytes"),
            low_water: [("blocks".to_owned(), 40), ("events".to_owned(), 12)].into(),
            series: vec![
                Series {
                    name: "counts".to_owned(),
                    format: 1,
                    partitions: vec![chain],
                },
                Series {
                    name: "empty".to_owned(),
                    format: 2,
                    partitions: vec![Chain::default()],
                },
            ],
            new_bytes: 109,
            name: None,
        }
    }

    #[test]
    fn the_bytes_are_those_of_format_1() {
        let golden = Bytes::from_static(include_bytes!("../tests/golden/manifest-v1.bin"));
        assert_eq!(
            Manifest::decode("golden", CheckpointId(7), &golden).unwrap(),
            sample()
        );
        assert_eq!(sample().encode().unwrap(), golden);
    }

    #[test]
    fn fields_of_later_programs_and_missing_ones_are_borne() {
        #[derive(Serialize)]
        struct Other {
            id: u64,
            time_ms: u64,
            created_ms: u64,
            epoch: u64,
            #[serde(with = "serde_bytes")]
            metadata: Vec<u8>,
            a_later_field: &'static str,
        }
        let other = Other {
            id: 2,
            time_ms: 5,
            created_ms: 6,
            epoch: 1,
            metadata: vec![1],
            a_later_field: "?",
        };
        let bytes = envelope::seal(KIND, &rmp_serde::to_vec_named(&other).unwrap());
        let manifest = Manifest::decode("here", CheckpointId(2), &bytes).unwrap();
        assert_eq!(manifest.metadata, Bytes::from_static(&[1]));
        assert!(manifest.series.is_empty() && manifest.low_water.is_empty());
    }

    #[test]
    fn a_manifest_in_anothers_place_is_refused() {
        let bytes = sample().encode().unwrap();
        let error = Manifest::decode("here", CheckpointId(8), &bytes).unwrap_err();
        assert!(error.to_string().contains("it is checkpoint 7"), "{error}");
    }

    proptest! {
        #[test]
        fn an_arbitrary_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Manifest::decode("here", CheckpointId(7), &envelope::seal(KIND, &body));
        }
    }
}
