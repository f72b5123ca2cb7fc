//! Reading slots, wherever their bytes are by now.

use bytes::Bytes;
use tidemill_storage::ErrorKind;

use super::home::{Home, WIDTH};
use super::known::Known;
use super::layout::Spot;
use super::look::missing;
use super::names::Slot;
use crate::error::{Error, Result};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::segments::SegmentId;

/// How much to read in one go.
const FETCH_BYTES: u64 = 8 << 20;
/// How often to look where a slot is by now before it counts as lost.
const TRIES: usize = 4;

impl Home {
    /// Reads a slot's segment from `offset`.
    pub(super) fn read(&self, slot: Slot, offset: u64, len: usize) -> Result<Bytes> {
        self.with_spot(slot, |spot| {
            let left = u64::from(spot.known().bytes).saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(len);
            if len == 0 {
                return Ok(Some(Bytes::new()));
            }
            let (name, start) = self.object(slot, spot);
            let start = start.saturating_add(offset);
            Ok(self.objects.get_range(&name, start, len)?)
        })
    }

    /// Reads the first few of `coming` whole. Those before a bad one are given without an error.
    pub(super) fn fetch(&self, coming: &[SegmentId]) -> Result<Vec<Bytes>> {
        let Some(first) = coming.first().map(|id| Slot(id.0)) else {
            return Ok(Vec::new());
        };
        let slots: Vec<Slot> = coming.iter().map(|id| Slot(id.0)).collect();
        self.with_spot(first, |spot| match spot {
            Spot::In(run, ..) => {
                let few = self.few(
                    &slots,
                    slots.len(),
                    |spot| matches!(spot, Spot::In(of, ..) if of.reference == run.reference),
                );
                self.fetch_of_run(&few)
            }
            Spot::Alone(_) => {
                let few = self.few(&slots, WIDTH, |spot| matches!(spot, Spot::Alone(_)));
                self.fetch_alone(&few)
            }
        })
    }

    /// As many of the first slots as are worth one go and lie where `fits` says.
    fn few(&self, slots: &[Slot], most: usize, fits: impl Fn(&Spot) -> bool) -> Vec<(Slot, Spot)> {
        let mut bytes = 0_u64;
        let mut few: Vec<(Slot, Spot)> = Vec::new();
        self.layout(|layout| {
            for slot in slots.iter().take(most) {
                let Some(spot) = layout.spot(*slot).filter(&fits) else {
                    break;
                };
                let follows = few.last().is_none_or(|(last, _)| last.next() == *slot);
                let is_alone = matches!(spot, Spot::Alone(_));
                bytes = bytes.saturating_add(u64::from(spot.known().bytes));
                if !few.is_empty() && (bytes > FETCH_BYTES || !(follows || is_alone)) {
                    break;
                }
                few.push((*slot, spot));
            }
        });
        few
    }

    /// Slots that lie one behind the other in a run.
    fn fetch_of_run(&self, few: &[(Slot, Spot)]) -> Result<Option<Vec<Bytes>>> {
        let Some((slot, spot)) = few.first() else {
            return Ok(None);
        };
        let (name, start) = self.object(*slot, spot);
        let lengths = few.iter().map(|(_, spot)| spot.known().bytes as usize);
        let Some(all) = self.objects.get_range(&name, start, lengths.sum())? else {
            return Ok(None);
        };
        let mut offset = 0;
        let slices = few.iter().map(|(slot, spot)| {
            let end = offset + spot.known().bytes as usize;
            let bytes = all.slice(offset.min(all.len())..end.min(all.len()));
            offset = end;
            self.checked(*slot, spot.known(), bytes)
        });
        before_bad(slices).map(Some)
    }

    /// Slots that are objects of their own.
    fn fetch_alone(&self, few: &[(Slot, Spot)]) -> Result<Option<Vec<Bytes>>> {
        let wanted: Vec<_> = few
            .iter()
            .map(|(slot, spot)| {
                // One more than there should be, to find out whether there is.
                let len = (spot.known().bytes as usize).saturating_add(1);
                (self.names.slot(*slot), 0, len)
            })
            .collect();
        let mut answers = Vec::new();
        for (answer, (slot, spot)) in self.read_many(&wanted).into_iter().zip(few) {
            match answer {
                Ok(Some(bytes)) => answers.push(self.checked(*slot, spot.known(), bytes)),
                // Moved away under our eyes, or lost: looked into when it is its turn.
                Ok(None) => break,
                Err(error) => answers.push(Err(error)),
            }
        }
        match answers.is_empty() {
            true => Ok(None),
            false => before_bad(answers.into_iter()).map(Some),
        }
    }

    /// The bytes, if they are as many as the slot's segment has, behind the header that it had.
    fn checked(&self, slot: Slot, known: Known, bytes: Bytes) -> Result<Bytes> {
        let damaged = |offset: u64, problem: String| {
            let (file, offset) = self.place(slot, offset);
            Err(Error::Corrupt {
                file,
                offset,
                problem,
            })
        };
        if bytes.len() != known.bytes as usize {
            let problem = match bytes.len() {
                0 => format!(
                    "it ends before this, {} more bytes were written",
                    known.bytes
                ),
                len if len < known.bytes as usize => {
                    format!(
                        "it ends here, in the middle of a segment of {} bytes",
                        known.bytes
                    )
                }
                _ => format!(
                    "it goes on behind the {} bytes that were written",
                    known.bytes
                ),
            };
            return damaged((bytes.len() as u64).min(u64::from(known.bytes)), problem);
        }
        let (place, _) = self.place(slot, 0);
        let front = bytes.get(..HEADER_BYTES).unwrap_or_default();
        match SegmentHeader::decode_slot(&place, slot.0, front) {
            Ok(found) if found == (known.header, known.bytes) => Ok(bytes),
            Ok(_) => damaged(16, "the header isn't the one that was read before".into()),
            Err(Error::Corrupt {
                offset, problem, ..
            }) => damaged(offset, problem),
            Err(error) => Err(error),
        }
    }

    /// The object that holds a slot, and where the slot begins in it.
    fn object(&self, slot: Slot, spot: &Spot) -> (String, u64) {
        match spot {
            Spot::Alone(_) => (self.names.slot(slot), 0),
            Spot::In(run, start, _) => (self.names.run(run.reference.name()), *start),
        }
    }

    /// Reads from where the slot is; looks again when it isn't there any more.
    fn with_spot<T>(&self, slot: Slot, read: impl Fn(&Spot) -> Result<Option<T>>) -> Result<T> {
        let place = || self.place(slot, 0).0;
        for _ in 0..TRIES {
            let Some(spot) = self.layout(|layout| layout.spot(slot)) else {
                let reason = "it isn't part of the log any more: it was cleaned up meanwhile";
                return Err(self.error("read", &place(), ErrorKind::NotFound, reason));
            };
            if let Some(found) = read(&spot)? {
                return Ok(found);
            }
            self.refresh()?;
        }
        Err(missing(place()))
    }
}

/// All before the first that is bad; the error if that is the very first.
fn before_bad(results: impl Iterator<Item = Result<Bytes>>) -> Result<Vec<Bytes>> {
    let mut good = Vec::new();
    for result in results {
        match result {
            Ok(bytes) => good.push(bytes),
            Err(error) if good.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(good)
}
