//! Joins and cogroups of two streams of pairs.

use tidemill_config::JoinKind;

use super::keyed::{in_order, placed_as};
use crate::pipeline::any_stream::AnyStream;
use crate::pipeline::at::At;
use crate::pipeline::value::Value;
use crate::rdd::BoxError;

/// Each value of `ours` with each of `theirs` of the same key and batch, as a pair; null where a side that
/// may lack the key does.
pub(in crate::pipeline) fn join(
    ours: &AnyStream,
    theirs: &AnyStream,
    how: JoinKind,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let (ours, theirs) = (ours.pairs(at)?, theirs.pairs_as("other", at)?);
    let partitions = at.partitions(&ours);
    let or_null = |value: &Option<Value>| value.clone().unwrap_or(Value::Null);
    let joined = match how {
        JoinKind::Inner => at
            .step("rows", ours.join_with(&theirs, partitions))
            .map_values(|(a, b)| Value::pair(a.clone(), b.clone())),
        JoinKind::Left => at
            .step("rows", ours.left_outer_join_with(&theirs, partitions))
            .map_values(move |(a, b)| Value::pair(a.clone(), or_null(b))),
        JoinKind::Right => at
            .step("rows", ours.right_outer_join_with(&theirs, partitions))
            .map_values(move |(a, b)| Value::pair(or_null(a), b.clone())),
        JoinKind::Full => at
            .step("rows", ours.full_outer_join_with(&theirs, partitions))
            .map_values(move |(a, b)| Value::pair(or_null(a), or_null(b))),
    };
    Ok(AnyStream::Pairs(at.name(joined)))
}

/// Each key with the list of its values in `ours` and that of those in `theirs`, in the order in which they came.
pub(in crate::pipeline) fn cogroup(
    ours: &AnyStream,
    theirs: &AnyStream,
    at: &At<'_>,
) -> Result<AnyStream, BoxError> {
    let ours = placed_as("", &ours.pairs(at)?, at);
    let theirs = placed_as("other_", &theirs.pairs_as("other", at)?, at);
    let groups = at.step("groups", ours.cogroup_with(&theirs, at.partitions(&ours)));
    let lists = groups.map_values(|(a, b)| Value::pair(in_order(a), in_order(b)));
    Ok(AnyStream::Pairs(at.name(lists)))
}
