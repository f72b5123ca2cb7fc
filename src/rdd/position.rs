//! Which record of a source is being worked on: known only while somebody seeks it.
//!
//! Work moves in chunks, so a step doesn't know where an element came from. When it must (a record can't
//! be processed and is put aside), the partition is computed once more, *seeking*: sources hand out one
//! record at a time and say which it is, and narrow steps pass on at once what they make of it. Nothing is
//! noted otherwise.

use std::cell::{Cell, RefCell};

use super::{Buffer, Chunk, Element, Executor, JobError, RddNode, Sink, Stop};
use crate::uid::OperatorUid;

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The input.
    pub(crate) source: OperatorUid,
    /// The block, for what a receiver took in.
    pub(crate) block: Option<String>,
    /// Which record of the block, or of the partition, counted from 0.
    pub(crate) offset: u64,
    /// The record as the source had it, where it can be told.
    pub(crate) record: Option<SourceRecord>,
}

/// A record as a source had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceRecord {
    /// A line of text.
    Text(String),
    /// MessagePack, as it lies in its block.
    Bytes(Vec<u8>),
}

thread_local! {
    static IS_SOUGHT: Cell<bool> = const { Cell::new(false) };
    static AT: RefCell<Option<Position>> = const { RefCell::new(None) };
}

/// Whether this thread computes to find positions.
pub(crate) fn is_sought() -> bool {
    IS_SOUGHT.get()
}

/// Runs `compute`, seeking.
pub(crate) fn seek<R>(compute: impl FnOnce() -> R) -> R {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            IS_SOUGHT.set(false);
            AT.set(None);
        }
    }
    let _back = Back;
    IS_SOUGHT.set(true);
    compute()
}

/// Runs `compute` for its results: whoever seeks finds nothing there.
pub(super) fn unsought<R>(compute: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            IS_SOUGHT.set(self.0);
            AT.set(None);
        }
    }
    let _back = Back(IS_SOUGHT.replace(false));
    compute()
}

/// The position of the record at hand; `None` where it isn't known, as behind a shuffle.
pub(crate) fn current() -> Option<Position> {
    AT.with_borrow(Option::clone)
}

/// What is handed out from here on is of no single record.
pub(super) fn forget() {
    AT.set(None);
}

/// Hands on the elements that `read` gives, one by one, each at the position that `at` says.
pub(crate) fn one_by_one<T: ?Sized + Element>(
    sink: &mut Sink<'_, T>,
    at: impl Fn(u64, &T) -> Position,
    read: impl FnOnce(&mut Sink<'_, T>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut offset = 0;
    let read = read(&mut |chunk: Chunk<'_, T>| {
        let mut stopped = Ok(());
        let mut alone = T::Buffer::default();
        alone.set_source(chunk.source());
        chunk.for_each(|value| {
            if stopped.is_err() {
                return;
            }
            AT.set(Some(at(offset, value)));
            offset += 1;
            alone.push(value);
            stopped = sink(Chunk::Owned(&mut alone));
            alone.clear();
        });
        stopped
    });
    AT.set(None);
    read
}

/// The dataset of an input that names no blocks.
pub(super) struct Positioned<T: ?Sized + Element> {
    pub(super) parent: std::sync::Arc<dyn RddNode<T>>,
    pub(super) source: OperatorUid,
}

impl<T: ?Sized + Element> RddNode<T> for Positioned<T> {
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        if !is_sought() {
            return self.parent.compute(partition, sink);
        }
        let at = |offset, value: &T| Position {
            source: self.source.clone(),
            block: None,
            offset,
            record: text_of(value).map(SourceRecord::Text),
        };
        one_by_one(sink, at, |sink| self.parent.compute(partition, sink))
    }

    fn is_materialized(&self) -> bool {
        self.parent.is_materialized()
    }
}

/// The text that an element is; `None` when it is something else.
fn text_of<T: ?Sized + Element>(value: &T) -> Option<String> {
    let own: T::Own = value.to_owned();
    (&own as &dyn std::any::Any)
        .downcast_ref::<String>()
        .cloned()
}
