//! How a log changes hands: the head, then the fence. See the module's essay for why that is enough.

use std::sync::PoisonError;

use bytes::Bytes;
use tidemill_storage::{ErrorKind, PutOutcome, Version, failpoint};

use super::head::Head;
use super::home::{Home, Ours};
use super::known::Known;
use crate::error::{Error, Result};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::options::{LogKind, WalOptions};
use crate::position::Sequence;

/// A head as it was read, and what to replace it by.
pub(super) struct FoundHead {
    pub(super) head: Head,
    pub(super) log_kind: LogKind,
    version: Version,
}

impl Home {
    pub(super) fn read_head(&self) -> Result<Option<FoundHead>> {
        let name = self.names.head();
        let Some((bytes, version)) = self.objects.get_versioned(&name)? else {
            return Ok(None);
        };
        let (log_kind, head) = Head::decode(&self.names.place(&name), &bytes)?;
        Ok(Some(FoundHead {
            head,
            log_kind,
            version,
        }))
    }

    /// Writes our epoch into the head.
    pub(super) fn take_over(&self, options: &WalOptions) -> Result<()> {
        let place = self.names.place(&self.names.head());
        loop {
            let found = self.read_head()?;
            let head = match &found {
                Some(found) if found.log_kind != options.log_kind => {
                    return Err(Error::OtherKind {
                        file: place,
                        found: found.log_kind,
                        expected: options.log_kind,
                    });
                }
                Some(found) => {
                    let Head { epoch, owner, .. } = found.head;
                    let is_taken =
                        epoch > options.epoch || (epoch == options.epoch && owner != self.nonce);
                    if is_taken {
                        return Err(Error::Fenced {
                            place,
                            found: epoch,
                            ours: options.epoch,
                        });
                    }
                    Head {
                        epoch: options.epoch,
                        owner: self.nonce,
                        ..found.head.clone()
                    }
                }
                None if self.is_headless()? => return Err(self.headless()),
                None => Head::fresh(options.epoch, self.nonce),
            };
            if self.put_head(&head, options.log_kind, found.map(|found| found.version))? {
                self.set_ours(Ours::of(options));
                return Ok(());
            }
        }
    }

    /// Whether there are slots or runs, but no head. The one look at a list that an opening may take: a
    /// log that has been opened before has a head.
    pub(super) fn is_headless(&self) -> Result<bool> {
        for folder in self.names.folders() {
            if !self.objects.list(&folder)?.is_empty() {
                // Perhaps another owner has begun the log just now.
                return Ok(self.read_head()?.is_none());
            }
        }
        Ok(false)
    }

    pub(super) fn headless(&self) -> Error {
        Error::Corrupt {
            file: self.names.place(&self.names.head()),
            offset: 0,
            problem: "it is missing, though the log has slots or runs".into(),
        }
    }

    /// Whether the head could be put in the place of the one that was read.
    fn put_head(&self, head: &Head, log_kind: LogKind, old: Option<Version>) -> Result<bool> {
        let (name, bytes) = (self.names.head(), head.encode(log_kind)?);
        failpoint!("wal::before_head_put");
        let outcome = match old {
            Some(version) => self.objects.put_if(&name, bytes, &version)?,
            None => self.objects.put_new(&name, bytes)?,
        };
        failpoint!("wal::after_head_put");
        Ok(outcome == PutOutcome::Written)
    }

    /// The head, if it is still ours.
    pub(super) fn our_head(&self) -> Result<FoundHead> {
        let ours = self.owner()?;
        let place = self.names.place(&self.names.head());
        let Some(found) = self.read_head()? else {
            let reason = "it is gone";
            return Err(self.error("read", &place, ErrorKind::NotFound, reason));
        };
        if (found.head.epoch, found.head.owner) == (ours.epoch, self.nonce) {
            return Ok(found);
        }
        Err(Error::Fenced {
            place,
            found: found.head.epoch,
            ours: ours.epoch,
        })
    }

    /// What an owner doesn't find, or finds other than it was, may have been moved by the next one: then
    /// that is what is wrong.
    pub(super) fn or_fenced<T>(&self, result: Result<T>) -> Result<T> {
        let lost = |error: &Error| error.is_about_contents() || error.is_not_found();
        if let Err(error) = &result
            && lost(error)
            && self.ours().is_some()
            && let Err(fenced @ Error::Fenced { .. }) = self.our_head()
        {
            return Err(fenced);
        }
        result
    }

    /// Changes the head as long as it is ours, and hands the new one to `then`. `None` if `change` found
    /// that there is nothing to change any more.
    pub(super) fn change_head<T>(
        &self,
        change: impl Fn(&mut Head) -> bool,
        then: impl FnOnce(&Head) -> T,
    ) -> Result<Option<T>> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let FoundHead {
                mut head,
                log_kind,
                version,
            } = self.our_head()?;
            if !change(&mut head) {
                return Ok(None);
            }
            // After a conflict: either it isn't ours any more, or an earlier try of ours came through.
            if self.put_head(&head, log_kind, Some(version))? {
                return Ok(Some(then(&head)));
            }
        }
    }

    /// Puts our fence where the log was found to end; `false` if it goes on there.
    pub(super) fn fence(&self, end: Sequence) -> Result<bool> {
        let ours = self.owner()?;
        let header = SegmentHeader {
            log_kind: ours.log_kind,
            epoch: ours.epoch,
            first: end,
        };
        let bytes = HEADER_BYTES as u32;
        let slot = self.layout(|layout| layout.next);
        let name = self.names.slot(slot);
        let fence = Bytes::copy_from_slice(&header.encode_slot(slot.0, bytes));
        failpoint!("wal::before_fence_put");
        let outcome = self.objects.put_new(&name, fence)?;
        failpoint!("wal::after_fence_put");
        // Only if nobody came after us until now was the slot free because it had never been taken.
        self.our_head()?;
        if outcome == PutOutcome::Conflict {
            return Ok(false);
        }
        self.layout(|layout| layout.insert(slot, Some(Known { header, bytes })));
        Ok(true)
    }
}
