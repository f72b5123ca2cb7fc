//! Operators on what records are made of: picking a part of a pair or list, and the items of lists.

use tidemill_config::Pick;

use super::keyed::Pairs;
use crate::dstream::DStream;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::functions::{HAS_PART, part};
use crate::pipeline::value::{Shown, Value};
use crate::rdd::{BoxError, Data, Emitter};

/// The part of a pair that `pick` leads to.
fn part_of_pair<'a>(pick: &Pick, (key, value): &'a (Value, Value)) -> Option<&'a Value> {
    let (first, rest) = pick.steps().split_first()?;
    match first {
        0 => part(key, rest),
        1 => part(value, rest),
        _ => None,
    }
}

/// What `make` makes of the parts that it finds in each record.
fn picked<T: Data + Shown, U: Data>(
    stream: &DStream<T>,
    at: &At<'_>,
    make: impl Fn(&T) -> Option<U> + Send + Sync + 'static,
) -> DStream<U> {
    let step = move |record: &T, out: &mut Emitter<'_, '_, U>| {
        make(record).map(|made| out.emit_owned(made)).is_some()
    };
    at.name(at.fitting(stream, HAS_PART, step))
}

/// A part of each record.
pub(super) fn pick(stream: &AnyStream, pick: &Pick, at: &At<'_>) -> Result<AnyStream, BoxError> {
    let pick = pick.clone();
    let parts = if stream.is_pairs() {
        let pairs = stream.pairs(at)?;
        picked(&pairs, at, move |pair| part_of_pair(&pick, pair).cloned())
    } else {
        let values = stream.values(at)?;
        picked(&values, at, move |value| part(value, pick.steps()).cloned())
    };
    Ok(AnyStream::Values(parts))
}

/// A pair of two parts of each record.
pub(super) fn pick_pair(
    stream: &AnyStream,
    key: &Pick,
    value: &Pick,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let (key, value) = (key.clone(), value.clone());
    let pairs: Pairs = if stream.is_pairs() {
        picked(&stream.pairs(at)?, at, move |pair| {
            let key = part_of_pair(&key, pair)?.clone();
            Some((key, part_of_pair(&value, pair)?.clone()))
        })
    } else {
        picked(&stream.values(at)?, at, move |record| {
            let key = part(record, key.steps())?.clone();
            Some((key, part(record, value.steps())?.clone()))
        })
    };
    Ok(AnyStream::Pairs(pairs))
}

/// The items of each list; of pairs those of the value, each under the key.
pub(super) fn items(stream: &AnyStream, at: &At<'_>) -> Result<AnyStream, BoxError> {
    const LIST: &str = "a list";
    Ok(if stream.is_pairs() {
        let pairs = stream.pairs(at)?;
        let items = at.fitting::<_, (Value, Value)>(&pairs, LIST, |(key, value), out| {
            let Value::List(items) = value else {
                return false;
            };
            items
                .iter()
                .for_each(|item| out.emit_owned((key.clone(), item.clone())));
            true
        });
        AnyStream::Pairs(at.name(items))
    } else {
        let items = at.fitting::<_, Value>(&stream.values(at)?, LIST, |value, out| {
            let Value::List(items) = value else {
                return false;
            };
            items.iter().for_each(|item| out.emit_owned(item.clone()));
            true
        });
        AnyStream::Values(at.name(items))
    })
}
