//! Declares the operators of a pipeline.

mod join;
mod keyed;
mod map;
mod parts;
mod single;
mod state;
mod whole;
mod window;

pub(super) use join::{cogroup, join};

use tidemill_config::OpKind;

use super::any_stream::{AnyStream, same};
use super::at::At;
use crate::rdd::BoxError;

/// The stream that the operator at `at` makes of `stream`.
pub(super) fn apply(stream: &AnyStream, at: &At<'_>) -> Result<AnyStream, BoxError> {
    match &at.op.kind {
        OpKind::Split { on } => single::split(stream, on.as_deref(), at),
        OpKind::Filter { test, negate, on } => single::filter(stream, test, *negate, *on, at),
        OpKind::Map(how) => map::map(stream, how, at),
        OpKind::MapValues(extract) => map::map_values(stream, extract, at),
        OpKind::FlatMapValues { on } => map::flat_map_values(stream, on.as_deref(), at),
        OpKind::Items => parts::items(stream, at),
        OpKind::Persist { level } => {
            let level = level.name().parse()?;
            Ok(same!(stream, s => s.clone().persist_with(level)))
        }
        OpKind::Checkpoint { interval } => Ok(same!(stream, s => at.name(s.checkpoint(*interval)))),
        OpKind::Count => Ok(single::count(stream, at)),
        OpKind::Reduce { function } => single::reduce(stream, *function, at),
        OpKind::CountByValue => keyed::count_by_value(stream, at),
        OpKind::Glom => whole::glom(stream, at),
        OpKind::MapPartitions { function } => whole::map_partitions(stream, *function, at),
        OpKind::GroupByKey => keyed::group_by_key(stream, at),
        OpKind::ReduceByKey { function } => keyed::reduce_by_key(stream, *function, at),
        OpKind::CombineByKey { function } => keyed::combine_by_key(stream, *function, at),
        OpKind::UpdateStateByKey { function } => keyed::update_state(stream, *function, at),
        OpKind::MapWithState { function, timeout } => {
            state::map_with_state(stream, *function, *timeout, at)
        }
        OpKind::Repartition { partitions } => {
            Ok(same!(stream, s => at.name(s.repartition((*partitions).into()))))
        }
        OpKind::Window { window } => {
            Ok(same!(stream, s => at.name(s.window(window.length, window.slide))))
        }
        OpKind::CountByWindow { window } => Ok(window::count(stream, *window, at)),
        OpKind::ReduceByWindow {
            function,
            window,
            inverse,
        } => window::reduce(stream, *function, *window, *inverse, at),
        OpKind::CountByValueAndWindow { window } => window::count_by_value(stream, *window, at),
        OpKind::GroupByKeyAndWindow { window } => window::group_by_key(stream, *window, at),
        OpKind::ReduceByKeyAndWindow {
            function,
            window,
            inverse,
        } => window::reduce_by_key(stream, *function, *window, *inverse, at),
        OpKind::Top { n, by } => whole::top(stream, (*n).into(), *by, at),
        // Unions, joins and cogroups read other streams, too: they are made where those are known.
        _ => Err(at.mismatch()),
    }
}
