//! Spark's gauges, where its users look for them.

use serde_json::Value;

use crate::cli_support::{Place, eventually};

const PREFIX: &str = "wordcount.driver.wordcount.StreamingMetrics.streaming.";

/// All that Spark's StreamingSource registers.
const NAMES: [&str; 18] = [
    "receivers",
    "totalCompletedBatches",
    "totalReceivedRecords",
    "totalProcessedRecords",
    "unprocessedBatches",
    "waitingBatches",
    "runningBatches",
    "retainedCompletedBatches",
    "lastCompletedBatch_submissionTime",
    "lastCompletedBatch_processingStartTime",
    "lastCompletedBatch_processingEndTime",
    "lastCompletedBatch_processingDelay",
    "lastCompletedBatch_schedulingDelay",
    "lastCompletedBatch_totalDelay",
    "lastReceivedBatch_submissionTime",
    "lastReceivedBatch_processingStartTime",
    "lastReceivedBatch_processingEndTime",
    "lastReceivedBatch_records",
];

fn gauge(gauges: &Value, name: &str) -> i64 {
    let value = gauges["gauges"][format!("{PREFIX}{name}")]["value"].as_i64();
    value.unwrap_or_else(|| panic!("{name} isn't in {gauges:#}"))
}

#[test]
fn sparks_gauges_are_where_spark_has_them() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be\nor not\n");
    let gauges = eventually("the records are processed", || {
        let gauges = daemon.get("/metrics/json").json();
        (gauge(&gauges, "totalProcessedRecords") == 2).then_some(gauges)
    });
    assert_eq!(gauges["gauges"].as_object().unwrap().len(), NAMES.len());
    for empty in ["counters", "histograms", "meters", "timers"] {
        assert!(gauges[empty].as_object().unwrap().is_empty(), "{empty}");
    }
    let value = |name| gauge(&gauges, name);
    assert_eq!((value("receivers"), value("totalReceivedRecords")), (1, 2));
    assert!(value("totalCompletedBatches") > 0);
    assert_eq!(
        value("totalCompletedBatches"),
        value("retainedCompletedBatches")
    );
    assert_eq!(
        value("unprocessedBatches"),
        value("waitingBatches") + value("runningBatches")
    );
    let delay = value("lastCompletedBatch_processingDelay");
    let times = [
        "lastCompletedBatch_processingStartTime",
        "lastCompletedBatch_processingEndTime",
    ];
    assert_eq!(value(times[1]) - value(times[0]), delay);
    assert_eq!(
        value("lastCompletedBatch_totalDelay"),
        delay + value("lastCompletedBatch_schedulingDelay")
    );
    assert!(
        value("lastReceivedBatch_submissionTime") >= value("lastCompletedBatch_submissionTime")
    );

    let text = daemon.get("/metrics/prometheus").body;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 * NAMES.len());
    for name in NAMES {
        for of in ["Number", "Value"] {
            let start = format!(
                "metrics_wordcount_driver_wordcount_StreamingMetrics_streaming_{name}_{of}{{type=\"gauges\"}} "
            );
            let line = lines.iter().find_map(|line| line.strip_prefix(&start));
            let value = line.unwrap_or_else(|| panic!("{start} isn't in\n{text}"));
            value.parse::<i64>().unwrap();
        }
    }
    daemon.stop();
}

/// Spark had the times of the last completed batch there: while a batch runs, it isn't the same.
#[test]
fn the_last_received_batch_is_the_newest_not_the_last_completed() {
    let place = Place::new();
    // The sink can't write: no batch with data completes.
    std::fs::write(place.path("out"), "in the way").unwrap();
    let pipeline = std::fs::read_to_string(place.path("p.toml")).unwrap();
    assert!(pipeline.contains("prefix = \"out/counts\""));
    let daemon = place.start(&["--set", "sinks.files.prefix=later/counts"]);
    eventually("a batch is complete", || {
        let gauges = daemon.get("/metrics/json").json();
        (gauge(&gauges, "totalCompletedBatches") > 0).then_some(())
    });
    std::fs::remove_dir_all(place.path("later")).unwrap();
    std::fs::write(place.path("later"), "in the way").unwrap();
    daemon.feed("a line\n");
    let gauges = eventually("a batch waits", || {
        let gauges = daemon.get("/metrics/json").json();
        (gauge(&gauges, "waitingBatches") > 0 && gauge(&gauges, "runningBatches") > 0)
            .then_some(gauges)
    });
    let value = |name| gauge(&gauges, name);
    assert!(value("lastReceivedBatch_submissionTime") > value("lastCompletedBatch_submissionTime"));
    assert_eq!(value("lastReceivedBatch_processingStartTime"), -1);
    assert_eq!(value("lastReceivedBatch_processingEndTime"), -1);
    assert!(value("lastCompletedBatch_processingEndTime") > 0);
}
