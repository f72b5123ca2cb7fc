//! `map`, `map_values`, `flat_map_values`.

use tidemill_config::{Extract, Item, Map, MapFunction, RecordKind};

use super::parts;
use crate::dstream::DStream;
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::functions;
use crate::pipeline::value::Value;
use crate::rdd::BoxError;

/// One record from each.
pub(super) fn map(stream: &AnyStream, how: &Map, at: &At<'_>) -> Result<AnyStream, BoxError> {
    match how {
        Map::Extract(Extract::Function(MapFunction::Identity)) => Ok(stream.clone()),
        Map::Extract(extract) => extracted(stream, extract, at),
        Map::Key => part(stream, at, |(text, _)| Some(text), |(key, _)| key),
        Map::Value => part(stream, at, |_| None, |(_, value)| value),
        Map::Swap => {
            let pairs = stream.pairs(at)?;
            let swapped = pairs.map(|(key, value)| (value.clone(), key.clone()));
            Ok(AnyStream::Pairs(at.name(swapped)))
        }
        Map::Pick(pick) => parts::pick(stream, pick, at),
        Map::PickPair { key, value } => parts::pick_pair(stream, key, value, at),
        Map::KeyValue { separator } => {
            let separator = separator.clone();
            texts_to_pairs(stream, at, "text with the separator", move |text| {
                let (key, value) = text.split_once(separator.as_str())?;
                Some((key.into(), value.into()))
            })
        }
        Map::JsonPair { key, value } => {
            let (key, value) = (key.clone(), value.clone());
            let needs = "a JSON document with values at both pointers";
            texts_to_pairs(stream, at, needs, move |text| {
                let document = functions::json(text)?;
                let at = |pointer: &str| document.pointer(pointer).cloned().map(Value::from);
                Some((at(key.as_str())?, at(value.as_str())?))
            })
        }
        _ => Err(at.mismatch()),
    }
}

fn extracted(stream: &AnyStream, extract: &Extract, at: &At<'_>) -> Result<AnyStream, BoxError> {
    let needs = functions::needs(extract);
    let how = extract.clone();
    let keeps_text = functions::keeps_text(extract);
    Ok(match stream {
        AnyStream::Text(lines) if keeps_text => AnyStream::Text(at.name(at.fitting::<_, str>(
            lines,
            needs,
            move |line, out| functions::with_text(&how, line, |text| out.emit(text)),
        ))),
        AnyStream::Text(lines) => {
            AnyStream::Values(
                at.name(at.fitting::<_, Value>(lines, needs, move |line, out| {
                    functions::extract(&how, line)
                        .map(|value| out.emit_owned(value))
                        .is_some()
                })),
            )
        }
        AnyStream::Values(values) if keeps_text => AnyStream::Text(at.name(at.fitting::<_, str>(
            values,
            needs,
            move |value, out| match value {
                Value::Text(text) => functions::with_text(&how, text, |text| out.emit(text)),
                _ => false,
            },
        ))),
        AnyStream::Values(values) => {
            AnyStream::Values(
                at.name(at.fitting::<_, Value>(values, needs, move |value, out| {
                    functions::extract_value(&how, value)
                        .map(|value| out.emit_owned(value))
                        .is_some()
                })),
            )
        }
        AnyStream::Counts(_) | AnyStream::Pairs(_) => return Err(at.mismatch()),
    })
}

/// One part of each pair; `text` takes it out of a counted text, `None` being the number.
fn part(
    stream: &AnyStream,
    at: &At<'_>,
    text: fn(&(String, u64)) -> Option<&String>,
    value: fn(&(Value, Value)) -> &Value,
) -> Result<AnyStream, BoxError> {
    let is_text = at.op.output == RecordKind::Single(Item::Text);
    Ok(match stream {
        AnyStream::Counts(counts) if is_text => {
            AnyStream::Text(at.name(counts.flat_map::<str>(move |pair, out| {
                if let Some(text) = text(pair) {
                    out.emit(text);
                }
            })))
        }
        AnyStream::Counts(counts) => AnyStream::Values(at.name(counts.map(move |pair| {
            text(pair).map_or(Value::count(pair.1), |text| Value::from(text.as_str()))
        }))),
        AnyStream::Pairs(pairs) if is_text => {
            let made = at.fitting::<_, str>(pairs, "text", move |pair, out| match value(pair) {
                Value::Text(text) => {
                    out.emit(text);
                    true
                }
                _ => false,
            });
            AnyStream::Text(at.name(made))
        }
        AnyStream::Pairs(pairs) => {
            AnyStream::Values(at.name(pairs.map(move |pair| value(pair).clone())))
        }
        AnyStream::Text(_) | AnyStream::Values(_) => return Err(at.mismatch()),
    })
}

/// A pair from each text.
fn texts_to_pairs(
    stream: &AnyStream,
    at: &At<'_>,
    needs: &'static str,
    make: impl Fn(&str) -> Option<(Value, Value)> + Send + Sync + 'static,
) -> Result<AnyStream, BoxError> {
    let pairs: DStream<(Value, Value)> = match stream {
        AnyStream::Text(lines) => at.fitting(lines, needs, move |line, out| {
            make(line).map(|pair| out.emit_owned(pair)).is_some()
        }),
        AnyStream::Values(values) => at.fitting(values, needs, move |value, out| {
            let pair = match value {
                Value::Text(text) => make(text),
                _ => None,
            };
            pair.map(|pair| out.emit_owned(pair)).is_some()
        }),
        AnyStream::Counts(_) | AnyStream::Pairs(_) => return Err(at.mismatch()),
    };
    Ok(AnyStream::Pairs(at.name(pairs)))
}

/// One value from each value, under the same key.
pub(super) fn map_values(
    stream: &AnyStream,
    extract: &Extract,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    if *extract == Extract::Function(MapFunction::Identity) {
        return Ok(stream.clone());
    }
    let (needs, how) = (functions::needs(extract), extract.clone());
    let pairs = stream.pairs(at)?;
    let made = at.fitting::<_, (Value, Value)>(&pairs, needs, move |(key, value), out| {
        functions::extract_value(&how, value)
            .map(|made| out.emit_owned((key.clone(), made)))
            .is_some()
    });
    Ok(AnyStream::Pairs(at.name(made)))
}

/// The words of each value, each under the same key.
pub(super) fn flat_map_values(
    stream: &AnyStream,
    on: Option<&str>,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let on = on.map(str::to_owned);
    let pairs = stream.pairs(at)?;
    let made = at.fitting::<_, (Value, Value)>(&pairs, "text", move |(key, value), out| {
        let Value::Text(text) = value else {
            return false;
        };
        functions::split(on.as_deref(), text, |word| {
            out.emit_owned((key.clone(), word.into()));
        });
        true
    });
    Ok(AnyStream::Pairs(at.name(made)))
}
