//! Narrow steps that may fail at a record, and what becomes of the record then.
//!
//! A record that is put aside costs nothing until there is one: then its partition's lineage is computed
//! once more, one record at a time, to find out where it came from ([`position`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::Serialize;

use super::misfits::{Misfits, shortened};
use super::position::{self, Position};
use super::{Chunk, Element, Emitter, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};
use crate::effects::{self, Effect, EffectId};
use crate::uid::OperatorUid;

/// What becomes of a record at which a fallible operator fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ErrorPolicy {
    /// The batch fails: it is reported, and tried again until it succeeds. Nothing is lost, and nothing goes
    /// on.
    #[default]
    FailBatch,
    /// The record is written, with where it came from and why, beside the batch's outputs, exactly once;
    /// the batch goes on without it.
    DeadLetters,
    /// The batch goes on without the record, which is counted and told in the log. It stays in its source
    /// for as long as that keeps it.
    Drop,
}

/// An operator's policy, set when its stream is declared.
#[derive(Debug, Default)]
pub(crate) struct PolicyCell(AtomicU8);

impl PolicyCell {
    pub(crate) fn set(&self, policy: ErrorPolicy) {
        self.0.store(policy as u8, Ordering::Relaxed);
    }

    fn get(&self) -> ErrorPolicy {
        match self.0.load(Ordering::Relaxed) {
            1 => ErrorPolicy::DeadLetters,
            2 => ErrorPolicy::Drop,
            _ => ErrorPolicy::FailBatch,
        }
    }
}

/// A record that was put aside.
#[derive(Debug, Clone)]
pub(crate) struct PutAside {
    /// The operator that failed.
    pub(crate) operator: OperatorUid,
    /// The record as the operator saw it.
    pub(crate) record: serde_json::Value,
    /// Why.
    pub(crate) error: String,
    /// Where it came from; `None` where that isn't known.
    pub(crate) position: Option<Position>,
}

/// What tasks put aside.
#[derive(Default)]
pub(crate) struct Aside(pub(crate) Vec<PutAside>);

impl Effect for Aside {
    fn absorb(&mut self, other: Box<dyn Effect>) {
        if let Ok(mut other) = (other as Box<dyn std::any::Any>).downcast::<Self>() {
            self.0.append(&mut other.0);
        }
    }

    fn weight(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Under what tasks leave what they put aside.
pub(crate) fn aside_id() -> EffectId {
    static ID: std::sync::OnceLock<EffectId> = std::sync::OnceLock::new();
    *ID.get_or_init(EffectId::fresh)
}

/// What a fallible operator does about failures, and how it's known.
#[derive(Clone)]
pub(crate) struct OnError {
    pub(crate) operator: OperatorUid,
    pub(crate) policy: Arc<PolicyCell>,
    /// Counts what is dropped.
    pub(crate) dropped: Arc<Misfits>,
}

struct Fallible<T: ?Sized + Element, F> {
    parent: Arc<dyn RddNode<T>>,
    step: F,
    on_error: OnError,
    write: Write<T>,
}

/// How an element is written down as JSON.
pub(crate) type Write<T> = fn(&T) -> serde_json::Value;

/// As serde writes it; nothing, where that can't.
pub(crate) fn by_serde<T: ?Sized + Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// One partition's pass through a fallible step.
pub(super) struct Pass<'a> {
    on_error: &'a OnError,
    policy: ErrorPolicy,
    /// What was put aside, each with the number of its element.
    aside: Vec<(u64, PutAside)>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(on_error: &'a OnError) -> Self {
        Self {
            on_error,
            policy: on_error.policy.get(),
            aside: Vec::new(),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn failed(
        &mut self,
        number: u64,
        record: impl FnOnce() -> serde_json::Value,
        error: String,
    ) -> Result<(), TaskError> {
        let operator = &self.on_error.operator;
        match self.policy {
            ErrorPolicy::FailBatch => {
                let record = shortened(&record().to_string());
                return Err(TaskError::new(format!(
                    "`{operator}` can't process the record {record}: {error}"
                )));
            }
            // Another pass has counted it.
            _ if position::is_sought() => {}
            ErrorPolicy::Drop => self.on_error.dropped.add(&error, record),
            ErrorPolicy::DeadLetters => {
                let aside = PutAside {
                    operator: operator.clone(),
                    record: record(),
                    error,
                    position: None,
                };
                self.aside.push((number, aside));
            }
        }
        Ok(())
    }

    /// Leaves what was put aside, each with where it came from.
    pub(super) fn end<T: ?Sized + Element>(
        self,
        parent: &dyn RddNode<T>,
        partition: usize,
    ) -> Result<(), Stop> {
        let mut aside = self.aside;
        if aside.is_empty() {
            return Ok(());
        }
        aside.sort_by_key(|(number, _)| *number);
        find(parent, partition, &mut aside)?;
        let aside = aside.into_iter().map(|(_, aside)| aside);
        let _ = effects::with(aside_id(), Aside::default, |all: &mut Aside| {
            all.0.extend(aside);
        });
        Ok(())
    }
}

/// Finds out where the elements of these numbers, in order, came from.
fn find<T: ?Sized + Element>(
    parent: &dyn RddNode<T>,
    partition: usize,
    aside: &mut [(u64, PutAside)],
) -> Result<(), Stop> {
    let mut wanted = aside.iter_mut().peekable();
    let mut number = 0;
    let mut look = |chunk: Chunk<'_, T>| {
        chunk.for_each(|_| {
            if let Some((_, aside)) = wanted.next_if(|(wanted, _)| *wanted == number) {
                aside.position = position::current();
            }
            number += 1;
        });
        match wanted.peek() {
            Some(_) => Ok(()),
            None => Err(Stop::Enough),
        }
    };
    // What it leaves was left by the first pass.
    let (looked, _) =
        effects::collected(|| position::seek(|| parent.compute(partition, &mut look)));
    match looked {
        Err(Stop::Enough) => Ok(()),
        other => other,
    }
}

impl<T, U, F> RddNode<U> for Fallible<T, F>
where
    T: ?Sized + Element,
    U: ?Sized + Element,
    F: Fn(&T, &mut Emitter<'_, '_, U>) -> Result<(), String> + Send + Sync,
{
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        let mut emitter = Emitter::new(sink);
        let mut pass = Pass::new(&self.on_error);
        let mut next = 0;
        self.parent.compute(partition, &mut |chunk| {
            emitter.begin_chunk(&chunk);
            let mut failed = Ok(());
            chunk.for_each(|value| {
                if failed.is_err() {
                    return;
                }
                let number = next;
                next += 1;
                if let Err(error) = emitter.all_or_none(|out| (self.step)(value, out)) {
                    failed = pass.failed(number, || (self.write)(value), error);
                }
            });
            failed.map_err(Stop::Failed)?;
            emitter.end_chunk()
        })?;
        emitter.end()?;
        pass.end(&*self.parent, partition)
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// What `step` emits for each element for which it succeeds; `on_error` is asked about the others.
    pub(crate) fn fallible<U: ?Sized + Element>(
        &self,
        on_error: OnError,
        write: Write<T>,
        step: impl Fn(&T, &mut Emitter<'_, '_, U>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Rdd<U> {
        let node = Fallible {
            parent: Arc::clone(self.node()),
            step,
            on_error,
            write,
        };
        Rdd::new(node, self.executor())
    }
}
