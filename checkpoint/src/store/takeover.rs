//! How a driver becomes the owner of a location: look, claim, fence, read.
//!
//! 1. Look: a location that a newer program wrote or claimed is refused before anything is written there.
//! 2. Claim the next epoch by creating its record; whoever is told "taken" tries the one after.
//! 3. Where no lock is held, create a fence behind the last manifest: from then on the drivers before
//!    can't publish any more, whatever they believe.
//! 4. Read all manifests. What is read now is final.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tidemill_storage::{PutOutcome, failpoint};

use super::{CheckpointStore, StoreOptions, Writer};
use crate::backend::{Backend, Exclusive, Folder, Name, Sharing};
use crate::catalog;
use crate::claim::{Claim, Fence};
use crate::error::{Error, Result};
use crate::id::{CheckpointId, Epoch};
use crate::retention::{Slot, Slots};

/// How often a claim is tried before it is given up: only a crowd of starting drivers needs many.
const CLAIM_TRIES: u32 = 32;

impl CheckpointStore {
    pub(super) fn take_over(
        backend: Box<dyn Backend>,
        exclusive: Exclusive,
        sharing: Sharing,
        location: String,
        options: StoreOptions,
    ) -> Result<Self> {
        let mut slots = Slots::new();
        read_unseen(&*backend, sharing, &mut slots)?;
        // Claims that were lost must not make an epoch, and with it chunks' names, come again.
        let seen = slots.values().filter_map(Slot::epoch).max();
        let epoch = claim(&*backend, &location, &options, seen.unwrap_or_default())?;
        if sharing == Sharing::Shared {
            fence(&*backend, &location, epoch)?;
        }
        read_unseen(&*backend, sharing, &mut slots)?;
        let last = slots
            .last_key_value()
            .map_or(CheckpointId(0), |(id, _)| *id);
        let writer = Writer {
            base: None,
            next: last.next(),
            next_chunk: 0,
            stored: None,
        };
        tracing::info!(%location, %epoch, checkpoints = slots.len(), "took the checkpoints over");
        Ok(Self {
            backend,
            epoch,
            location,
            retain: AtomicUsize::new(options.retain.max(2)),
            options,
            sharing,
            writer: Mutex::new(writer),
            slots: Mutex::new(slots),
            checked: Mutex::default(),
            _exclusive: exclusive,
        })
    }
}

/// Reads the manifests that `slots` doesn't have yet.
fn read_unseen(backend: &dyn Backend, sharing: Sharing, slots: &mut Slots) -> Result<()> {
    for id in catalog::ids(backend)? {
        if slots.contains_key(&id) {
            continue;
        }
        let slot = match catalog::read_slot(backend, id) {
            Ok(slot) => slot,
            // Retired by the driver before, between the list and the read.
            Err(Error::Missing { .. }) => continue,
            Err(error) if error.is_damage() => Slot::Damaged(None),
            Err(Error::Storage(_)) if sharing == Sharing::Exclusive => Slot::Damaged(None),
            Err(error) => return Err(error),
        };
        slots.insert(id, slot);
    }
    Ok(())
}

fn claim(
    backend: &dyn Backend,
    location: &str,
    options: &StoreOptions,
    seen: Epoch,
) -> Result<Epoch> {
    for _ in 0..CLAIM_TRIES {
        let last = catalog::highest_epoch(backend)?;
        refuse_newer(backend, last)?;
        let highest = last.max(seen);
        let epoch = Epoch(highest.0.saturating_add(1));
        let record = Claim::new(epoch, options.holder.clone()).encode()?;
        failpoint!("checkpoint::before_claim");
        let outcome = backend.create(Name::Claim(epoch), record)?;
        failpoint!("checkpoint::after_claim");
        if outcome == PutOutcome::Written {
            forget_claims_before(backend, epoch);
            return Ok(epoch);
        }
    }
    let highest = Name::Claim(catalog::highest_epoch(backend)?);
    let holder = backend
        .get(highest)?
        .as_ref()
        .and_then(Claim::decode)
        .map(|claim| claim.holder);
    Err(Error::Locked {
        location: location.to_owned(),
        holder: holder.map(Box::new),
    })
}

/// Ends the start when a newer program has claimed the location, even if it has written nothing else yet.
/// Whatever else is wrong with a claim does no harm: it counts by its name.
fn refuse_newer(backend: &dyn Backend, last: Epoch) -> Result<()> {
    let name = Name::Claim(last);
    let Ok(Some(bytes)) = backend.get(name) else {
        return Ok(());
    };
    match Claim::verify(&backend.place(name), &bytes) {
        Err(error @ Error::NewerFormat { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// Only the highest epoch means anything; the others are removed where that works.
fn forget_claims_before(backend: &dyn Backend, epoch: Epoch) {
    let forget = || -> Result<()> {
        for name in backend.list(Folder::Claims)? {
            if name < Name::Claim(epoch) {
                backend.delete(name)?;
            }
        }
        Ok(())
    };
    if let Err(error) = forget() {
        tracing::warn!(%error, "claims of earlier epochs stay behind");
    }
}

fn fence(backend: &dyn Backend, location: &str, epoch: Epoch) -> Result<()> {
    let record = Fence { epoch }.encode()?;
    loop {
        let last = catalog::ids(backend)?.last().copied().unwrap_or_default();
        failpoint!("checkpoint::before_fence");
        let outcome = backend.create(Name::Manifest(last.next()), record.clone())?;
        failpoint!("checkpoint::after_fence");
        if outcome == PutOutcome::Written {
            return Ok(());
        }
        // The driver before published just now, or a later one has put its fence there.
        let found = catalog::highest_epoch(backend)?;
        if found > epoch {
            return Err(Error::Fenced {
                location: location.to_owned(),
                epoch,
                found,
            });
        }
    }
}
