//! `/api/v1/graph`: operators with the sizes of their states, outputs with what they guarantee.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Admin;
use crate::graph::{OperatorDescriptor, OutputDescriptor};
use crate::guarantee::{LossWindow, PathGuarantee};
use crate::sink::Guarantee;
use crate::{AccumulatorInfo, OperatorUid, SourceLag};

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Graph {
    operators: Vec<Operator>,
    outputs: Vec<Output>,
    /// What holds from each source to each sink that it reaches.
    paths: Vec<PathGuarantee>,
    /// What a crash could lose of each source.
    loss_windows: Vec<LossWindow>,
    /// How far processing is behind each source.
    lags: Vec<SourceLag>,
    /// What the batches that took effect have added up to.
    accumulators: Vec<AccumulatorInfo>,
}

/// Lengths are milliseconds.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Operator {
    uid: OperatorUid,
    kind: String,
    parents: Vec<OperatorUid>,
    slide: u64,
    looks_back: u64,
    is_input: bool,
    /// Records that it yielded in its newest completed batch, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Held>,
}

#[derive(Serialize, Clone, Copy, schemars::JsonSchema)]
struct Held {
    keys: u64,
    bytes: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Output {
    uid: OperatorUid,
    kind: String,
    parent: OperatorUid,
    guarantee: Option<Guarantee>,
}

pub(super) async fn graph(State(shared): Admin) -> Json<Graph> {
    let descriptor = shared.context.graph();
    let sizes = shared.context.state_sizes().into_iter();
    let sizes: BTreeMap<_, _> = sizes
        .map(|size| {
            (
                size.uid,
                Held {
                    keys: size.keys,
                    bytes: size.bytes,
                },
            )
        })
        .collect();
    let guarantees: BTreeMap<_, _> = shared.context.guarantees().into_iter().collect();
    let newest = shared.context.progress().last_completed();
    let taken_in = |uid: &OperatorUid| newest.as_ref()?.stream_records.get(uid).copied();
    let yielded = shared.context.records_yielded();
    let operator = |operator: OperatorDescriptor| Operator {
        records: taken_in(&operator.uid).or_else(|| yielded.get(&operator.uid).copied()),
        state: sizes.get(&operator.uid).copied(),
        uid: operator.uid,
        kind: operator.kind,
        parents: operator.parents,
        slide: operator.slide_ms,
        looks_back: operator.looks_back_ms,
        is_input: operator.is_input,
    };
    let output = |output: OutputDescriptor| Output {
        guarantee: guarantees.get(&output.uid).copied(),
        uid: output.uid,
        kind: output.kind,
        parent: output.parent,
    };
    Json(Graph {
        operators: descriptor.operators.into_iter().map(operator).collect(),
        outputs: descriptor.outputs.into_iter().map(output).collect(),
        paths: shared.context.paths(),
        loss_windows: shared.context.loss_windows(),
        lags: shared.context.lags(),
        accumulators: shared.context.accumulators(),
    })
}
