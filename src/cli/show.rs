//! `tidemill checkpoint show`: what one checkpoint holds, decoded.

use serde_json::{Map, Value, json};
use tidemill_checkpoint::{CheckpointId, Manifest, Summary};

use super::args::ShowArgs;
use super::error::{CliError, Result};
use super::output::{self, Output, opaque};
use super::{checkpoints, wal_dump};
use crate::graph::GraphDescriptor;
use crate::recovery::Metadata;
use crate::time::Time;
use crate::utc;

/// Shows a checkpoint: the newest when none is named.
pub(super) fn show(args: &ShowArgs) -> Result<()> {
    let (reader, location) = checkpoints::open(&args.at)?;
    let id = match args.id {
        Some(id) => CheckpointId(id),
        None => reader
            .list()?
            .first()
            .map(|newest| newest.id)
            .ok_or_else(|| {
                CliError::Failed(format!("{location} holds no checkpoint that can be read"))
            })?,
    };
    let manifest = reader.manifest(id)?;
    let metadata = Metadata::decode(
        &manifest.metadata,
        &format!("checkpoint {id} at {location}"),
    )?;
    let mut out = Output::new();
    match args.at.json {
        true => out.json(&as_json(&location, &manifest, &metadata))?,
        false => as_text(&mut out, &location, &manifest, &metadata)?,
    }
    out.finish()
}

fn as_json(location: &str, manifest: &Manifest, metadata: &Metadata) -> Value {
    let summary = Summary::from(manifest);
    let unallocated = metadata.tracker.unallocated.iter().map(|(stream, blocks)| {
        let blocks = blocks
            .iter()
            .map(|block| json!(wal_dump::block_info(block)));
        (stream.to_string(), Value::Array(blocks.collect()))
    });
    let positions = metadata
        .positions
        .iter()
        .map(|(stream, position)| (stream.to_string(), opaque(position)));
    json!({
        "location": location,
        "id": manifest.id,
        "time": manifest.time_ms,
        "created": manifest.created_ms,
        "epoch": manifest.epoch,
        "name": manifest.name,
        "bytes": summary.bytes,
        "newBytes": summary.new_bytes,
        "lowWater": manifest.low_water,
        "state": summary.series,
        "writtenBy": metadata.written_by,
        "application": metadata.application,
        "batchInterval": metadata.batch_interval_ms,
        "zeroTime": metadata.zero_time,
        "completeThrough": metadata.complete_through,
        "lastAllocated": metadata.tracker.last_allocated,
        "unfinishedBatches": metadata.unfinished(),
        "unallocatedBlocks": unallocated.collect::<Map<_, _>>(),
        "positions": positions.collect::<Map<_, _>>(),
        "rates": metadata.rates,
        "graph": graph_as_json(&metadata.graph),
        "program": metadata.program,
    })
}

pub(super) fn graph_as_json(graph: &GraphDescriptor) -> Value {
    let operators = graph.operators.iter().map(|operator| {
        let state = operator.state.as_ref();
        json!({
            "uid": operator.uid,
            "kind": operator.kind,
            "parents": operator.parents,
            "slide": operator.slide_ms,
            "looksBack": operator.looks_back_ms,
            "isInput": operator.is_input,
            "state": state.map(|state| json!({
                "format": state.format,
                "keyType": state.key_type,
                "valueType": state.value_type,
                "version": state.version,
            })),
        })
    });
    json!({ "operators": operators.collect::<Vec<_>>(), "outputs": graph.outputs })
}

fn as_text(out: &mut Output, location: &str, manifest: &Manifest, held: &Metadata) -> Result<()> {
    let at = |time: Time| format!("{} ({} UTC)", time, utc::for_people(time));
    let summary = Summary::from(manifest);
    out.line(format!("checkpoint {} at {location}", manifest.id))?;
    let mut fact = |name: &str, value: String| out.line(format!("  {name:18}{value}"));
    if let Some(name) = &manifest.name {
        fact("savepoint", name.clone())?;
    }
    fact("application", held.application.clone())?;
    fact(
        "written by",
        format!("tidemill {}, epoch {}", held.written_by, manifest.epoch),
    )?;
    fact("cut", at(Time::from_millis(manifest.created_ms)))?;
    fact("complete through", at(held.complete_through))?;
    fact(
        "batch interval",
        format!(
            "{} ms, in phase with {}",
            held.batch_interval_ms, held.zero_time
        ),
    )?;
    fact(
        "size",
        format!(
            "{}, {} of it new",
            output::bytes(summary.bytes),
            output::bytes(summary.new_bytes)
        ),
    )?;
    let unfinished: Vec<String> = held
        .unfinished()
        .iter()
        .map(|time| time.as_millis().to_string())
        .collect();
    fact(
        "unfinished",
        match unfinished.is_empty() {
            true => "no batch".to_owned(),
            false => format!(
                "{}: {}",
                output::count(unfinished.len() as u64, "batch time"),
                unfinished.join(", ")
            ),
        },
    )?;
    let waiting = held
        .tracker
        .unallocated
        .iter()
        .filter(|(_, blocks)| !blocks.is_empty());
    let waiting = waiting.map(|(stream, blocks)| {
        let records: u64 = blocks.iter().map(|block| block.records).sum();
        format!(
            "{stream}: {}, {}",
            output::count(blocks.len() as u64, "block"),
            output::count(records, "record")
        )
    });
    let waiting: Vec<String> = waiting.collect();
    fact(
        "unallocated",
        match waiting.is_empty() {
            true => "no block".to_owned(),
            false => waiting.join("; "),
        },
    )?;
    for (log, sequence) in &manifest.low_water {
        fact(
            "replay from",
            format!("entry {sequence} of the log `{log}`"),
        )?;
    }
    for (stream, position) in &held.positions {
        fact("position", format!("{stream}: {}", opaque(position)))?;
    }
    for (stream, rate) in &held.rates {
        fact("rate", format!("{stream}: {rate} records/s"))?;
    }
    out.line("  operators")?;
    for operator in &held.graph.operators {
        let parents: Vec<&str> = operator.parents.iter().map(|uid| uid.as_str()).collect();
        let from = if parents.is_empty() {
            String::new()
        } else {
            format!(" ← {}", parents.join(", "))
        };
        out.line(format!("    {}  ({}){from}", operator.uid, operator.kind))?;
    }
    for output in &held.graph.outputs {
        out.line(format!(
            "    ▶ {}  ({}) ← {}",
            output.uid, output.kind, output.parent
        ))?;
    }
    out.line(if summary.series.is_empty() {
        "  no state"
    } else {
        "  state"
    })?;
    for series in &summary.series {
        out.line(format!(
            "    {}  {} entries in {} partitions, {}",
            series.name,
            series.entries,
            series.partitions,
            output::bytes(series.bytes)
        ))?;
    }
    Ok(())
}
