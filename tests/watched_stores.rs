//! Folders in object stores as sources: in real servers that speak S3's, Google's and Azure's protocols with a faulty
//! network before them, over restarts; and batches of object files read back from where a sink put them.

#![cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/object_servers/mod.rs"]
#[allow(unused_imports)]
mod object_servers;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use object_servers::{Bucket, Protocol, WireFault, WireRequest, bucket};
use serde::{Deserialize, Serialize};
use support::{builder, clock_at, run_to};
use tidemill::rdd::{Executor, Rdd};
use tidemill::sink::{BatchIdentity, ObjectFiles, Sink};
use tidemill::source::{FileSource, FileSourceOptions, Remember};
use tidemill::{OperatorUid, StreamingContext, Time};
use tidemill_storage::{Objects, RemoteOptions, RetryPolicy, open_objects, open_objects_with};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Visit {
    page: String,
    seconds: u64,
}

fn open(bucket: &Bucket) -> Arc<dyn Objects> {
    let options = RemoteOptions {
        // Waits little, but gives up late: machines that run tests are slow.
        retry: RetryPolicy {
            attempt: Duration::from_secs(30),
            give_up_after: Duration::from_secs(120),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(20),
            seed: 1,
        },
        variables: bucket.variables.clone(),
    };
    let location = format!("{}/app", bucket.url).parse().unwrap();
    open_objects_with(&location, &options).unwrap()
}

fn visits(round: u64) -> Vec<Visit> {
    let visit = |n: u64| Visit {
        page: format!("/{round}/{n}"),
        seconds: round * 10 + n,
    };
    (0..5).map(visit).collect()
}

/// Commits a batch of object files, as a program that writes to `out/visits` does.
fn commit(files: &ObjectFiles, round: u64) {
    let executor = Executor::new(2, 1).unwrap();
    let all = visits(round);
    let parts = vec![all[..2].to_vec(), all[2..].to_vec()];
    let batch = BatchIdentity {
        application: "writer".to_owned(),
        output: OperatorUid::new("visits"),
        time: Time::from_millis(round * 1000),
    };
    files
        .commit(&batch, &Rdd::<Visit>::in_memory(parts, &executor))
        .unwrap();
}

/// What streams yielded, sorted, whatever the order in which batches came.
type Found<T> = Arc<Mutex<Vec<T>>>;

fn sorted<T: Ord + Clone>(found: &Found<T>) -> Vec<T> {
    let mut found = found.lock().unwrap().clone();
    found.sort();
    found
}

fn is_watched_exactly_once(protocol: Protocol) {
    let bucket = bucket(protocol);
    let objects = open(&bucket);
    let put = |name: &str, text: String| objects.put(name, text.into()).unwrap();
    let clock = clock_at(200);
    let (lines, kept): (Found<String>, [Found<Visit>; 2]) = Default::default();
    let start = || {
        let url = format!("memory:watched-{protocol:?}");
        let context = builder(&url, &clock).build().unwrap();
        let watched = FileSource::new("in", FileSourceOptions::default());
        let text = context.direct_stream_with("lines", watched.stored_in(Arc::clone(&objects)));
        let all = Arc::clone(&lines);
        text.for_each_rdd(move |rdd, _| all.lock().unwrap().extend(rdd.collect().unwrap()));
        let ways = [Remember::All, Remember::GreatestName];
        for ((remember, all), name) in ways.into_iter().zip(&kept).zip(["names", "ascending"]) {
            let options = FileSourceOptions {
                batch_folders: true,
                remember,
                ..FileSourceOptions::default()
            };
            let watched = FileSource::<Visit>::objects("out", options);
            let stream = context.direct_stream_with(name, watched.stored_in(Arc::clone(&objects)));
            let all = Arc::clone(all);
            stream.for_each_rdd(move |rdd, _| all.lock().unwrap().extend(rdd.collect().unwrap()));
        }
        context.start().unwrap();
        context
    };
    put("in/old", "old\n".to_owned());
    let files = ObjectFiles::on_objects("out/visits", None, Arc::clone(&objects));
    commit(&files, 1);
    let mut expected = (Vec::new(), Vec::new());
    let mut second = 200;
    for round in 2..=5 {
        bucket.network.set_plan(move |request: &WireRequest| {
            match (request.method.as_str(), request.number % 3) {
                ("GET", 0) => WireFault::Answer(503),
                ("GET", 1) if round == 3 => WireFault::CutAfter(350),
                ("GET", 1) if round == 4 => WireFault::ResetAfter,
                _ => WireFault::Pass,
            }
        });
        let context = start();
        // What another program is still writing, or has hidden, and what isn't in this folder.
        let of = |what: &str| format!("in/{what}");
        for name in ["_SUCCESS", ".part", "half.tmp", "nested/a"] {
            put(&of(name), "no\n".to_owned());
        }
        put("inside", "no\n".to_owned());
        put("out/visits-9000/part-00000", "no batch yet".to_owned());
        put(
            &of(&format!("{round}.log")),
            format!("{round} a\n{round} b"),
        );
        commit(&files, round);
        expected
            .0
            .extend([format!("{round} a"), format!("{round} b")]);
        expected.1.extend(visits(round));
        for _ in 0..2 {
            second += 1;
            run_to(&context, &clock, second);
        }
        context.stop(round % 2 == 0).unwrap();
    }
    bucket.network.heal();
    expected.1.sort();
    assert_eq!(sorted(&lines), expected.0);
    for kept in &kept {
        assert_eq!(sorted(kept), expected.1);
    }
}

#[test]
fn a_folder_in_s3_is_watched() {
    is_watched_exactly_once(Protocol::S3);
}

#[test]
fn a_folder_in_gcs_is_watched() {
    is_watched_exactly_once(Protocol::Gcs);
}

#[test]
fn a_folder_in_azure_is_watched() {
    is_watched_exactly_once(Protocol::Azure);
}

/// An outage is a batch without this source, told; what came meanwhile is in a later one.
#[test]
fn an_outage_loses_nothing() {
    let bucket = bucket(Protocol::Gcs);
    let options = RemoteOptions {
        retry: RetryPolicy {
            give_up_after: Duration::from_millis(5),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(1),
            ..RetryPolicy::default()
        },
        variables: bucket.variables.clone(),
    };
    let impatient = open_objects_with(&bucket.url.parse().unwrap(), &options).unwrap();
    let clock = clock_at(200);
    let context = builder("memory:watched-outage", &clock).build().unwrap();
    let watched = FileSource::new("in", FileSourceOptions::default()).stored_in(impatient);
    let lines: Found<String> = Arc::default();
    let all = Arc::clone(&lines);
    let stream = context.direct_stream(watched);
    stream.for_each_rdd(move |rdd, _| all.lock().unwrap().extend(rdd.collect().unwrap()));
    context.start().unwrap();
    run_to(&context, &clock, 201);
    bucket.network.set_plan(|_| WireFault::Answer(500));
    run_to(&context, &clock, 202);
    assert!(lines.lock().unwrap().is_empty());
    bucket.network.heal();
    let whole = open_objects_with(
        &bucket.url.parse().unwrap(),
        &RemoteOptions {
            variables: bucket.variables.clone(),
            ..RemoteOptions::default()
        },
    );
    whole.unwrap().put("in/a", Bytes::from("late\n")).unwrap();
    run_to(&context, &clock, 203);
    assert_eq!(sorted(&lines), ["late"]);
    context.stop(true).unwrap();
}

fn any_context() -> StreamingContext {
    let location = "memory:watched-datasets-checkpoint";
    builder(location, &clock_at(0)).build().unwrap()
}

#[test]
fn object_files_in_a_store_are_datasets() {
    let context = any_context();
    let read = |place: &str| -> Result<Vec<Visit>, String> {
        let rdd = context.object_file::<Visit>(place);
        let rdd = rdd.map_err(|error| error.to_string())?;
        rdd.collect().map_err(|error| error.to_string())
    };
    let files = ObjectFiles::open("memory:watched-datasets/visits", None).unwrap();
    commit(&files, 1);
    commit(&files, 2);
    let all = [visits(1), visits(2)].concat();
    assert_eq!(read("memory:watched-datasets").unwrap(), all);
    let store = open_objects(&"memory:watched-datasets".parse().unwrap()).unwrap();
    let part = store.get("visits-2000/part-00001").unwrap().unwrap();
    store.put("copy", part.clone()).unwrap();
    assert_eq!(
        read("memory:watched-datasets/copy").unwrap(),
        visits(2)[2..]
    );
    store.put("damaged", part.slice(..part.len() - 1)).unwrap();
    let error = read("memory:watched-datasets/damaged").unwrap_err();
    assert!(
        error.contains("damaged can't be read: it ends in the middle"),
        "{error}"
    );
    let error = read("memory:watched-datasets/none").unwrap_err();
    assert!(error.contains("there is no such object"), "{error}");
    let half = open_objects(&"memory:watched-half".parse().unwrap()).unwrap();
    half.put("part-00000", part).unwrap();
    let error = read("memory:watched-half").unwrap_err();
    assert!(error.contains("no _SUCCESS"), "{error}");
    let error = read("s4://bucket/out").unwrap_err();
    assert!(error.contains("is no location"), "{error}");
}

#[test]
fn a_place_that_is_none_is_refused_at_the_start_with_its_line() {
    let context = any_context();
    let line = line!() + 1;
    let lines = context.text_file_stream("s4://bucket/in");
    lines.print();
    let error = context.start().unwrap_err().to_string();
    let place = format!("watched_stores.rs:{line}");
    assert!(
        error.contains("is no location") && error.contains(&place),
        "{error}"
    );
}
