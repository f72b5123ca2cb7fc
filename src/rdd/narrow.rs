//! Narrow steps: each partition of the result depends on one partition of the parent, so that a chain of
//! them runs in one pass, a chunk at a time.

use std::sync::Arc;

use super::{Buffer, CHUNK, Chunk, Data, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

/// Takes what a closure yields for one element: none, one or many, copied only where it must be.
pub struct Emitter<'a, 's, U: ?Sized + Element> {
    buffer: U::Buffer,
    sink: &'a mut Sink<'s, U>,
    stopped: Option<Stop>,
}

impl<'a, 's, U: ?Sized + Element> Emitter<'a, 's, U> {
    fn new(sink: &'a mut Sink<'s, U>) -> Self {
        Self {
            buffer: U::Buffer::default(),
            sink,
            stopped: None,
        }
    }

    /// Yields a copy of `value`; a `&str` out of the record at hand isn't copied.
    #[inline]
    pub fn emit(&mut self, value: &U) {
        self.buffer.push(value);
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
    }

    /// Yields `value`.
    #[inline]
    pub fn emit_owned(&mut self, value: U::Own) {
        self.buffer.push_owned(value);
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
    }

    #[cold]
    #[inline(never)]
    fn flush(&mut self) {
        if self.stopped.is_none() && !self.buffer.is_empty() {
            self.stopped = (self.sink)(Chunk::Owned(&mut self.buffer)).err();
        }
        self.buffer.clear();
    }

    /// Ends one incoming chunk.
    fn end_chunk(&mut self) -> Result<(), Stop> {
        match self.stopped.take() {
            Some(stop) => Err(stop),
            None => Ok(()),
        }
    }
}

/// A narrow step whose `step` turns each incoming chunk into what it emits.
struct Narrow<T: ?Sized + Element, F> {
    parent: Arc<dyn RddNode<T>>,
    step: F,
}

impl<T, U, F> RddNode<U> for Narrow<T, F>
where
    T: ?Sized + Element,
    U: ?Sized + Element,
    F: Fn(Chunk<'_, T>, &mut Emitter<'_, '_, U>) + Send + Sync,
{
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        push(&*self.parent, partition, sink, &self.step)
    }
}

/// Pushes one partition of `parent` through `step` into `sink`.
pub(super) fn push<T: ?Sized + Element, U: ?Sized + Element>(
    parent: &dyn RddNode<T>,
    partition: usize,
    sink: &mut Sink<'_, U>,
    step: impl Fn(Chunk<'_, T>, &mut Emitter<'_, '_, U>),
) -> Result<(), Stop> {
    let mut emitter = Emitter::new(sink);
    parent.compute(partition, &mut |chunk| {
        emitter.buffer.set_source(chunk.source());
        step(chunk, &mut emitter);
        emitter.end_chunk()
    })?;
    emitter.flush();
    emitter.end_chunk()
}

impl<T: ?Sized + Element> Rdd<T> {
    fn narrow<U: ?Sized + Element>(
        &self,
        step: impl Fn(Chunk<'_, T>, &mut Emitter<'_, '_, U>) + Send + Sync + 'static,
    ) -> Rdd<U> {
        Rdd::new(
            Narrow {
                parent: Arc::clone(self.node()),
                step,
            },
            self.executor(),
        )
    }

    /// One element for each.
    pub fn map<U: Data>(&self, f: impl Fn(&T) -> U + Send + Sync + 'static) -> Rdd<U> {
        self.narrow(move |chunk, out: &mut Emitter<'_, '_, U>| {
            chunk.for_each(|value| out.emit_owned(f(value)));
        })
    }

    /// Any number of elements for each: `f` emits them.
    pub fn flat_map<U: ?Sized + Element>(
        &self,
        f: impl Fn(&T, &mut Emitter<'_, '_, U>) + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.narrow(move |chunk, out| chunk.for_each(|value| f(value, out)))
    }

    /// The elements for which `keep` holds.
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> Rdd<T> {
        self.narrow(move |chunk, out| {
            chunk.for_each(|value| {
                if keep(value) {
                    out.emit(value);
                }
            });
        })
    }

    /// The elements that `f` makes of each whole partition. Holds one partition in memory at a time.
    pub fn map_partitions<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(Vec<T::Own>) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        Rdd::new(
            WholePartition {
                parent: Arc::clone(self.node()),
                f,
            },
            self.executor(),
        )
    }

    /// Each partition as one list.
    pub fn glom(&self) -> Rdd<Vec<T::Own>> {
        self.map_partitions(|elements| [elements])
    }
}

struct WholePartition<T: ?Sized + Element, F> {
    parent: Arc<dyn RddNode<T>>,
    f: F,
}

impl<T, U, I, F> RddNode<U> for WholePartition<T, F>
where
    T: ?Sized + Element,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(Vec<T::Own>) -> I + Send + Sync,
{
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        let mut elements = Vec::new();
        self.parent.compute(partition, &mut |chunk| {
            chunk.into_each(|value| elements.push(value));
            Ok(())
        })?;
        let mut emitter = Emitter::new(sink);
        for value in (self.f)(elements) {
            emitter.emit_owned(value);
        }
        emitter.flush();
        emitter.end_chunk()
    }
}
