//! [`Slot`] and [`Names`]: what the objects of a log are called.

use std::fmt;

use crate::repair::QUARANTINE;

/// The number of a slot: 0 for the first ever, then one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Slot(pub(super) u64);

impl Slot {
    pub(super) fn next(self) -> Self {
        self.plus(1)
    }

    pub(super) fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What tells one run from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunName {
    pub(super) first: Slot,
    pub(super) last: Slot,
    /// Of the owner that made it: two owners never write the same object.
    pub(super) epoch: u64,
}

/// The names of a log's objects, below the log's prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// What each name starts with; empty or with a `/` at its end.
    prefix: String,
    /// What to call the store in messages.
    location: String,
}

impl Names {
    pub(super) fn new(prefix: &str, location: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let separator = if prefix.is_empty() { "" } else { "/" };
        Self {
            prefix: format!("{prefix}{separator}"),
            location: location.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) fn head(&self) -> String {
        format!("{}head", self.prefix)
    }

    pub(super) fn slot(&self, slot: Slot) -> String {
        format!("{}{:020}", self.slots(), slot.0)
    }

    pub(super) fn run(&self, run: RunName) -> String {
        let RunName { first, last, epoch } = run;
        format!("{}{:020}-{:020}-{epoch}", self.runs(), first.0, last.0)
    }

    /// What a repair of this name sets aside an object as; `object` is the object's name.
    pub(super) fn quarantined(&self, repair: &str, object: &str) -> String {
        let object = object.strip_prefix(&self.prefix).unwrap_or(object);
        format!("{}{object}", self.quarantine(repair))
    }

    /// What the names of what a repair sets aside begin with.
    pub(super) fn quarantine(&self, repair: &str) -> String {
        format!("{}{QUARANTINE}{repair}/", self.prefix)
    }

    fn slots(&self) -> String {
        format!("{}slot/", self.prefix)
    }

    fn runs(&self) -> String {
        format!("{}run/", self.prefix)
    }

    /// The prefixes, without the `/`, below which all slots and all runs are.
    pub(super) fn folders(&self) -> [String; 2] {
        [self.slots(), self.runs()].map(|folder| folder.trim_end_matches('/').to_owned())
    }

    /// The slot of this name; `None` for other objects.
    pub(super) fn parse_slot(&self, name: &str) -> Option<Slot> {
        number(name.strip_prefix(&self.slots())?).map(Slot)
    }

    /// The run of this name; `None` for other objects.
    pub(super) fn parse_run(&self, name: &str) -> Option<RunName> {
        let mut parts = name.strip_prefix(&self.runs())?.split('-');
        let (first, last) = (number(parts.next()?)?, number(parts.next()?)?);
        let epoch = parts.next()?.parse().ok()?;
        let run = RunName {
            first: Slot(first),
            last: Slot(last),
            epoch,
        };
        (self.run(run) == name).then_some(run)
    }

    /// What to call an object in a message.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    /// The log's place.
    pub(super) fn log(&self) -> String {
        format!("{}/{}", self.location, self.prefix.trim_end_matches('/'))
    }
}

fn number(digits: &str) -> Option<u64> {
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for prefix in ["", "driver", "/a/b/"] {
            let names = Names::new(prefix, "s3://bucket/wal/");
            let run = RunName {
                first: Slot(3),
                last: Slot(70),
                epoch: 9,
            };
            assert_eq!(names.parse_slot(&names.slot(Slot(7))), Some(Slot(7)));
            assert_eq!(names.parse_run(&names.run(run)), Some(run));
            assert_eq!(names.parse_slot(&names.run(run)), None);
            assert_eq!(names.parse_run(&format!("{}x", names.run(run))), None);
            assert_eq!(names.parse_slot(&names.head()), None);
        }
        let names = Names::new("driver", "s3://bucket/wal/");
        assert_eq!(
            names.place(&names.slot(Slot(7))),
            "s3://bucket/wal/driver/slot/00000000000000000007"
        );
    }
}
