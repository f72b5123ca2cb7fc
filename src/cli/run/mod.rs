//! `tidemill run`: the daemon.
//!
//! Order: the file is checked, the admin port bound (a taken port is found out before anything is
//! written), an old life moved aside if that is wanted, the graph built, signals caught, the admin server started
//! (so that it can be asked during a long recovery), the engine started. Then the daemon waits for the first of
//! its [events](daemon::Event).

mod activation;
mod daemon;
mod files;
mod fresh;
pub(super) mod owner;
mod pulse;
mod reload;
mod secrets;
mod signals;
mod teller;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;

use tidemill_config::{Pipeline, Source, SourceKind, Tls, format_duration};

use super::args::RunArgs;
use super::error::{CliError, Result};
use super::{load, logging};
use crate::admin::{self, AdminServer};
use crate::error::Error;
use crate::pipeline;
#[cfg(feature = "otel")]
use crate::telemetry::Traces;
use crate::uid::OperatorUid;
use daemon::{Daemon, Event};
use reload::Reloader;
use secrets::Locks;

/// Runs a pipeline until it is stopped.
pub(super) fn run(args: &RunArgs) -> Result<()> {
    let mut pipeline = load::pipeline(&args.pipeline)?;
    pipeline.checkpoint.drop.extend(args.permits.drop.clone());
    let level = logging::start(&pipeline.log)?;
    for warning in &pipeline.warnings {
        tracing::warn!("{}: {}", warning.location, warning.message);
    }
    let own = |source: &&Source| {
        matches!(
            source.kind,
            SourceKind::Http {
                listen: Some(_),
                ..
            }
        )
    };
    let addresses = 1 + pipeline.sources.iter().filter(own).count();
    pipeline.http.max_connections = files::connections(pipeline.http.max_connections, addresses);
    let keys = secrets::read(&pipeline)?;
    let listener = match activation::listener(&pipeline) {
        // Most often it is the same pipeline that has the port, which is the more telling answer.
        Err(error) => return Err(owner::take(&pipeline, None).err().unwrap_or(error)),
        Ok(listener) => listener,
    };
    let address = listener.as_ref().map(|(_, address)| *address);
    if args.fresh {
        fresh::move_aside(&pipeline, address)?;
    }
    let context = load::context(&pipeline, address, args.from.as_deref())?;
    #[cfg(feature = "otel")]
    let traces = {
        let otlp = pipeline.telemetry.otlp.as_deref();
        otlp.map(|otlp| Traces::start(&context, otlp)).transpose()?
    };
    let (sender, events) = channel();
    let runtime = context.runtime()?;
    let ready = ready_line(&pipeline, address);
    pipeline::build(&context, &pipeline).map_err(|error| Error::Setting(error.to_string()))?;
    let places = sinks(&pipeline);
    let locks = Locks::default();
    locks.change(keys, context.ingest());
    let scheme = scheme(pipeline.admin.tls.as_ref());
    let limits = pipeline::http_limits(&pipeline.http);
    let reloader = Reloader::new(
        args.pipeline.clone(),
        context.clone(),
        locks.clone(),
        level,
        pipeline,
    );
    let reloader = Arc::new(reloader);
    signals::watch(&runtime, &sender, &reloader)?;
    let on_reload = Arc::clone(&reloader);
    let server = match listener {
        Some((listener, address)) => {
            let stop = sender.clone();
            let options = admin::Options {
                access: locks.access,
                tls: locks.tls,
                limits,
                on_stop: Box::new(move |gracefully| {
                    // Nobody listens any more when the daemon has ended already.
                    let _ = stop.send(Event::StopAsked { gracefully });
                }),
                on_reload: Some(Box::new(move |by: &str| on_reload.reload(by))),
            };
            let server = AdminServer::start(listener, context.clone(), options)?;
            tracing::info!("the admin server answers on {scheme}://{address}");
            Some(server)
        }
        None => None,
    };
    let ended = Daemon::new(context, sender, events, ready, reloader).run();
    let ended = ended.map_err(|error| at_sink(error, &places));
    if let Err(error) = &ended
        && error.is_at_once()
    {
        return ended;
    }
    if let Some(server) = server {
        server.shut_down();
    }
    #[cfg(feature = "otel")]
    if let Some(traces) = traces {
        traces.shut_down();
    }
    ended
}

/// How an address is spoken to.
fn scheme(tls: Option<&Tls>) -> &'static str {
    match tls {
        Some(_) => "https",
        None => "http",
    }
}

/// What is logged when batches run: what it is, where to look, how to feed it.
fn ready_line(pipeline: &Pipeline, admin: Option<SocketAddr>) -> String {
    let mut line = format!(
        "{}, batches every {}",
        pipeline.name,
        format_duration(pipeline.batch_interval)
    );
    if let Some(admin) = admin {
        let scheme = scheme(pipeline.admin.tls.as_ref());
        line.push_str(&format!(", admin {scheme}://{admin}"));
    }
    for source in &pipeline.sources {
        let SourceKind::Http { listen, tls, .. } = &source.kind else {
            continue;
        };
        if let Some(address) = listen.or(admin) {
            let name = &source.name;
            let own = listen.map_or(pipeline.admin.tls.as_ref(), |_| tls.as_ref());
            let scheme = scheme(own);
            line.push_str(&format!(
                ", feed: curl --data-binary @FILE {scheme}://{address}/ingest/{name}"
            ));
        }
    }
    line
}

/// Where each sink is declared, by its uid.
fn sinks(pipeline: &Pipeline) -> BTreeMap<OperatorUid, String> {
    let sinks = pipeline.sinks.iter().map(|sink| {
        let place = format!("{}: sink `{}`", sink.location, sink.name);
        (OperatorUid::new(sink.known_as()), place)
    });
    sinks.collect()
}

/// Names the place in the file where it is a sink that can't be written.
fn at_sink(error: CliError, sinks: &BTreeMap<OperatorUid, String>) -> CliError {
    match error {
        CliError::Engine(Error::Output {
            uid,
            reason,
            caller,
        }) => match sinks.get(&uid) {
            Some(place) => CliError::Failed(format!("{place}: {reason}")),
            None => CliError::Engine(Error::Output {
                uid,
                reason,
                caller,
            }),
        },
        other => other,
    }
}
