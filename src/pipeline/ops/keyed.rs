//! Operators on pairs: counting, grouping, folding, state.

use std::collections::BTreeSet;

use tidemill_config::{AggregateFunction, CombineFunction};

use crate::dstream::DStream;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::fold::{Folds, Placed, fold, ready};
use crate::pipeline::order::numbered;
use crate::pipeline::value::Value;
use crate::rdd::BoxError;

/// Pairs whose types the file doesn't fix.
pub(super) type Pairs = DStream<(Value, Value)>;

/// Each different record with how often it occurs.
pub(super) fn count_by_value(stream: &AnyStream, at: &At<'_>) -> Result<AnyStream, BoxError> {
    if let AnyStream::Text(texts) = stream {
        let counts = texts.count_by_value_with(at.partitions(texts));
        return Ok(AnyStream::Counts(at.name(counts)));
    }
    let records = records(stream, at)?;
    let counts = at.step(
        "counts",
        records.count_by_value_with(at.partitions(&records)),
    );
    let pairs = counts.map(|(record, n)| (record.clone(), Value::count(*n)));
    Ok(AnyStream::Pairs(at.name(pairs)))
}

/// Records of any kind as single values.
pub(super) fn records(stream: &AnyStream, at: &At<'_>) -> Result<DStream<Value>, BoxError> {
    if !stream.is_pairs() {
        return stream.values(at);
    }
    let pairs = stream.pairs(at)?;
    let whole = pairs.map(|(key, value)| Value::pair(key.clone(), value.clone()));
    Ok(at.step("records", whole))
}

/// Each key with the list of its values, in the order in which they came.
pub(super) fn group_by_key(stream: &AnyStream, at: &At<'_>) -> Result<AnyStream, BoxError> {
    let placed = placed(&stream.pairs(at)?, at);
    Ok(AnyStream::Pairs(at.name(lists(&placed, at))))
}

/// The values of each key as a list in order.
pub(super) fn lists(placed: &DStream<(Value, Placed)>, at: &At<'_>) -> Pairs {
    let groups = at.step("groups", placed.group_by_key_with(at.partitions(placed)));
    groups.map_values(|values| in_order(values))
}

/// A list of values by their places.
pub(super) fn in_order(values: &[Placed]) -> Value {
    let mut values: Vec<&Placed> = values.iter().collect();
    values.sort_by_key(|(order, _)| *order);
    Value::List(values.into_iter().map(|(_, value)| value.clone()).collect())
}

/// Each value with its place in the stream.
pub(super) fn placed(pairs: &Pairs, at: &At<'_>) -> DStream<(Value, Placed)> {
    placed_as("", pairs, at)
}

/// As [`placed`], by steps whose names begin with `prefix`.
pub(super) fn placed_as(prefix: &str, pairs: &Pairs, at: &At<'_>) -> DStream<(Value, Placed)> {
    let numbered = at.step(&format!("{prefix}numbered"), numbered(pairs));
    let placed = numbered.map(|(order, (key, value))| (key.clone(), (*order, value.clone())));
    at.step(&format!("{prefix}placed"), placed)
}

/// The values that fit a fold, made ready for it.
pub(super) fn readied(pairs: &Pairs, function: AggregateFunction, at: &At<'_>) -> Pairs {
    let made = at.fitting::<_, (Value, Value)>(pairs, "a number", move |(key, value), out| {
        ready(function, value)
            .map(|ready| out.emit_owned((key.clone(), ready)))
            .is_some()
    });
    at.step("ready", made)
}

/// Each key with its values folded into one.
pub(super) fn reduce_by_key(
    stream: &AnyStream,
    function: AggregateFunction,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if let (AnyStream::Counts(counts), AggregateFunction::Sum) = (stream, function) {
        let add = |a: &u64, b: &u64| a.saturating_add(*b);
        let sums = counts.reduce_by_key_with(add, at.partitions(counts));
        return Ok(AnyStream::Counts(at.name(sums)));
    }
    let pairs = stream.pairs(at)?;
    let partitions = at.partitions(&pairs);
    let reduced = match fold(function) {
        Folds::Values(f) => readied(&pairs, function, at).reduce_by_key_with(f, partitions),
        Folds::Placed(f) => {
            let reduced = placed(&pairs, at).reduce_by_key_with(f, partitions);
            at.step("reduced", reduced)
                .map_values(|(_, value)| value.clone())
        }
    };
    Ok(AnyStream::Pairs(at.name(reduced)))
}

/// Each key with its values combined.
pub(super) fn combine_by_key(
    stream: &AnyStream,
    function: CombineFunction,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let combined = match function {
        CombineFunction::List => return group_by_key(stream, at),
        CombineFunction::Count => return reduce_by_key(stream, AggregateFunction::Count, at),
        CombineFunction::Sum => return reduce_by_key(stream, AggregateFunction::Sum, at),
        CombineFunction::Min => return reduce_by_key(stream, AggregateFunction::Min, at),
        CombineFunction::Max => return reduce_by_key(stream, AggregateFunction::Max, at),
        CombineFunction::Set => sets(&stream.pairs(at)?, at),
        CombineFunction::Avg => means(&stream.pairs(at)?, at),
    };
    Ok(AnyStream::Pairs(at.name(combined)))
}

/// The different values of each key, sorted.
fn sets(pairs: &Pairs, at: &At<'_>) -> Pairs {
    let sets = pairs.combine_by_key_with(
        |value| BTreeSet::from([value.clone()]),
        |set, value| {
            if !set.contains(value) {
                set.insert(value.clone());
            }
        },
        |set, mut other| set.append(&mut other),
        at.partitions(pairs),
    );
    at.step("sets", sets)
        .map_values(|set| Value::List(set.iter().cloned().collect()))
}

/// The mean of each key's numbers.
fn means(pairs: &Pairs, at: &At<'_>) -> Pairs {
    let numbers = readied(pairs, AggregateFunction::Sum, at);
    let size = |value: &Value| value.as_f64().unwrap_or_default();
    let sums = numbers.combine_by_key_with(
        move |value| (size(value), 1u64),
        move |(sum, n), value| {
            *sum += size(value);
            *n += 1;
        },
        |(sum, n), (other, m)| {
            *sum += other;
            *n += m;
        },
        at.partitions(pairs),
    );
    at.step("sums", sums)
        .map_values(|(sum, n)| Value::Float(sum / *n as f64))
}

/// Each key with all of its values so far folded into one.
pub(super) fn update_state(
    stream: &AnyStream,
    function: AggregateFunction,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if let (AnyStream::Counts(counts), AggregateFunction::Sum) = (stream, function) {
        let add = |new: &[u64], total: Option<&u64>| {
            let start = total.copied().unwrap_or_default();
            Some(new.iter().fold(start, |sum, n| sum.saturating_add(*n)))
        };
        let totals = counts.update_state_by_key_with(add, at.partitions(counts), Vec::new());
        return Ok(AnyStream::Counts(at.name(totals)));
    }
    let pairs = stream.pairs(at)?;
    let partitions = at.partitions(&pairs);
    let totals = match fold(function) {
        Folds::Values(f) => readied(&pairs, function, at).update_state_by_key_with(
            move |new: &[Value], total: Option<&Value>| {
                new.iter().fold(total.cloned(), |sum, value| match sum {
                    Some(sum) => Some(f(&sum, value)),
                    None => Some(value.clone()),
                })
            },
            partitions,
            Vec::new(),
        ),
        Folds::Placed(f) => placed(&pairs, at).update_state_by_key_with(
            move |new: &[Placed], held: Option<&Value>| {
                let new = new
                    .iter()
                    .cloned()
                    .reduce(|a, b| f(&a, &b))
                    .map(|(_, value)| value);
                match function {
                    AggregateFunction::First => held.cloned().or(new),
                    _ => new.or_else(|| held.cloned()),
                }
            },
            partitions,
            Vec::new(),
        ),
    };
    Ok(AnyStream::Pairs(at.name(totals)))
}
