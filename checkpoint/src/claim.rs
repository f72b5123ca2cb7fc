//! The two small records by which a driver takes a location over.
//!
//! A **claim** is created under the number of an epoch; who creates it owns the epoch. A driver that
//! lost its epoch between its last look and its publishing is stopped by a **fence**: where no lock
//! keeps drivers apart, the new owner creates a fence in the slot of the next manifest before it reads
//! anything. Manifests are only ever *created*, each writer in the slot behind the last one it knows to
//! be taken, so a late one finds its slot occupied and can't become the newest checkpoint.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidemill_storage::Holder;

use crate::envelope::{self, Kind};
use crate::error::{Error, Result};
use crate::id::Epoch;

pub(crate) const CLAIM: Kind = Kind {
    magic: *b"tideclam",
    version: 1,
    name: "an epoch's claim",
};
pub(crate) const FENCE: Kind = Kind {
    magic: *b"tidefenc",
    version: 1,
    name: "a fence",
};

/// Who owns an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub epoch: Epoch,
    pub holder: Holder,
    /// Tells apart two claims of one process: identical bytes would count as the same write.
    pub nonce: u64,
}

/// Occupies a manifest's slot for the owner of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fence {
    pub epoch: Epoch,
}

impl Claim {
    pub(crate) fn new(epoch: Epoch, holder: Holder) -> Self {
        // Only has to differ; the standard library's hash seeds are the randomness at hand.
        Self {
            epoch,
            holder,
            nonce: RandomState::new().build_hasher().finish(),
        }
    }

    pub(crate) fn encode(&self) -> Result<Bytes> {
        encode(CLAIM, self)
    }

    /// Reads a claim; only for naming its holder, so anything unreadable is `None`.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        Self::verify(CLAIM.name, bytes).ok()
    }

    /// Reads a claim, checked.
    pub(crate) fn verify(place: &str, bytes: &Bytes) -> Result<Self> {
        let (_, body) = envelope::open(CLAIM, place, bytes)?;
        envelope::read_body(place, &body)
    }
}

impl Fence {
    pub(crate) fn encode(&self) -> Result<Bytes> {
        encode(FENCE, self)
    }

    /// Reads what is in a manifest's slot as a fence; `None` when it isn't one.
    pub(crate) fn decode(place: &str, bytes: &Bytes) -> Option<Result<Self>> {
        if !bytes.starts_with(&FENCE.magic) {
            return None;
        }
        Some(
            envelope::open(FENCE, place, bytes)
                .and_then(|(_, body)| envelope::read_body(place, &body)),
        )
    }
}

fn encode(kind: Kind, record: &impl Serialize) -> Result<Bytes> {
    let body = rmp_serde::to_vec_named(record).map_err(|error| Error::Encode {
        what: kind.name,
        why: error.to_string(),
    })?;
    Ok(envelope::seal(kind, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            pid: 17,
            host: "mill".to_owned(),
            application: "counts".to_owned(),
            started_ms: 1_504_665_716_000,
            admin: Some("127.0.0.1:4040".to_owned()),
        }
    }

    #[test]
    fn the_bytes_are_those_of_format_1() {
        let claim = Claim {
            epoch: Epoch(3),
            holder: holder(),
            nonce: 99,
        };
        let golden = Bytes::from_static(include_bytes!("../tests/golden/claim-v1.bin"));
        assert_eq!(Claim::decode(&golden).unwrap(), claim);
        assert_eq!(claim.encode().unwrap(), golden);

        let fence = Fence { epoch: Epoch(3) };
        let golden = Bytes::from_static(include_bytes!("../tests/golden/fence-v1.bin"));
        assert_eq!(Fence::decode("golden", &golden).unwrap().unwrap(), fence);
        assert_eq!(fence.encode().unwrap(), golden);
    }

    #[test]
    fn two_claims_of_one_process_differ() {
        let claims = [
            Claim::new(Epoch(1), holder()),
            Claim::new(Epoch(1), holder()),
        ];
        assert_ne!(claims[0].encode().unwrap(), claims[1].encode().unwrap());
    }

    #[test]
    fn a_manifest_is_no_fence_and_a_cut_fence_is_damage() {
        assert!(Fence::decode("here", &envelope::seal(crate::manifest::KIND, b"x")).is_none());
        let fence = Fence { epoch: Epoch(3) }.encode().unwrap();
        assert!(
            Fence::decode("here", &fence.slice(..fence.len() - 1))
                .unwrap()
                .is_err()
        );
    }
}
