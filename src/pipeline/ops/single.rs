//! Operators that look at one record at a time, and folds of whole batches.

use tidemill_config::{AggregateFunction, FilterOn, Predicate};

use crate::dstream::DStream;
use crate::pipeline::any_stream::{AnyStream, any};
use crate::pipeline::at::At;
use crate::pipeline::fold::{Folds, fold, ready};
use crate::pipeline::functions;
use crate::pipeline::order::numbered;
use crate::pipeline::predicate::{self, Seen, holds};
use crate::pipeline::value::Value;
use crate::rdd::{BoxError, Data};

/// Words of text.
pub(super) fn split(
    stream: &AnyStream,
    on: Option<&str>,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let on = on.map(str::to_owned);
    let words = match stream {
        AnyStream::Text(lines) => lines.flat_map::<str>(move |line, out| {
            functions::split(on.as_deref(), line, |word| out.emit(word));
        }),
        AnyStream::Values(values) => {
            let misfits = at.misfits("text");
            values.flat_map::<str>(move |value, out| match value {
                Value::Text(text) => functions::split(on.as_deref(), text, |word| out.emit(word)),
                other => misfits.add(other),
            })
        }
        _ => return Err(at.mismatch()),
    };
    Ok(AnyStream::Text(at.name(words)))
}

/// Records for which a test holds.
pub(super) fn filter(
    stream: &AnyStream,
    test: &Predicate,
    negate: bool,
    on: FilterOn,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let misfits = at.misfits(predicate::needs(test));
    let test = test.clone();
    let keep = move |seen: Seen<'_>| match holds(&test, seen) {
        Some(holds) => holds != negate,
        None => {
            match seen {
                Seen::Text(text) => misfits.add(&text),
                Seen::Number(number) => misfits.add(&number),
                Seen::Other => misfits.add(&"neither text nor number"),
            }
            false
        }
    };
    Ok(match (stream, on) {
        (AnyStream::Text(lines), FilterOn::Record) => {
            AnyStream::Text(at.name(lines.filter(move |line| keep(Seen::Text(line)))))
        }
        (AnyStream::Values(values), FilterOn::Record) => {
            AnyStream::Values(at.name(values.filter(move |value| keep(value.into()))))
        }
        (AnyStream::Counts(counts), FilterOn::Key) => {
            AnyStream::Counts(at.name(counts.filter(move |(text, _)| keep(Seen::Text(text)))))
        }
        (AnyStream::Counts(counts), FilterOn::Value) => {
            let kept = counts.filter(move |(_, n)| keep(Seen::Number(*n as f64)));
            AnyStream::Counts(at.name(kept))
        }
        (AnyStream::Pairs(pairs), FilterOn::Key) => {
            AnyStream::Pairs(at.name(pairs.filter(move |(key, _)| keep(key.into()))))
        }
        (AnyStream::Pairs(pairs), FilterOn::Value) => {
            AnyStream::Pairs(at.name(pairs.filter(move |(_, value)| keep(value.into()))))
        }
        _ => return Err(at.mismatch()),
    })
}

/// The number of records.
pub(super) fn count(stream: &AnyStream, at: &At<'_>) -> AnyStream {
    let counts = any!(stream, s => at.step("batch", s.count()));
    AnyStream::Values(at.name(counts.map(|n| Value::count(*n))))
}

/// All records of a batch folded into one.
pub(super) fn reduce(
    stream: &AnyStream,
    function: AggregateFunction,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let values = stream.values(at)?;
    let reduced = match fold(function) {
        Folds::Values(f) => readied(&values, function, at).reduce(f),
        Folds::Placed(f) => {
            let placed = at.step("numbered", numbered(&values));
            without_places(&at.step("placed", placed.reduce(f)))
        }
    };
    Ok(AnyStream::Values(at.name(reduced)))
}

/// The values that fit a fold, made ready for it.
pub(super) fn readied(
    values: &DStream<Value>,
    function: AggregateFunction,
    at: &At<'_>,
) -> DStream<Value> {
    let misfits = at.misfits("a number");
    let made = values.flat_map::<Value>(move |value, out| match ready(function, value) {
        Some(ready) => out.emit_owned(ready),
        None => misfits.add(value),
    });
    at.step("ready", made)
}

pub(super) fn without_places<P: Data>(placed: &DStream<(P, Value)>) -> DStream<Value> {
    placed.map(|(_, value)| value.clone())
}
