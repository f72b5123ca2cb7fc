//! Operators that keep something of every key and work on the keys of the batch.

use std::time::Duration;

use tidemill_config::AggregateFunction;

use super::keyed::{placed, readied};
use crate::dstream::DStream;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::fold::{Folds, fold};
use crate::pipeline::value::Value;
use crate::rdd::BoxError;
use crate::state::{State, StateSpec, StateValue};

/// Each key of the batch with all of its values so far folded into one, once a batch.
pub(super) fn map_with_state(
    stream: &AnyStream,
    function: AggregateFunction,
    timeout: Option<Duration>,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if let (AnyStream::Counts(counts), AggregateFunction::Sum) = (stream, function) {
        let add = |a: &u64, b: &u64| a.saturating_add(*b);
        let new = at.step("new", counts.reduce_by_key_with(add, at.partitions(counts)));
        return Ok(AnyStream::Counts(running(&new, add, timeout, at)));
    }
    let pairs = stream.pairs(at)?;
    let partitions = at.partitions(&pairs);
    let totals = match fold(function) {
        Folds::Values(f) => {
            let ready = readied(&pairs, function, at);
            let new = at.step("new", ready.reduce_by_key_with(f, partitions));
            running(&new, f, timeout, at)
        }
        Folds::Placed(f) => {
            let first_or_last = placed(&pairs, at).reduce_by_key_with(f, partitions);
            let new = at.step("placed_new", first_or_last);
            let new = new.map_values(|(_, value)| value.clone());
            let keep = move |held: &Value, new: &Value| match function {
                AggregateFunction::First => held.clone(),
                _ => new.clone(),
            };
            running(&at.step("new", new), keep, timeout, at)
        }
    };
    Ok(AnyStream::Pairs(totals))
}

/// Folds each key's new value into what is held of it.
fn running<K: crate::state::StateKey, S: StateValue>(
    new: &DStream<(K, S)>,
    f: impl Fn(&S, &S) -> S + Send + Sync + 'static,
    timeout: Option<Duration>,
    at: &At<'_>,
) -> DStream<(K, S)> {
    let spec = StateSpec::function_with_time(
        move |_, key: &K, new: Option<&S>, held: &mut State<'_, S>| {
            let folded = match held.get_option() {
                Some(held) => f(held, new?),
                None => new?.clone(),
            };
            held.update(folded.clone());
            Some((key.clone(), folded))
        },
    )
    .num_partitions(at.partitions(new));
    let spec = match timeout {
        Some(timeout) => spec.timeout(timeout),
        None => spec,
    };
    at.name(new.map_with_state(spec).into())
}
