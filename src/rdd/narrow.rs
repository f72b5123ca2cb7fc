//! Narrow steps: each partition of the result depends on one partition of the parent, so that a chain of
//! them runs in one pass, a chunk at a time.

use std::sync::Arc;

use super::position;
use super::{Buffer, CHUNK, Chunk, Data, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

/// Takes what a closure yields for one element: none, one or many, copied only where it must be.
pub struct Emitter<'a, 's, U: ?Sized + Element> {
    buffer: U::Buffer,
    sink: &'a mut Sink<'s, U>,
    stopped: Option<Stop>,
    /// How many elements are gathered.
    flush_at: usize,
    /// Whether what a chunk yields is handed on before the next.
    at_once: bool,
}

impl<'a, 's, U: ?Sized + Element> Emitter<'a, 's, U> {
    pub(super) fn new(sink: &'a mut Sink<'s, U>) -> Self {
        Self {
            buffer: U::Buffer::default(),
            sink,
            stopped: None,
            flush_at: CHUNK,
            at_once: position::is_sought(),
        }
    }

    /// Yields a copy of `value`; a `&str` out of the record at hand isn't copied.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// // A word lies in its line: it isn't copied.
    /// let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
    /// ```
    #[inline]
    pub fn emit(&mut self, value: &U) {
        self.buffer.push(value);
        if self.buffer.len() >= self.flush_at {
            self.flush();
        }
    }

    /// Yields `value`.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let capitals = lines.flat_map::<str>(|line, out| out.emit_owned(line.to_uppercase()));
    /// ```
    #[inline]
    pub fn emit_owned(&mut self, value: U::Own) {
        self.buffer.push_owned(value);
        if self.buffer.len() >= self.flush_at {
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

    /// Begins an incoming chunk.
    pub(super) fn begin_chunk<T: ?Sized + Element>(&mut self, chunk: &Chunk<'_, T>) {
        self.buffer.set_source(chunk.source());
    }

    /// Ends one incoming chunk.
    pub(super) fn end_chunk(&mut self) -> Result<(), Stop> {
        if self.at_once {
            self.flush();
        }
        match self.stopped.take() {
            Some(stop) => Err(stop),
            None => Ok(()),
        }
    }

    /// Ends the partition.
    pub(super) fn end(&mut self) -> Result<(), Stop> {
        self.flush();
        self.end_chunk()
    }

    /// Lets `f` emit for one element: all of it counts, or, when it fails, nothing.
    #[inline]
    pub(super) fn all_or_none<R, E>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = self.buffer.len();
        self.flush_at = usize::MAX;
        let result = f(self);
        self.flush_at = CHUNK;
        if result.is_err() {
            self.buffer.truncate(before);
        } else if self.buffer.len() >= CHUNK {
            self.flush();
        }
        result
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
        emitter.begin_chunk(&chunk);
        step(chunk, &mut emitter);
        emitter.end_chunk()
    })?;
    emitter.end()
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
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize(vec![1, 2, 3]);
    /// assert_eq!(numbers.map(|n| n * 10).collect()?, [10, 20, 30]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: Data>(&self, f: impl Fn(&T) -> U + Send + Sync + 'static) -> Rdd<U> {
        self.narrow(move |chunk, out: &mut Emitter<'_, '_, U>| {
            chunk.for_each(|value| out.emit_owned(f(value)));
        })
    }

    /// Any number of elements for each: `f` emits them.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.parallelize(vec!["high tide", "ebb"]);
    /// let words = lines.flat_map::<String>(|line, out| line.split(' ').for_each(|word| out.emit_owned(word.to_owned())));
    /// assert_eq!(words.collect()?, ["high", "tide", "ebb"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map<U: ?Sized + Element>(
        &self,
        f: impl Fn(&T, &mut Emitter<'_, '_, U>) + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.narrow(move |chunk, out| chunk.for_each(|value| f(value, out)))
    }

    /// The elements for which `keep` holds.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize(vec![1, 2, 3]);
    /// assert_eq!(numbers.filter(|n| n % 2 == 1).collect()?, [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// let sums = numbers.map_partitions(|all| [all.iter().sum::<i32>()]);
    /// assert_eq!(sums.collect()?, [3, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// assert_eq!(numbers.glom().collect()?, [[1, 2], [3, 4]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn glom(&self) -> Rdd<Vec<T::Own>> {
        self.map_partitions(|elements| [elements])
    }
}

/// All elements of a partition. What comes of them together comes of no single record.
pub(super) fn whole_partition<T: ?Sized + Element>(
    parent: &dyn RddNode<T>,
    partition: usize,
) -> Result<Vec<T::Own>, Stop> {
    let mut elements = Vec::new();
    parent.compute(partition, &mut |chunk| {
        chunk.into_each(|value| elements.push(value));
        Ok(())
    })?;
    position::forget();
    Ok(elements)
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
        let elements = whole_partition(&*self.parent, partition)?;
        let mut emitter = Emitter::new(sink);
        for value in (self.f)(elements) {
            emitter.emit_owned(value);
        }
        emitter.end()
    }
}
