//! Operators that look at many records at once: `glom`, `map_partitions`, `top`.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::Hash;

use tidemill_config::{PairPart, PartitionFunction};

use super::keyed::records;
use crate::dstream::DStream;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::value::Value;
use crate::rdd::{BoxError, Data};

/// Each partition as one list.
pub(super) fn glom(stream: &AnyStream, at: &At<'_>) -> Result<AnyStream, BoxError> {
    let lists = records(stream, at)?.map_partitions(|records| [Value::List(records)]);
    Ok(AnyStream::Values(at.name(lists)))
}

/// Each partition as a whole.
pub(super) fn map_partitions(
    stream: &AnyStream,
    function: PartitionFunction,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    Ok(match stream {
        AnyStream::Text(texts) => {
            let owned = at.step(
                "partitions",
                texts.map_partitions(move |all| work(function, all)),
            );
            AnyStream::Text(at.name(owned.flat_map::<str>(|text, out| out.emit(text))))
        }
        AnyStream::Values(values) => {
            AnyStream::Values(at.name(values.map_partitions(move |all| work(function, all))))
        }
        AnyStream::Counts(counts) => {
            AnyStream::Counts(at.name(counts.map_partitions(move |all| work(function, all))))
        }
        AnyStream::Pairs(pairs) => {
            AnyStream::Pairs(at.name(pairs.map_partitions(move |all| work(function, all))))
        }
    })
}

fn work<T: Ord + Hash + Clone>(function: PartitionFunction, mut records: Vec<T>) -> Vec<T> {
    match function {
        PartitionFunction::Sort => records.sort(),
        PartitionFunction::Distinct => {
            let mut seen = HashSet::with_capacity(records.len());
            records.retain(|record| seen.insert(record.clone()));
        }
    }
    records
}

/// The greatest records of each batch, greatest first; among equals those with the least rest.
pub(super) fn top(
    stream: &AnyStream,
    n: usize,
    by: Option<PairPart>,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    Ok(match (stream, by) {
        (AnyStream::Text(_), None) => {
            let greatest = at.step("top", greatest(&stream.values(at)?, n, |a, b| b.cmp(a)));
            AnyStream::Text(at.name(greatest.flat_map::<str>(|value, out| {
                if let Value::Text(text) = value {
                    out.emit(text);
                }
            })))
        }
        (AnyStream::Values(values), None) => {
            AnyStream::Values(at.name(greatest(values, n, |a, b| b.cmp(a))))
        }
        (AnyStream::Counts(counts), Some(part)) => {
            AnyStream::Counts(at.name(greatest(counts, n, order_of(part))))
        }
        (AnyStream::Pairs(pairs), Some(part)) => {
            AnyStream::Pairs(at.name(greatest(pairs, n, order_of(part))))
        }
        _ => return Err(at.mismatch()),
    })
}

fn order_of<K: Ord, V: Ord>(part: PairPart) -> fn(&(K, V), &(K, V)) -> Ordering {
    match part {
        PairPart::Key => |a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)),
        PairPart::Value => |a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)),
    }
}

/// The first `n` records in the order of `compare`, in one partition.
fn greatest<T: Data>(stream: &DStream<T>, n: usize, compare: fn(&T, &T) -> Ordering) -> DStream<T> {
    let shorten = move |records: &mut Vec<T>| {
        if records.len() > n {
            records.select_nth_unstable_by(n, compare);
            records.truncate(n);
        }
    };
    // Cut back when twice as many have come together: a constant number of comparisons for each.
    let room = n.saturating_mul(2).max(1024);
    stream.transform(move |rdd, _| {
        rdd.aggregate(
            Vec::new,
            move |records: &mut Vec<T>, chunk| {
                chunk.for_each(|record| {
                    records.push(record.clone());
                    if records.len() >= room {
                        shorten(records);
                    }
                });
            },
            move |records, mut others| {
                records.append(&mut others);
                shorten(records);
            },
        )
        .flat_map(move |records: &Vec<T>, out| {
            let mut records = records.clone();
            shorten(&mut records);
            records.sort_by(compare);
            records
                .into_iter()
                .for_each(|record| out.emit_owned(record));
        })
    })
}
