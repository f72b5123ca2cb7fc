//! `map`, `map_values`, `flat_map_values`.

use tidemill_config::{Extract, Item, Map, MapFunction, RecordKind};

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
        Map::KeyValue { separator } => {
            let separator = separator.clone();
            texts_to_pairs(stream, at, "the separator", move |text| {
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
    let misfits = at.misfits(functions::needs(extract));
    let how = extract.clone();
    let keeps_text = functions::keeps_text(extract);
    Ok(match stream {
        AnyStream::Text(lines) if keeps_text => {
            AnyStream::Text(at.name(lines.flat_map::<str>(move |line, out| {
                if !functions::with_text(&how, line, |text| out.emit(text)) {
                    misfits.add(&line);
                }
            })))
        }
        AnyStream::Text(lines) => {
            AnyStream::Values(at.name(lines.flat_map::<Value>(move |line, out| {
                match functions::extract(&how, line) {
                    Some(value) => out.emit_owned(value),
                    None => misfits.add(&line),
                }
            })))
        }
        AnyStream::Values(values) if keeps_text => {
            AnyStream::Text(at.name(values.flat_map::<str>(move |value, out| {
                let fits = match value {
                    Value::Text(text) => functions::with_text(&how, text, |text| out.emit(text)),
                    _ => false,
                };
                if !fits {
                    misfits.add(value);
                }
            })))
        }
        AnyStream::Values(values) => {
            AnyStream::Values(at.name(values.flat_map::<Value>(move |value, out| {
                match functions::extract_value(&how, value) {
                    Some(value) => out.emit_owned(value),
                    None => misfits.add(value),
                }
            })))
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
            let misfits = at.misfits("text");
            AnyStream::Text(
                at.name(pairs.flat_map::<str>(move |pair, out| match value(pair) {
                    Value::Text(text) => out.emit(text),
                    other => misfits.add(other),
                })),
            )
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
    let misfits = at.misfits(needs);
    let pairs: DStream<(Value, Value)> = match stream {
        AnyStream::Text(lines) => lines.flat_map(move |line, out| match make(line) {
            Some(pair) => out.emit_owned(pair),
            None => misfits.add(&line),
        }),
        AnyStream::Values(values) => values.flat_map(move |value, out| {
            let pair = match value {
                Value::Text(text) => make(text),
                _ => None,
            };
            match pair {
                Some(pair) => out.emit_owned(pair),
                None => misfits.add(value),
            }
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
    let misfits = at.misfits(functions::needs(extract));
    let how = extract.clone();
    let made = stream
        .pairs(at)?
        .flat_map::<(Value, Value)>(move |(key, value), out| {
            match functions::extract_value(&how, value) {
                Some(made) => out.emit_owned((key.clone(), made)),
                None => misfits.add(value),
            }
        });
    Ok(AnyStream::Pairs(at.name(made)))
}

/// The words of each value, each under the same key.
pub(super) fn flat_map_values(
    stream: &AnyStream,
    on: Option<&str>,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let misfits = at.misfits("text");
    let on = on.map(str::to_owned);
    let made = stream
        .pairs(at)?
        .flat_map::<(Value, Value)>(move |(key, value), out| match value {
            Value::Text(text) => functions::split(on.as_deref(), text, |word| {
                out.emit_owned((key.clone(), word.into()));
            }),
            other => misfits.add(other),
        });
    Ok(AnyStream::Pairs(at.name(made)))
}
