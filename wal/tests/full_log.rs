//! What a log on a full disk tells: once that there is no space, once that there is again. Whoever appends
//! tries again many times a second, and a log of programs on the same disk must not grow by it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use common::*;
use tidemill_storage::{Fault, OperationKind, SimDisk};
use tidemill_wal::Error;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the level and the message of each event.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Level, String)>>>);

impl Told {
    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let told = (*event.metadata().level(), message.0);
        self.0.lock().unwrap().push(told);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The only test here: the writer's thread tells what the whole process listens to.
#[test]
fn a_full_disk_is_told_once_and_so_is_its_end() {
    let told = Told::default();
    tracing::subscriber::set_global_default(told.clone()).unwrap();
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "good");
    assert_eq!(told.take(), []);
    for _ in 0..2 {
        disk.set_faults(|op| (op.kind == OperationKind::Append).then_some(Fault::Errno(28)));
        for _ in 0..20 {
            let refused = wal.append(1, payload("refused")).wait().unwrap_err();
            assert!(matches!(refused, Error::Full { .. }), "{refused}");
            assert!(matches!(wal.roll(0), Err(Error::Full { .. })));
        }
        let start = (Level::WARN, "no space for a group of the log".to_owned());
        assert_eq!(told.take(), [start]);
        disk.clear_faults();
        append(&wal, "good");
        append(&wal, "good");
        let end = (Level::INFO, "there is space for the log again".to_owned());
        assert_eq!(told.take(), [end]);
    }
}
