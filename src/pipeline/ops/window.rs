//! Operators over windows.
//!
//! A fold with an inverse goes on from the window before. It counts the values of each key beside their
//! fold, so that a key whose values have all left is dropped, and one whose values happen to add up to
//! zero is not.

use tidemill_config::{AggregateFunction, Window};

use super::keyed::{Pairs, lists, placed, readied, records};
use super::single::{self, without_places};
use crate::dstream::DStream;
use crate::pipeline::any_stream::{AnyStream, any};
use crate::pipeline::at::At;
use crate::pipeline::fold::{Folds, add, fold, subtract};
use crate::pipeline::order::numbered;
use crate::pipeline::value::Value;
use crate::rdd::BoxError;
use crate::state::{StateKey, StateValue};

/// The number of records of a window.
pub(super) fn count(stream: &AnyStream, window: Window, at: &At<'_>) -> AnyStream {
    let counts = any!(stream, s => s.count_by_window(window.length, window.slide));
    let counts = at.step("window", counts);
    AnyStream::Values(at.name(counts.map(|n| Value::count(*n))))
}

/// All records of a window folded into one.
pub(super) fn reduce(
    stream: &AnyStream,
    function: AggregateFunction,
    window: Window,
    inverse: bool,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let values = stream.values(at)?;
    let (length, slide) = (window.length, window.slide);
    let reduced = match fold(function) {
        Folds::Values(_) if inverse => {
            let ready = single::readied(&values, function, at);
            let keyed = at.step("keyed", ready.map(|value| (Value::Null, value.clone())));
            without_places(&at.step("slid", slid(&keyed, window, at)))
        }
        Folds::Values(f) => {
            single::readied(&values, function, at).reduce_by_window(f, length, slide)
        }
        Folds::Placed(f) => {
            let placed = at.step("numbered", numbered(&values));
            without_places(&at.step("window", placed.reduce_by_window(f, length, slide)))
        }
    };
    Ok(AnyStream::Values(at.name(reduced)))
}

/// Each different record of a window with how often it occurs.
pub(super) fn count_by_value(
    stream: &AnyStream,
    window: Window,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if let AnyStream::Text(texts) = stream {
        let counts = texts.count_by_value_with(at.partitions(texts));
        let counts = at.step("batch", counts);
        return Ok(AnyStream::Counts(at.name(counts_slid(&counts, window))));
    }
    let records = records(stream, at)?;
    let counts = at.step(
        "batch",
        records.count_by_value_with(at.partitions(&records)),
    );
    let window = at.step("window", counts_slid(&counts, window));
    let pairs = window.map(|(record, n)| (record.clone(), Value::count(*n)));
    Ok(AnyStream::Pairs(at.name(pairs)))
}

/// Counts over a window: none is ever zero, so one that is has left.
fn counts_slid<K: StateKey>(counts: &DStream<(K, u64)>, window: Window) -> DStream<(K, u64)> {
    counts.reduce_by_key_and_window_inverse(
        |a, b| a.saturating_add(*b),
        |a, b| a.saturating_sub(*b),
        window.length,
        window.slide,
        |(_, n)| *n > 0,
    )
}

/// Each key with the list of its values in a window, in the order in which they came.
pub(super) fn group_by_key(
    stream: &AnyStream,
    window: Window,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let placed = placed(&stream.pairs(at)?, at);
    let window = at.step("window", placed.window(window.length, window.slide));
    Ok(AnyStream::Pairs(at.name(lists(&window, at))))
}

/// Each key with its values in a window folded into one.
pub(super) fn reduce_by_key(
    stream: &AnyStream,
    function: AggregateFunction,
    window: Window,
    inverse: bool,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if let (AnyStream::Counts(counts), AggregateFunction::Sum) = (stream, function) {
        let sums = if inverse {
            counts_slid(counts, window)
        } else {
            let add = |a: &u64, b: &u64| a.saturating_add(*b);
            folded(counts, add, window, at)
        };
        return Ok(AnyStream::Counts(at.name(sums)));
    }
    let pairs = stream.pairs(at)?;
    let reduced = match fold(function) {
        Folds::Values(_) if inverse => slid(&readied(&pairs, function, at), window, at),
        Folds::Values(f) => folded(&readied(&pairs, function, at), f, window, at),
        Folds::Placed(f) => {
            let reduced = folded(&placed(&pairs, at), f, window, at);
            at.step("reduced", reduced)
                .map_values(|(_, value)| value.clone())
        }
    };
    Ok(AnyStream::Pairs(at.name(reduced)))
}

/// Folds each batch once, and windows of what that gave.
fn folded<K: StateKey, V: StateValue>(
    pairs: &DStream<(K, V)>,
    f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
    window: Window,
    at: &At<'_>,
) -> DStream<(K, V)> {
    let partitions = at.partitions(pairs);
    pairs.reduce_by_key_and_window_with(f, window.length, window.slide, partitions)
}

/// Sums over a window that go on from the window before.
fn slid(pairs: &Pairs, window: Window, at: &At<'_>) -> Pairs {
    let counted = at.step("counted", pairs.map_values(|value| (value.clone(), 1u64)));
    let sums = counted.reduce_by_key_and_window_inverse(
        |(a, n), (b, m)| (add(a, b), n.saturating_add(*m)),
        |(a, n), (b, m)| (subtract(a, b), n.saturating_sub(*m)),
        window.length,
        window.slide,
        |(_, (_, n))| *n > 0,
    );
    at.step("sums", sums).map_values(|(sum, _)| sum.clone())
}
