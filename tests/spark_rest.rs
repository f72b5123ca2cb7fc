//! Spark's REST tree for streaming, field by field: each of its classes' fields is there when Spark has it, with
//! its type and unit, in each state that a program may be in. Scripts written for Spark read just that.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::time::{SystemTime, UNIX_EPOCH};

use cli_support::{Daemon, Place, eventually};
use serde_json::Value;

const APPLICATIONS: &str = "/api/v1/applications";
const STREAMING: &str = "/api/v1/applications/wordcount/streaming";

/// A field's type: Spark's `Date` is milliseconds here, or text when asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Date,
    Long,
    Double,
    Text,
    Bool,
    Array,
}

use Kind::{Array, Bool, Date, Double, Long, Text};

/// A field of one of Spark's classes; `Option` there: may be left out.
struct Field(&'static str, Kind, bool);

const fn always(name: &'static str, kind: Kind) -> Field {
    Field(name, kind, false)
}

const fn sometimes(name: &'static str, kind: Kind) -> Field {
    Field(name, kind, true)
}

const APPLICATION: &[Field] = &[
    always("id", Text),
    always("name", Text),
    sometimes("coresGranted", Long),
    sometimes("maxCores", Long),
    sometimes("coresPerExecutor", Long),
    sometimes("memoryPerExecutorMB", Long),
    always("attempts", Array),
];

const ATTEMPT: &[Field] = &[
    sometimes("attemptId", Text),
    always("startTime", Date),
    always("endTime", Date),
    always("lastUpdated", Date),
    always("duration", Long),
    always("sparkUser", Text),
    always("completed", Bool),
    always("appSparkVersion", Text),
    always("startTimeEpoch", Long),
    always("endTimeEpoch", Long),
    always("lastUpdatedEpoch", Long),
];

const STATISTICS: &[Field] = &[
    always("startTime", Date),
    always("batchDuration", Long),
    always("numReceivers", Long),
    always("numActiveReceivers", Long),
    always("numInactiveReceivers", Long),
    always("numTotalCompletedBatches", Long),
    always("numRetainedCompletedBatches", Long),
    always("numActiveBatches", Long),
    always("numProcessedRecords", Long),
    always("numReceivedRecords", Long),
    sometimes("avgInputRate", Double),
    sometimes("avgSchedulingDelay", Long),
    sometimes("avgProcessingTime", Long),
    sometimes("avgTotalDelay", Long),
];

const RECEIVER: &[Field] = &[
    always("streamId", Long),
    always("streamName", Text),
    sometimes("isActive", Bool),
    sometimes("executorId", Text),
    sometimes("executorHost", Text),
    sometimes("lastErrorTime", Date),
    sometimes("lastErrorMessage", Text),
    sometimes("lastError", Text),
    sometimes("avgEventRate", Double),
    always("eventRates", Array),
];

const BATCH: &[Field] = &[
    always("batchId", Long),
    always("batchTime", Date),
    always("status", Text),
    always("batchDuration", Long),
    always("inputSize", Long),
    sometimes("schedulingDelay", Long),
    sometimes("processingTime", Long),
    sometimes("totalDelay", Long),
    always("numActiveOutputOps", Long),
    always("numCompletedOutputOps", Long),
    always("numFailedOutputOps", Long),
    always("numTotalOutputOps", Long),
    sometimes("firstFailureReason", Text),
];

const OPERATION: &[Field] = &[
    always("outputOpId", Long),
    always("name", Text),
    always("description", Text),
    sometimes("startTime", Date),
    sometimes("endTime", Date),
    sometimes("duration", Long),
    sometimes("failureReason", Text),
    always("jobIds", Array),
];

/// Walks a class's fields: of those that may be left out, `there` are there and no others.
#[track_caller]
fn walk(answer: &Value, class: &[Field], there: &[&str], dates: Kind) {
    for Field(name, kind, optional) in class {
        let Some(value) = answer.get(name) else {
            let may_be_left_out = *optional && !there.contains(name);
            assert!(may_be_left_out, "{name} isn't in {answer}");
            continue;
        };
        let expected = !*optional || there.contains(name);
        assert!(expected, "{name} is in {answer}");
        let has_type = match if *kind == Date { dates } else { *kind } {
            Long | Date => value.is_i64() || value.is_u64(),
            Double => value.is_f64(),
            Text => value.is_string(),
            Bool => value.is_boolean(),
            Array => value.is_array(),
        };
        assert!(has_type, "{name} is no {kind:?} in {answer}");
    }
    let known = |name: &&&str| class.iter().any(|Field(field, ..)| field == *name);
    assert_eq!(there.iter().filter(known).count(), there.len(), "{there:?}");
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let answer = daemon.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

fn streaming(daemon: &Daemon, path: &str) -> Value {
    get(daemon, &format!("{STREAMING}/{path}"))
}

// What the daemon says is held against this machine's clock.
#[allow(clippy::disallowed_methods)]
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Every test's program: none of what it gives may be wider or narrower than Spark's.
fn walk_application(daemon: &Daemon) {
    let all = get(daemon, APPLICATIONS);
    let one = get(daemon, &format!("{APPLICATIONS}/wordcount"));
    for application in [&all[0], &one] {
        walk(application, APPLICATION, &[], Long);
        assert_eq!(application["attempts"].as_array().unwrap().len(), 1);
        let attempt = &application["attempts"][0];
        walk(attempt, ATTEMPT, &[], Long);
        assert_eq!(attempt["completed"], false);
        assert_eq!(
            (&attempt["endTime"], &attempt["endTimeEpoch"]),
            (&(-1).into(), &(-1).into())
        );
        for time in ["startTime", "lastUpdated"] {
            let ms = attempt[time].as_i64().unwrap();
            assert_eq!(attempt[format!("{time}Epoch")], ms);
            // Milliseconds, and of today.
            assert!((now() - ms).abs() < 3_600_000, "{attempt}");
        }
    }
}

#[test]
fn before_the_first_batch() {
    let place = Place::new();
    let interval = [
        "--set",
        "batch_interval=7200h",
        "--set",
        "checkpoint.interval=7200h",
    ];
    let daemon = place.start(&interval);
    walk_application(&daemon);
    let statistics = streaming(&daemon, "statistics");
    walk(&statistics, STATISTICS, &[], Long);
    assert_eq!(statistics["batchDuration"], 7_200 * 3_600_000_i64);
    assert!(now() - statistics["startTime"].as_i64().unwrap() < 3_600_000);
    assert_eq!(streaming(&daemon, "batches"), serde_json::json!([]));
    let receivers = streaming(&daemon, "receivers");
    let there = ["isActive", "executorId", "executorHost"];
    walk(&receivers[0], RECEIVER, &there, Long);
    assert_eq!(receivers[0]["eventRates"], serde_json::json!([]));
    assert_eq!(receivers[0]["isActive"], true);
}

#[test]
fn while_it_runs() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be\nor not\nto be\n");
    let batch = eventually("the batch is complete", || {
        let batches = streaming(&daemon, "batches?status=completed");
        let found = batches
            .as_array()
            .unwrap()
            .iter()
            .find(|batch| batch["inputSize"] == 3);
        found.cloned()
    });
    walk_application(&daemon);
    let delays = ["schedulingDelay", "processingTime", "totalDelay"];
    let time = &batch["batchId"];
    for batch in [&batch, &streaming(&daemon, &format!("batches/{time}"))] {
        walk(batch, BATCH, &delays, Long);
        assert_eq!(batch["batchTime"], *time);
        assert_eq!(
            (&batch["status"], &batch["batchDuration"]),
            (&"COMPLETED".into(), &100.into())
        );
        let [waited, worked, both] = delays.map(|delay| batch[delay].as_u64().unwrap());
        assert_eq!(waited + worked, both);
        assert_eq!(
            (&batch["numCompletedOutputOps"], &batch["numTotalOutputOps"]),
            (&2.into(), &2.into())
        );
    }
    let operations = streaming(&daemon, &format!("batches/{time}/operations"));
    for (id, operation) in operations.as_array().unwrap().iter().enumerate() {
        walk(
            operation,
            OPERATION,
            &["startTime", "endTime", "duration"],
            Long,
        );
        let [start, end, duration] =
            ["startTime", "endTime", "duration"].map(|name| operation[name].as_u64().unwrap());
        assert_eq!(start + duration, end);
        assert_eq!(operation["outputOpId"], id);
        let same = streaming(&daemon, &format!("batches/{time}/operations/{id}"));
        assert_eq!(same, *operation);
    }

    let statistics = streaming(&daemon, "statistics");
    let averages = [
        "avgInputRate",
        "avgSchedulingDelay",
        "avgProcessingTime",
        "avgTotalDelay",
    ];
    walk(&statistics, STATISTICS, &averages, Long);
    assert_eq!(
        (
            &statistics["numProcessedRecords"],
            &statistics["numReceivedRecords"]
        ),
        (&3.into(), &3.into())
    );

    let receivers = streaming(&daemon, "receivers");
    let there = ["isActive", "executorId", "executorHost", "avgEventRate"];
    walk(&receivers[0], RECEIVER, &there, Long);
    walk(&streaming(&daemon, "receivers/0"), RECEIVER, &there, Long);
    let rates: Vec<(u64, f64)> =
        serde_json::from_value(receivers[0]["eventRates"].clone()).unwrap();
    assert!(rates.is_sorted_by_key(|(time, _)| *time), "{rates:?}");
    // Records a second: three in a batch of 100 ms.
    let rate = rates
        .iter()
        .find(|(batch, _)| time.as_u64() == Some(*batch))
        .unwrap()
        .1;
    assert!((rate - 30.0).abs() < 1e-9, "{rates:?}");
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len() as f64;
    let told = receivers[0]["avgEventRate"].as_f64().unwrap();
    assert!((told - mean).abs() < 1e-9, "{told}, not {mean}");

    asked_for(&daemon, time.as_u64().unwrap());
    daemon.stop();
}

/// Spark's parameters, and its way to write dates.
fn asked_for(daemon: &Daemon, time: u64) {
    let several = "batches?status=queued&status=processing&status=COMPLETED";
    let several = streaming(daemon, several);
    assert!(
        several
            .as_array()
            .unwrap()
            .iter()
            .any(|batch| batch["batchId"] == time)
    );
    let order: Vec<i64> = several
        .as_array()
        .unwrap()
        .iter()
        .map(|b| -b["batchId"].as_i64().unwrap())
        .collect();
    assert!(order.is_sorted(), "{several}");

    for (query, found) in [
        ("status=running", 1),
        ("status=completed", 0),
        ("status=completed&status=running", 1),
        ("minDate=2015-02-03T16:42:40.000GMT", 1),
        ("maxDate=2015-02-03", 0),
        ("minEndDate=2015-02-10&maxEndDate=3000-01-01", 1),
        ("limit=10", 1),
    ] {
        let applications = get(daemon, &format!("{APPLICATIONS}?{query}"));
        assert_eq!(applications.as_array().unwrap().len(), found, "{query}");
    }
    for query in ["status=lost", "minDate=soon", "limit=few"] {
        assert_eq!(
            daemon.get(&format!("{APPLICATIONS}?{query}")).status,
            400,
            "{query}"
        );
    }

    let attempt = &get(daemon, &format!("{APPLICATIONS}?dates=text"))[0]["attempts"][0];
    walk(attempt, ATTEMPT, &[], Text);
    assert_eq!(attempt["endTime"], "1969-12-31T23:59:59.999GMT");
    let batch = streaming(daemon, &format!("batches/{time}?dates=text"));
    walk(
        &batch,
        BATCH,
        &["schedulingDelay", "processingTime", "totalDelay"],
        Text,
    );
    let text = batch["batchTime"].as_str().unwrap();
    // As 2015-03-15T23:01:33.245GMT.
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "0000-00-00T00:00:00.000GMT");
    assert!(text.ends_with(&format!(".{:03}GMT", time % 1000)), "{text}");
    let refused = daemon.get(&format!("{STREAMING}/batches?dates=words"));
    assert_eq!(refused.status, 400);
}

#[test]
fn when_a_batch_fails() {
    let place = Place::new();
    let daemon = place.start(&[]);
    // A file where its folder should be.
    let _ = std::fs::rename(place.path("out"), place.path("moved"));
    std::fs::write(place.path("out"), "").unwrap();
    daemon.feed("to be\n");
    let batch = eventually("a batch fails", || {
        let batches = streaming(&daemon, "batches?status=failed");
        batches.as_array().unwrap().first().cloned()
    });
    walk(
        &batch,
        BATCH,
        &["schedulingDelay", "firstFailureReason"],
        Long,
    );
    assert_eq!(
        (&batch["status"], &batch["numFailedOutputOps"]),
        (&"FAILED".into(), &1.into())
    );
    let operations = streaming(&daemon, &format!("batches/{}/operations", batch["batchId"]));
    walk(
        &operations[1],
        OPERATION,
        &["startTime", "failureReason"],
        Long,
    );
    walk(
        &streaming(&daemon, "statistics"),
        STATISTICS,
        &["avgInputRate"],
        Long,
    );
}

#[test]
fn without_a_receiver() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text.replace("type = \"http\"", "type = \"files\"\npath = \"in\"");
    std::fs::write(place.path("p.toml"), text).unwrap();
    std::fs::create_dir(place.path("in")).unwrap();
    let daemon = place.start(&[]);
    eventually("a batch is complete", || {
        let batches = streaming(&daemon, "batches?status=completed");
        batches.as_array().unwrap().first().cloned()
    });
    let inputs = streaming(&daemon, "receivers");
    assert_eq!(inputs.as_array().unwrap().len(), 1);
    walk(&inputs[0], RECEIVER, &["avgEventRate"], Long);
    walk(
        &streaming(&daemon, "receivers/0"),
        RECEIVER,
        &["avgEventRate"],
        Long,
    );
    assert_eq!(
        (&inputs[0]["streamName"], &inputs[0]["avgEventRate"]),
        (&"lines".into(), &0.0.into())
    );
    let statistics = streaming(&daemon, "statistics");
    assert_eq!(
        (
            &statistics["numReceivers"],
            &statistics["numActiveReceivers"]
        ),
        (&0.into(), &0.into())
    );
    daemon.stop();
}

#[test]
fn when_a_receiver_fails() {
    let place = Place::new();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let socket = format!("type = \"socket\"\naddress = \"127.0.0.1:{port}\"");
    std::fs::write(
        place.path("p.toml"),
        text.replace("type = \"http\"", &socket),
    )
    .unwrap();
    let daemon = place.start(&[]);
    let receiver = eventually("the receiver has failed", || {
        let receiver = streaming(&daemon, "receivers/0");
        let has_rates = receiver.get("avgEventRate").is_some();
        (receiver.get("lastError").is_some() && has_rates).then_some(receiver)
    });
    let there = [
        "isActive",
        "executorId",
        "executorHost",
        "lastErrorTime",
        "lastErrorMessage",
        "lastError",
        "avgEventRate",
    ];
    walk(&receiver, RECEIVER, &there, Long);
    let statistics = streaming(&daemon, "statistics");
    let [all, active, inactive] = ["numReceivers", "numActiveReceivers", "numInactiveReceivers"]
        .map(|name| statistics[name].as_u64().unwrap());
    assert_eq!((all, active + inactive), (1, 1));
    daemon.stop();
}
