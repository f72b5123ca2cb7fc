//! From arguments to a checked pipeline, and from that to a context with all its settings.

use std::net::SocketAddr;
use std::path::Path;

use tidemill_config::{Backpressure, ENVIRONMENT_PREFIX, Pipeline};
use tidemill_storage::{Location, LocationError};

use super::args::PipelineArgs;
use super::error::Result;
use crate::error::Error;
use crate::pipeline::build;
use crate::{OperatorUid, PidSettings, StreamingContext, Tuning};

/// Loads a pipeline with the environment and `--set` laid over it.
pub(super) fn pipeline(args: &PipelineArgs) -> Result<Pipeline> {
    load(&args.pipeline, &args.sets.set)
}

/// As [`pipeline`], from the parts.
pub(super) fn load(path: &Path, sets: &[String]) -> Result<Pipeline> {
    // `vars` would panic at a variable that isn't UTF-8, even at one that isn't ours.
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    let ours = |(key, _): &(String, String)| key.starts_with(ENVIRONMENT_PREFIX);
    let environment = std::env::vars_os().filter_map(text).filter(ours);
    let pipeline = Pipeline::load(path, sets, environment)?;
    has_what_it_needs(&pipeline)?;
    Ok(pipeline)
}

/// Refuses what this build doesn't have.
fn has_what_it_needs(pipeline: &Pipeline) -> Result<()> {
    let places = pipeline.settings.iter().filter_map(|setting| {
        let (_, name) = setting.key.rsplit_once('.')?;
        let value = setting.value.as_deref()?.trim_matches(['"', '\'']);
        let is_place = matches!(name, "url" | "prefix" | "path") && value.contains("://");
        match value.parse::<Location>().err().filter(|_| is_place)? {
            // Whether it is a good location at all, its source or sink knows.
            error @ (LocationError::NotBuiltIn { .. } | LocationError::NotSupported { .. }) => {
                Some((setting.key.clone(), error.to_string()))
            }
            _ => None,
        }
    });
    let exporter = pipeline.telemetry.otlp.as_ref().map(|_| {
        let reason = "this program was built without the feature `otel`; leave the key out, or build it with \
                      --features otel";
        ("telemetry.otlp".to_owned(), reason.to_owned())
    });
    pipeline.refuse(places.chain(exporter.filter(|_| !cfg!(feature = "otel"))))?;
    Ok(())
}

/// A pipeline's program, to be looked at.
pub(super) fn program(pipeline: &Pipeline) -> Result<StreamingContext> {
    let context = context(pipeline, None, None)?;
    build(&context, pipeline).map_err(|error| Error::Setting(error.to_string()))?;
    Ok(context)
}

/// A context with a pipeline's settings, its streams not yet declared. `admin` is where the admin server
/// answers; a savepoint is gone back to.
pub(super) fn context(
    pipeline: &Pipeline,
    admin: Option<SocketAddr>,
    savepoint: Option<&str>,
) -> Result<StreamingContext> {
    let Pipeline {
        checkpoint,
        wal,
        receiver,
        backpressure,
        jobs,
        ..
    } = pipeline;
    let mut builder = StreamingContext::builder(pipeline.name.as_str(), pipeline.batch_interval)
        .checkpoint(checkpoint.url.to_string())
        .checkpoint_interval(checkpoint.interval)
        .checkpoint_retain(checkpoint.retain.get())
        .write_ahead_log(wal.url.to_string())
        .receiver_write_ahead_log(wal.receiver)
        .disk_reserve(pipeline.storage.reserve.bytes())
        .segment_bytes(wal.segment_size.bytes())
        .segment_age(wal.segment_age)
        .block_interval(receiver.block_interval)
        .block_queue(receiver.queue.get())
        .max_block_bytes(receiver.max_block_size.as_usize())
        .receiver_memory_bytes(receiver.memory.bytes())
        .receiver_unready_after(receiver.unready_after)
        .overdue_after(jobs.overdue_after)
        .backpressure(backpressure.enabled)
        .backpressure_pid(pid(backpressure))
        .concurrent_jobs(pipeline.concurrent_jobs.get())
        .max_failures(jobs.max_failures.get())
        .retry_delay(jobs.retry_delay)
        .retry_delay_max(jobs.retry_delay_max)
        .default_partitions(jobs.partitions.get())
        .remember(pipeline.remember.unwrap_or_default())
        .max_dead_letters(pipeline.dead_letters.max_per_batch.get())
        .stop_timeout(pipeline.stop.timeout)
        .stop_receivers(pipeline.stop.receivers)
        .retained_batches(pipeline.admin.retained_batches.get())
        .program_text(pipeline.program_text());
    if let Some(bytes) = pipeline.memory.cached {
        builder = builder.cached_memory(bytes.bytes());
    }
    if let Some(bytes) = pipeline.memory.shuffle {
        builder = builder.shuffle_memory(bytes.bytes());
    }
    if let Some(url) = &pipeline.dead_letters.url {
        builder = builder.dead_letters(url.as_str());
    }
    if let Some(rate) = receiver.max_rate {
        builder = builder.receiver_max_rate(rate.get() as f64);
    }
    if let Some(rate) = backpressure.initial_rate {
        builder = builder.backpressure_initial_rate(rate.get() as f64);
    }
    if let Some(records) = pipeline.catch_up.max_records {
        builder = builder.catch_up_max_records(records.get());
    }
    if let Some(speed) = pipeline.catch_up.max_speed {
        builder = builder.catch_up_max_speed(speed);
    }
    if let Some(name) = savepoint {
        builder = builder.from_savepoint(name);
    }
    for (old, new) in &checkpoint.renames {
        builder = builder.rename_operator(old, new);
    }
    for uid in &checkpoint.drop {
        builder = builder.drop_state(uid);
    }
    if let Some(folder) = &pipeline.storage.scratch {
        builder = builder.scratch(folder);
    }
    if let Some(folder) = &pipeline.storage.scratch_replica {
        builder = builder.scratch_replica(folder);
    }
    if let Some(memory) = pipeline.state.memory {
        builder = builder.state_memory(memory.bytes());
    }
    if let Some(folder) = &pipeline.state.scratch {
        builder = builder.state_scratch(folder);
    }
    if let Some(address) = admin {
        let scheme = if pipeline.admin.tls.is_some() {
            "https"
        } else {
            "http"
        };
        builder = builder.admin_address(format!("{scheme}://{address}"));
    }
    Ok(builder.build()?)
}

fn pid(backpressure: &Backpressure) -> PidSettings {
    let pid = &backpressure.pid;
    PidSettings {
        proportional: pid.proportional,
        integral: pid.integral,
        derived: pid.derived,
        min_rate: pid.min_rate.get() as f64,
    }
}

/// What can change while it runs, as `pipeline` says it.
pub(super) fn tuning(context: &StreamingContext, pipeline: &Pipeline) -> Tuning {
    let rate = |rate: std::num::NonZeroU64| rate.get() as f64;
    let mut tuning = context.tuning();
    tuning.checkpoint_interval = pipeline.checkpoint.interval;
    tuning.checkpoint_retain = pipeline.checkpoint.retain.get();
    tuning.disk_reserve = pipeline.storage.reserve.bytes();
    tuning.backpressure_initial_rate = pipeline.backpressure.initial_rate.map(rate);
    tuning.backpressure_pid = pid(&pipeline.backpressure);
    tuning.receiver_unready_after = pipeline.receiver.unready_after;
    tuning.overdue_after = pipeline.jobs.overdue_after;
    tuning.catch_up_max_records = pipeline.catch_up.max_records.map(Into::into);
    tuning.catch_up_max_speed = pipeline.catch_up.max_speed;
    tuning.max_failures = pipeline.jobs.max_failures.get();
    tuning.retry_delay = pipeline.jobs.retry_delay;
    tuning.retry_delay_max = pipeline.jobs.retry_delay_max;
    tuning.max_dead_letters = pipeline.dead_letters.max_per_batch.get();
    tuning.retained_batches = pipeline.admin.retained_batches.get();
    tuning.stop_timeout = pipeline.stop.timeout;
    tuning.stop_receivers = pipeline.stop.receivers;
    tuning.program_text = Some(pipeline.program_text());
    for source in &pipeline.sources {
        if let Some(limits) = &source.limits {
            let uid = OperatorUid::new(source.name.as_str());
            tuning.max_rates.insert(uid, limits.max_rate.map(rate));
        }
    }
    tuning
}
