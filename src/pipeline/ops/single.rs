//! Operators that look at one record at a time, and folds of whole batches.

use tidemill_config::{AggregateFunction, FilterOn, Predicate};

use crate::dstream::DStream;
use crate::pipeline::any_stream::{AnyStream, any};
use crate::pipeline::at::At;
use crate::pipeline::fold::{Folds, fold, ready};
use crate::pipeline::functions;
use crate::pipeline::order::numbered;
use crate::pipeline::predicate::{self, Seen, holds};
use crate::pipeline::value::{Shown, Value};
use crate::rdd::{BoxError, Data, Element};

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
            at.fitting::<_, str>(values, "text", move |value, out| match value {
                Value::Text(text) => {
                    functions::split(on.as_deref(), text, |word| out.emit(word));
                    true
                }
                _ => false,
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
    fn kept<T: ?Sized + Element + Shown>(
        stream: &DStream<T>,
        test: &Predicate,
        negate: bool,
        at: &At<'_>,
        seen: impl for<'v> Fn(&'v T) -> Seen<'v> + Send + Sync + 'static,
    ) -> DStream<T> {
        let needs = predicate::needs(test);
        let test = test.clone();
        at.name(at.fitting::<T, T>(stream, needs, move |value, out| {
            match holds(&test, seen(value)) {
                Some(holds) => {
                    if holds != negate {
                        out.emit(value);
                    }
                    true
                }
                None => false,
            }
        }))
    }

    Ok(match (stream, on) {
        (AnyStream::Text(lines), FilterOn::Record) => {
            AnyStream::Text(kept(lines, test, negate, at, |line| Seen::Text(line)))
        }
        (AnyStream::Values(values), FilterOn::Record) => {
            AnyStream::Values(kept(values, test, negate, at, |value| value.into()))
        }
        (AnyStream::Counts(counts), FilterOn::Key) => {
            AnyStream::Counts(kept(counts, test, negate, at, |(text, _)| Seen::Text(text)))
        }
        (AnyStream::Counts(counts), FilterOn::Value) => {
            AnyStream::Counts(kept(counts, test, negate, at, |(_, n)| {
                Seen::Number(*n as f64)
            }))
        }
        (AnyStream::Pairs(pairs), FilterOn::Key) => {
            AnyStream::Pairs(kept(pairs, test, negate, at, |(key, _)| key.into()))
        }
        (AnyStream::Pairs(pairs), FilterOn::Value) => {
            AnyStream::Pairs(kept(pairs, test, negate, at, |(_, value)| value.into()))
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
    let made = at.fitting::<_, Value>(values, "a number", move |value, out| {
        ready(function, value)
            .map(|ready| out.emit_owned(ready))
            .is_some()
    });
    at.step("ready", made)
}

pub(super) fn without_places<P: Data>(placed: &DStream<(P, Value)>) -> DStream<Value> {
    placed.map(|(_, value)| value.clone())
}
