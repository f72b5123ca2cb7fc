//! The totals that come with tidemill: whole numbers, numbers, collections.

use serde::{Deserialize, Serialize};

use super::{Accumulable, Accumulator};
use crate::rdd::{BoxError, Data};

/// The sum and the number of whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Long {
    sum: i64,
    count: u64,
}

impl Accumulable for Long {
    type Input = i64;
    type Value = i64;

    #[inline]
    fn add(&mut self, input: i64) {
        self.sum = self.sum.saturating_add(input);
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.count += other.count;
    }

    fn value(&self) -> i64 {
        self.sum
    }
}

impl Accumulator<Long> {
    /// The sum of what was added; ends at the largest number there is.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// let bytes = context.long_accumulator("bytes");
    /// bytes.add(3);
    /// bytes.add(4);
    /// assert_eq!((bytes.sum(), bytes.count(), bytes.avg()), (7, 2, 3.5));
    /// ```
    pub fn sum(&self) -> i64 {
        self.0.held().total.sum
    }

    /// How many numbers were added.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let sizes = context.long_accumulator("sizes");
    /// [2, 4].into_iter().for_each(|size| sizes.add(size));
    /// assert_eq!(sizes.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.0.held().total.count
    }

    /// Their mean; not a number when there are none.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let sizes = context.long_accumulator("sizes");
    /// [2, 4].into_iter().for_each(|size| sizes.add(size));
    /// assert_eq!(sizes.avg(), 3.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn avg(&self) -> f64 {
        let total = self.0.held().total;
        total.sum as f64 / total.count as f64
    }
}

/// The sum and the number of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Double {
    sum: f64,
    count: u64,
}

impl Accumulable for Double {
    type Input = f64;
    type Value = f64;

    #[inline]
    fn add(&mut self, input: f64) {
        self.sum += input;
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn value(&self) -> f64 {
        self.sum
    }
}

impl Accumulator<Double> {
    /// The sum of what was added. Its last digits depend on the order in which partitions were added up:
    /// that of their numbers, for as long as there are as many.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// let degrees = context.double_accumulator("degrees");
    /// degrees.add(20.5);
    /// degrees.add(21.5);
    /// assert_eq!((degrees.sum(), degrees.count(), degrees.avg()), (42.0, 2, 21.0));
    /// ```
    pub fn sum(&self) -> f64 {
        self.0.held().total.sum
    }

    /// How many numbers were added.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let loads = context.double_accumulator("loads");
    /// [0.5, 1.0].into_iter().for_each(|load| loads.add(load));
    /// assert_eq!(loads.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.0.held().total.count
    }

    /// Their mean; not a number when there are none.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let loads = context.double_accumulator("loads");
    /// [0.5, 1.0].into_iter().for_each(|load| loads.add(load));
    /// assert_eq!(loads.avg(), 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn avg(&self) -> f64 {
        let total = self.0.held().total;
        total.sum / total.count as f64
    }
}

/// Everything that was added. It grows for as long as the program runs; a checkpoint writes only what is new.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Collection<T>(Vec<T>);

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Data + Serialize + serde::de::DeserializeOwned> Accumulable for Collection<T> {
    type Input = T;
    type Value = Vec<T>;

    #[inline]
    fn add(&mut self, input: T) {
        self.0.push(input);
    }

    fn merge(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    fn value(&self) -> Vec<T> {
        self.0.clone()
    }

    /// How many there are: all of them could be many.
    fn show(&self) -> serde_json::Value {
        serde_json::json!({ "count": self.0.len() })
    }

    fn pieces(&self) -> u64 {
        self.0.len() as u64
    }

    fn since(&self, written: u64) -> (u64, Self) {
        let new = usize::try_from(written)
            .ok()
            .and_then(|at| self.0.get(at..));
        (written, Self(new.unwrap_or_default().to_vec()))
    }

    fn to_pieces(&self) -> Result<Vec<Vec<u8>>, BoxError> {
        let piece = |value| Ok(rmp_serde::to_vec_named(value)?);
        self.0.iter().map(piece).collect()
    }

    fn from_pieces(pieces: &[Vec<u8>]) -> Result<Self, BoxError> {
        let read = |piece: &Vec<u8>| Ok(rmp_serde::from_slice(piece)?);
        pieces
            .iter()
            .map(read)
            .collect::<Result<_, BoxError>>()
            .map(Self)
    }
}
