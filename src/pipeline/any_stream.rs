//! [`AnyStream`]: a stream as an operator finds it.

use super::at::At;
use super::value::Value;
use crate::StreamingContext;
use crate::dstream::DStream;
use crate::rdd::{BoxError, Element};

/// A stream, by the type of its records.
#[derive(Clone)]
pub(super) enum AnyStream {
    /// Lines and words: views into their blocks.
    Text(DStream<str>),
    /// Other single records.
    Values(DStream<Value>),
    /// Counted texts.
    Counts(DStream<(String, u64)>),
    /// Other pairs.
    Pairs(DStream<(Value, Value)>),
}

/// Makes a stream of the same type.
macro_rules! same {
    ($any:expr, $stream:ident => $made:expr) => {
        match $any {
            AnyStream::Text($stream) => AnyStream::Text($made),
            AnyStream::Values($stream) => AnyStream::Values($made),
            AnyStream::Counts($stream) => AnyStream::Counts($made),
            AnyStream::Pairs($stream) => AnyStream::Pairs($made),
        }
    };
}

/// Uses a stream of any type.
macro_rules! any {
    ($any:expr, $stream:ident => $used:expr) => {
        match $any {
            AnyStream::Text($stream) => $used,
            AnyStream::Values($stream) => $used,
            AnyStream::Counts($stream) => $used,
            AnyStream::Pairs($stream) => $used,
        }
    };
}

pub(super) use {any, same};

impl AnyStream {
    pub(super) fn is_pairs(&self) -> bool {
        matches!(self, Self::Counts(_) | Self::Pairs(_))
    }

    /// Single records as values; `None` for pairs. Names the stream if it has to make one.
    fn to_values(&self, uid: impl FnOnce() -> String) -> Option<DStream<Value>> {
        match self {
            Self::Text(lines) => Some(lines.map(|line| Value::from(line)).uid(uid())),
            Self::Values(values) => Some(values.clone()),
            Self::Counts(_) | Self::Pairs(_) => None,
        }
    }

    /// Pairs as pairs of values; `None` for single records.
    fn to_pairs(&self, uid: impl FnOnce() -> String) -> Option<DStream<(Value, Value)>> {
        match self {
            Self::Counts(counts) => {
                let pair =
                    |(text, n): &(String, u64)| (Value::Text(text.clone()), Value::count(*n));
                Some(counts.map(pair).uid(uid()))
            }
            Self::Pairs(pairs) => Some(pairs.clone()),
            Self::Text(_) | Self::Values(_) => None,
        }
    }

    /// Single records as values, for the operator at `at`.
    pub(super) fn values(&self, at: &At<'_>) -> Result<DStream<Value>, BoxError> {
        self.to_values(|| format!("{}.values", at.uid()))
            .ok_or_else(|| at.mismatch())
    }

    /// Pairs as pairs of values, for the operator at `at`.
    pub(super) fn pairs(&self, at: &At<'_>) -> Result<DStream<(Value, Value)>, BoxError> {
        self.pairs_as("pairs", at)
    }

    /// As [`AnyStream::pairs`], by a step of this name where one is needed.
    pub(super) fn pairs_as(
        &self,
        step: &str,
        at: &At<'_>,
    ) -> Result<DStream<(Value, Value)>, BoxError> {
        self.to_pairs(|| format!("{}.{step}", at.uid()))
            .ok_or_else(|| at.mismatch())
    }
}

/// The records of all `inputs`, of the narrowest type that holds them; one alone is itself.
pub(super) fn union(
    context: &StreamingContext,
    inputs: &[AnyStream],
    uid: &str,
) -> Result<AnyStream, BoxError> {
    fn all<T: ?Sized + Element>(
        inputs: &[AnyStream],
        of: impl Fn(usize, &AnyStream) -> Option<DStream<T>>,
    ) -> Option<Vec<DStream<T>>> {
        inputs
            .iter()
            .enumerate()
            .map(|(index, input)| of(index, input))
            .collect()
    }
    fn join<T: ?Sized + Element>(
        context: &StreamingContext,
        streams: &[DStream<T>],
        uid: &str,
    ) -> DStream<T> {
        context.union(streams).uid(uid)
    }

    if let [only] = inputs {
        return Ok(only.clone());
    }
    let text = all(inputs, |_, input| match input {
        AnyStream::Text(text) => Some(text.clone()),
        _ => None,
    });
    let counts = all(inputs, |_, input| match input {
        AnyStream::Counts(counts) => Some(counts.clone()),
        _ => None,
    });
    let step = |index: usize| format!("{uid}.input{index}");
    let joined = if let Some(text) = text {
        Some(AnyStream::Text(join(context, &text, uid)))
    } else if let Some(counts) = counts {
        Some(AnyStream::Counts(join(context, &counts, uid)))
    } else if inputs.iter().all(AnyStream::is_pairs) {
        let pairs = all(inputs, |index, input| input.to_pairs(|| step(index)));
        pairs
            .map(|pairs| join(context, &pairs, uid))
            .map(AnyStream::Pairs)
    } else if inputs.iter().any(AnyStream::is_pairs) {
        None
    } else {
        let values = all(inputs, |index, input| input.to_values(|| step(index)));
        values
            .map(|values| join(context, &values, uid))
            .map(AnyStream::Values)
    };
    joined.ok_or_else(|| format!("`{uid}`: pairs can't be put together with single records").into())
}
