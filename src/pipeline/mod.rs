//! Pipelines: a checked pipeline file becomes sources, streams and sinks on a context.
//!
//! Streams are typed by what is known of their records (`AnyStream`): lines stay views into their
//! blocks and counted words pairs of text and number for as long as operators can work on them so;
//! otherwise records become [`Value`]s. What an operator needs of its input has been checked with the
//! file, see `tidemill_config::RecordKind`.
//!
//! Invariant: an operator's uid is `STREAM.OP`, with `#2`, ... for further ones of the same name in the
//! stream, unless the file sets it; steps within an operator are `STREAM.OP.STEP`. So state is found
//! again whatever changes elsewhere in the file.

mod any_stream;
mod at;
mod fold;
mod functions;
mod ops;
mod order;
mod predicate;
mod rows;
mod sinks;
mod sources;
mod value;

use std::collections::HashMap;

use tidemill_config::{Input, OnError, Op, OpKind, Pipeline};

pub(crate) use sources::http_limits;
pub use value::Value;

use crate::StreamingContext;
use crate::rdd::{BoxError, ErrorPolicy};
use any_stream::AnyStream;
use at::At;

/// Declares what `pipeline` says on `context`, which should have been built with its settings.
///
/// Here each order with what was paid for it within the last minute, or null:
///
/// ```
/// # use std::time::Duration;
/// use tidemill::{StreamingContext, pipeline};
/// use tidemill_config::Pipeline;
///
/// # fn main() -> Result<(), tidemill::rdd::BoxError> {
/// let text = r#"
/// name = "payments"
/// batch_interval = "1s"
/// checkpoint.url = "sled:data/payments/checkpoint"
///
/// [sources.orders]        # lines such as "17,tea"
/// type = "http"
/// [sources.payments]      # lines such as "17,2.50"
/// type = "http"
///
/// [streams.paid]
/// from = "payments"
/// ops = [{ op = "map", key_value = "," }, { op = "window", length = "60s" }]
/// [streams.orders_paid]
/// from = "orders"
/// ops = [
///   { op = "map", key_value = "," },
///   { op = "window", length = "60s" },
///   { op = "join", with = "paid", how = "left" },
/// ]
///
/// [sinks.screen]          # (17,(tea,2.50))
/// from = "orders_paid"
/// type = "console"
/// "#;
/// let checked = Pipeline::parse("payments.toml", text, &[], std::iter::empty())?;
/// let context = StreamingContext::builder("payments", Duration::from_secs(1)).build()?;
/// pipeline::build(&context, &checked)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the pipeline holds something that this version doesn't know, or wasn't checked.
pub fn build(context: &StreamingContext, pipeline: &Pipeline) -> Result<(), BoxError> {
    let mut known: HashMap<&str, AnyStream> = HashMap::new();
    for source in &pipeline.sources {
        let stream = sources::declare(context, source, &pipeline.http)?;
        known.insert(source.name.as_str(), AnyStream::Text(stream));
    }
    for stream in &pipeline.streams {
        let prefix = stream.uid.as_ref().unwrap_or(&stream.name).as_str();
        let inputs = find_all(&known, &stream.from)?;
        let mut made = any_stream::union(context, &inputs, &format!("{prefix}.union"))?;
        let mut seen: HashMap<&str, usize> = HashMap::new();
        // The union of several inputs has the name of one.
        if inputs.len() > 1 {
            seen.insert("union", 1);
        }
        for op in &stream.ops {
            let number = seen.entry(op.name).or_default();
            *number += 1;
            let at = At::new(prefix, op, *number, policy(pipeline, op));
            made = match &op.kind {
                OpKind::Union { with } => {
                    let mut inputs = vec![made];
                    inputs.extend(find_all(&known, with)?);
                    any_stream::union(context, &inputs, at.uid())?
                }
                OpKind::Join { with, how } => ops::join(&made, find(&known, with)?, *how, &at)?,
                OpKind::Cogroup { with } => ops::cogroup(&made, find(&known, with)?, &at)?,
                _ => ops::apply(&made, &at)?,
            };
        }
        known.insert(stream.name.as_str(), made);
    }
    for sink in &pipeline.sinks {
        sinks::declare(find(&known, &sink.from)?, sink)?;
    }
    Ok(())
}

/// What becomes of records that an operator can't work on.
fn policy(pipeline: &Pipeline, op: &Op) -> ErrorPolicy {
    match op.on_error {
        Some(OnError::Fail) => ErrorPolicy::FailBatch,
        Some(OnError::DeadLetters) => ErrorPolicy::DeadLetters,
        Some(OnError::Drop) => ErrorPolicy::Drop,
        None if pipeline.dead_letters.url.is_some() => ErrorPolicy::DeadLetters,
        None => ErrorPolicy::Drop,
    }
}

fn find<'a>(known: &'a HashMap<&str, AnyStream>, input: &Input) -> Result<&'a AnyStream, BoxError> {
    let name = input.name().as_str();
    known
        .get(name)
        .ok_or_else(|| format!("`{name}` is read before it is declared").into())
}

fn find_all(
    known: &HashMap<&str, AnyStream>,
    inputs: &[Input],
) -> Result<Vec<AnyStream>, BoxError> {
    inputs
        .iter()
        .map(|input| find(known, input).cloned())
        .collect()
}
