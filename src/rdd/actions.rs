//! Actions: what makes a dataset compute.

use super::{Buffer, Element, JobError, Rdd, Stop, TaskError, until_enough};

/// One partition, seen from inside the task that computes it.
pub struct Partition<'a, T: ?Sized + Element> {
    rdd: &'a Rdd<T>,
    index: usize,
}

impl<T: ?Sized + Element> Partition<'_, T> {
    /// Its number, counted from 0.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// assert_eq!(numbers.run_partitions(|partition| Ok(partition.index()))?, [0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn index(&self) -> usize {
        self.index
    }

    /// Visits its elements; an error ends the visit and fails the task.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize(vec![1, 2, 3]);
    /// let refused = numbers.for_each_partition(|partition| {
    ///     partition.try_for_each(|n| if *n < 3 { Ok(()) } else { Err("too many") })
    /// });
    /// assert!(refused.unwrap_err().to_string().contains("too many"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each<E: Into<super::BoxError>>(
        &self,
        mut visit: impl FnMut(&T) -> Result<(), E>,
    ) -> Result<(), TaskError> {
        let visited = self.rdd.node().compute(self.index, &mut |chunk| {
            let mut failed = None;
            chunk.for_each(|value| {
                if failed.is_none() {
                    failed = visit(value).err();
                }
            });
            match failed {
                Some(error) => Err(Stop::Failed(TaskError::new(error))),
                None => Ok(()),
            }
        });
        until_enough(visited)
    }

    /// Visits its elements.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// let sums = numbers.run_partitions(|partition| {
    ///     let mut sum = 0;
    ///     partition.for_each(|n| sum += n)?;
    ///     Ok(sum)
    /// })?;
    /// assert_eq!(sums, [3, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each(&self, mut visit: impl FnMut(&T)) -> Result<(), TaskError> {
        self.try_for_each(|value| {
            visit(value);
            Ok::<_, std::convert::Infallible>(())
        })
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// Runs `task` on each partition and returns the results in partition order.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// let lengths = numbers.run_partitions(|partition| {
    ///     let mut length = 0;
    ///     partition.for_each(|_| length += 1)?;
    ///     Ok((partition.index(), length))
    /// })?;
    /// assert_eq!(lengths, [(0, 2), (1, 2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_partitions<R: Send>(
        &self,
        task: impl Fn(Partition<'_, T>) -> Result<R, TaskError> + Sync,
    ) -> Result<Vec<R>, JobError> {
        self.node().prepare(self.executor())?;
        self.executor().run(self.partitions(), |index| {
            task(Partition { rdd: self, index })
        })
    }

    /// Runs `task` on each partition, for its effects.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let (sum, numbers) = (AtomicU64::new(0), context.parallelize(vec![1, 2, 3]));
    /// numbers.for_each_partition(|partition| {
    ///     partition.for_each(|n| {
    ///         sum.fetch_add(*n, Ordering::Relaxed);
    ///     })
    /// })?;
    /// assert_eq!(sum.into_inner(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_partition<E: Into<super::BoxError>>(
        &self,
        task: impl Fn(Partition<'_, T>) -> Result<(), E> + Sync,
    ) -> Result<(), JobError> {
        self.run_partitions(|partition| task(partition).map_err(TaskError::new))
            .map(|_| ())
    }

    /// Visits every element; partitions run side by side.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let (sum, numbers) = (AtomicU64::new(0), context.parallelize(vec![1, 2, 3]));
    /// numbers.for_each(|n| {
    ///     sum.fetch_add(*n, Ordering::Relaxed);
    /// })?;
    /// assert_eq!(sum.into_inner(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each(&self, visit: impl Fn(&T) + Sync) -> Result<(), JobError> {
        self.run_partitions(|partition| partition.for_each(&visit))
            .map(|_| ())
    }

    /// All elements, in partition order.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.parallelize(vec![1, 2, 3]).collect()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect(&self) -> Result<Vec<T::Own>, JobError> {
        let partitions = self.run_partitions(|partition| {
            let mut elements = Vec::new();
            until_enough(self.node().compute(partition.index, &mut |chunk| {
                chunk.into_each(|value| elements.push(value));
                Ok(())
            }))?;
            Ok(elements)
        })?;
        Ok(partitions.into_iter().flatten().collect())
    }

    /// How many elements there are.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.parallelize(vec![1, 2, 3]).count()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(&self) -> Result<u64, JobError> {
        let counts = self.run_partitions(|partition| {
            let mut count = 0;
            until_enough(self.node().compute(partition.index, &mut |chunk| {
                count += chunk.len() as u64;
                Ok(())
            }))?;
            Ok(count)
        })?;
        Ok(counts.into_iter().sum())
    }

    /// The first `n` elements, in partition order; computes no more partitions than it must.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.parallelize(vec![1, 2, 3]).take(2)?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&self, n: usize) -> Result<Vec<T::Own>, JobError> {
        self.node().prepare(self.executor())?;
        let mut taken: Vec<T::Own> = Vec::new();
        for index in 0..self.partitions() {
            let left = n - taken.len();
            if left == 0 {
                break;
            }
            let more = self.executor().run(1, |_| {
                let mut elements = Vec::new();
                until_enough(self.node().compute(index, &mut |chunk| {
                    chunk.for_each(|value| {
                        if elements.len() < left {
                            elements.push(value.to_owned());
                        }
                    });
                    if elements.len() < left {
                        Ok(())
                    } else {
                        Err(Stop::Enough)
                    }
                }))?;
                Ok(elements)
            })?;
            taken.extend(more.into_iter().flatten());
        }
        Ok(taken)
    }

    /// Whether there are no elements.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert!(context.parallelize(Vec::<u64>::new()).is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool, JobError> {
        Ok(self.take(1)?.is_empty())
    }

    /// All elements combined by `f`, which must be associative; they come together in their order. `None` for
    /// no elements.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize(vec![1, 2, 3]);
    /// assert_eq!(numbers.reduce(|a, b| a + b)?, Some(6));
    /// assert_eq!(numbers.filter(|_| false).reduce(|a, b| a + b)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce(
        &self,
        f: impl Fn(&T::Own, &T::Own) -> T::Own + Sync,
    ) -> Result<Option<T::Own>, JobError> {
        let parts = self.run_partitions(|partition| {
            let mut total: Option<T::Own> = None;
            partition.for_each(|value| {
                let value = value.to_owned();
                total = Some(match total.take() {
                    Some(sum) => f(&sum, &value),
                    None => value,
                });
            })?;
            Ok(total)
        })?;
        super::contained(|| Ok(parts.into_iter().flatten().reduce(|a, b| f(&a, &b)))).map_err(
            |error| JobError {
                partition: 0,
                attempts: 1,
                error,
            },
        )
    }

    /// One partition's elements as a buffer, as views where they are views.
    pub(crate) fn buffer_of(&self, index: usize) -> Result<T::Buffer, TaskError> {
        let mut buffer = T::Buffer::default();
        until_enough(self.node().compute(index, &mut |chunk| {
            buffer.set_source(chunk.source());
            chunk.append_to(&mut buffer);
            Ok(())
        }))?;
        Ok(buffer)
    }
}
