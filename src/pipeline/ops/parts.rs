//! Operators on what records are made of: picking a part of a pair or list, and the items of lists.

use tidemill_config::Pick;

use super::keyed::Pairs;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::functions::{HAS_PART, part};
use crate::pipeline::value::Value;
use crate::rdd::BoxError;

/// The part of a pair that `pick` leads to.
fn part_of_pair<'a>(pick: &Pick, (key, value): &'a (Value, Value)) -> Option<&'a Value> {
    let (first, rest) = pick.steps().split_first()?;
    match first {
        0 => part(key, rest),
        1 => part(value, rest),
        _ => None,
    }
}

/// A part of each record.
pub(super) fn pick(stream: &AnyStream, pick: &Pick, at: &At<'_>) -> Result<AnyStream, BoxError> {
    let pick = pick.clone();
    let parts = if stream.is_pairs() {
        let pairs = stream.pairs(at)?;
        at.fitting::<_, Value>(&pairs, HAS_PART, move |pair, out| {
            part_of_pair(&pick, pair)
                .map(|part| out.emit_owned(part.clone()))
                .is_some()
        })
    } else {
        let values = stream.values(at)?;
        at.fitting::<_, Value>(&values, HAS_PART, move |value, out| {
            part(value, pick.steps())
                .map(|part| out.emit_owned(part.clone()))
                .is_some()
        })
    };
    Ok(AnyStream::Values(at.name(parts)))
}

/// A pair of two parts of each record.
pub(super) fn pick_pair(
    stream: &AnyStream,
    key: &Pick,
    value: &Pick,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let (key, value) = (key.clone(), value.clone());
    let made: Pairs = if stream.is_pairs() {
        let pairs = stream.pairs(at)?;
        at.fitting(&pairs, HAS_PART, move |pair, out| {
            let parts = part_of_pair(&key, pair).zip(part_of_pair(&value, pair));
            parts
                .map(|(key, value)| out.emit_owned((key.clone(), value.clone())))
                .is_some()
        })
    } else {
        let values = stream.values(at)?;
        at.fitting(&values, HAS_PART, move |record, out| {
            let parts = part(record, key.steps()).zip(part(record, value.steps()));
            parts
                .map(|(key, value)| out.emit_owned((key.clone(), value.clone())))
                .is_some()
        })
    };
    Ok(AnyStream::Pairs(at.name(made)))
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
