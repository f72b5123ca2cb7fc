//! Traces of a real daemon, taken by a collector that speaks OTLP over HTTP.

#![cfg(feature = "otel")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use cli_support::{Daemon, Place, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

/// What a collector was sent: spans, each with the name of its service.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<(String, Span)>>>);

impl Taken {
    fn take(&self, body: &Bytes) {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap();
            let service = resource.attributes.iter().find(|a| a.key == "service.name");
            let service = service.unwrap().value.clone().unwrap().value.unwrap();
            let Value::StringValue(service) = service else {
                panic!("{service:?}");
            };
            let spans = of_resource.scope_spans.into_iter().flat_map(|s| s.spans);
            let spans = spans.map(|span| (service.clone(), span));
            self.0.lock().unwrap().extend(spans);
        }
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.0.lock().unwrap();
        taken.iter().map(|(_, span)| span.clone()).collect()
    }
}

/// A collector, which lives as long as the test's process, and its address.
fn collector() -> (Taken, String) {
    let taken = Taken::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let keeping = taken.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let take = post(move |body: Bytes| async move { keeping.take(&body) });
            let router = Router::new().route("/v1/traces", take);
            axum::serve(listener, router).await.unwrap();
        });
    });
    (taken, format!("http://{address}"))
}

/// A daemon that sends its traces, soon, to a collector.
fn start(place: &Place, collector: &str) -> Daemon {
    let otlp = format!("telemetry.otlp={collector}");
    let mut command = place.command(&["run", "p.toml", "--set", &otlp]);
    command
        .args(["--set", "jobs.max_failures=2"])
        .args(["--set", "jobs.retry_delay=50ms"])
        .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    Daemon::spawn(command)
}

fn number(span: &Span, key: &str) -> Option<i64> {
    let attribute = span.attributes.iter().find(|one| one.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        other => panic!("{key} is {other:?}"),
    }
}

fn text(span: &Span, key: &str) -> String {
    let attribute = span.attributes.iter().find(|one| one.key == key);
    match attribute.and_then(|one| one.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error)
}

/// The first span that fits, once it is there, with those right below it.
fn find(taken: &Taken, what: &str, fits: impl Fn(&Span) -> bool) -> (Span, Vec<Span>) {
    eventually(what, || {
        let spans = taken.spans();
        let found = spans.iter().find(|span| fits(span))?.clone();
        let below = spans
            .into_iter()
            .filter(|span| span.parent_span_id == found.span_id && span.trace_id == found.trace_id);
        Some((found.clone(), below.collect()))
    })
}

#[test]
fn a_batch_is_a_trace() {
    let (taken, url) = collector();
    let place = Place::new();
    let daemon = start(&place, &url);
    daemon.feed("to be\nor not\n");
    let with_records =
        |span: &Span| span.name == "batch" && number(span, "tidemill.batch.records") == Some(2);
    let (batch, below) = find(&taken, "the batch is sent", with_records);
    assert_eq!(batch.parent_span_id, Vec::<u8>::new());
    assert_eq!(number(&batch, "tidemill.epoch"), Some(1));
    assert!(number(&batch, "tidemill.batch.time").unwrap() > 0);
    assert!(!is_error(&batch));
    let mut names: Vec<&str> = below.iter().map(|span| span.name.as_str()).collect();
    names.retain(|name| *name != "checkpoint");
    names.sort_unstable();
    assert_eq!(names, ["allocate", "output", "output", "wait"]);
    for span in below.iter().filter(|span| span.name != "checkpoint") {
        let is_within = span.start_time_unix_nano >= batch.start_time_unix_nano
            && span.end_time_unix_nano <= batch.end_time_unix_nano;
        assert!(is_within, "{span:#?} of {batch:#?}");
    }
    let outputs = below.iter().filter(|span| span.name == "output");
    let mut uids: Vec<String> = outputs
        .map(|span| text(span, "tidemill.output.uid"))
        .collect();
    uids.sort();
    assert_eq!(uids, ["files", "screen"]);

    let cut = daemon.post("/api/v1/checkpoint", "");
    assert_eq!(cut.status, 200, "{}", cut.body);
    let time = cut.json()["time"].as_i64().unwrap();
    let is_it =
        |span: &Span| span.name == "batch" && number(span, "tidemill.batch.time") == Some(time);
    eventually("the checkpoint is below the batch it was cut after", || {
        let (_, below) = find(&taken, "the batch is sent", is_it);
        let checkpoint = below.iter().find(|span| span.name == "checkpoint")?;
        (number(checkpoint, "tidemill.epoch") == Some(1)).then_some(())
    });
    daemon.stop();
    let taken = taken.0.lock().unwrap();
    assert!(taken.iter().all(|(service, _)| service == "wordcount"));
}

#[test]
fn a_failure_is_in_the_trace() {
    let (taken, url) = collector();
    let place = Place::new();
    let daemon = start(&place, &url);
    // A file where the folder was, as soon as no batch is just making it again.
    let out = place.path("out");
    eventually("there is a file in the way", || {
        let _ = std::fs::remove_dir_all(&out);
        std::fs::File::create_new(&out).ok()
    });
    let (failed, _) = find(&taken, "an attempt has failed", |span| {
        span.name == "output" && is_error(span)
    });
    assert_eq!(text(&failed, "tidemill.output.uid"), "files");
    assert_eq!(number(&failed, "tidemill.output.attempt"), Some(1));
    eventually("the batch has failed", || {
        (daemon.get("/readyz").status == 503).then_some(())
    });
    std::fs::remove_file(&out).unwrap();
    let (batch, below) = find(&taken, "the batch is complete", |span| {
        span.name == "batch" && span.trace_id == failed.trace_id
    });
    assert_eq!(failed.parent_span_id, batch.span_id);
    assert!(!is_error(&batch));
    assert_eq!(batch.events[0].name, "failed");
    let done = |span: &&Span| {
        span.name == "output" && text(span, "tidemill.output.uid") == "files" && !is_error(span)
    };
    let done = below.iter().find(done).unwrap();
    assert!(number(done, "tidemill.output.attempt").unwrap() > 2);
    daemon.stop();
}

#[test]
fn a_collector_that_isnt_there_holds_nothing_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let place = Place::new();
    let mut daemon = start(&place, &url);
    daemon.feed("a\n");
    eventually("there is output", || {
        place
            .output_lines()
            .contains(&"(a,1)".to_owned())
            .then_some(())
    });
    daemon.wait_for_log("traces aren't taken");
    daemon.stop();
}

#[test]
fn what_is_no_address_is_refused() {
    let place = Place::new();
    for wrong in ["127.0.0.1:4318", "https://127.0.0.1:4318", "http://nowhere"] {
        let otlp = format!("telemetry.otlp={wrong}");
        let output = place.run(&["check", "p.toml", "--set", &otlp]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let said = cli_support::stderr(&output);
        assert!(said.contains("telemetry.otlp"), "{said}");
    }
}
