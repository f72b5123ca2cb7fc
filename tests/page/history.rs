//! The figures of late batches outlive the process.

use serde_json::Value;

use crate::cli_support::{Daemon, Place, eventually};

fn streaming(daemon: &Daemon, path: &str) -> Value {
    let answer = daemon.get(&format!("/api/v1/applications/wordcount/streaming/{path}"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

fn completed(daemon: &Daemon) -> Vec<Value> {
    let batches = streaming(daemon, "batches?status=completed");
    batches.as_array().unwrap().clone()
}

fn find(batches: &[Value], time: &Value) -> Option<Value> {
    batches
        .iter()
        .find(|batch| batch["batchTime"] == *time)
        .cloned()
}

#[test]
fn figures_survive_a_crash_as_far_as_the_newest_checkpoint_knows() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be\nor not\n");
    let fed = eventually("the batch is complete", || {
        completed(&daemon)
            .into_iter()
            .find(|batch| batch["inputSize"] == 2)
    });
    let operations = streaming(&daemon, &format!("batches/{}/operations", fed["batchTime"]));
    assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    let before = completed(&daemon);
    let cut = daemon.get("/api/v1/checkpoint").json()["time"].clone();
    daemon.signal("KILL");
    drop(daemon);

    let daemon = place.start(&[]);
    let after = completed(&daemon);
    assert_eq!(find(&after, &fed["batchTime"]).as_ref(), Some(&fed));
    let again = streaming(&daemon, &format!("batches/{}/operations", fed["batchTime"]));
    assert_eq!(again, operations);
    // Every batch that the checkpoint contains, the one that it was cut behind included.
    for batch in before
        .iter()
        .filter(|batch| batch["batchTime"].as_u64() <= cut.as_u64())
    {
        let held = find(&after, &batch["batchTime"]);
        assert!(held.is_some(), "{batch} isn't there after the crash");
    }
    let known = |batches: &[Value]| batches.iter().filter(|b| b["batchTime"] == cut).count();
    assert_eq!(known(&after), 1);
    // What is said of this run is of this run.
    let statistics = streaming(&daemon, "statistics");
    assert_eq!(statistics["numProcessedRecords"], 0);
    assert!(
        statistics["numRetainedCompletedBatches"].as_u64()
            > statistics["numTotalCompletedBatches"].as_u64()
    );
    daemon.stop();
}

#[test]
fn as_many_are_kept_as_are_wanted() {
    let place = Place::new();
    let only_five = ["--set", "admin.retained_batches=5"];
    let daemon = place.start(&only_five);
    eventually("seven batches are complete", || {
        let total = streaming(&daemon, "statistics")["numTotalCompletedBatches"].as_u64();
        (total >= Some(7)).then_some(())
    });
    assert_eq!(completed(&daemon).len(), 5);
    daemon.stop();
    let daemon = place.start(&["--set", "admin.retained_batches=2"]);
    assert_eq!(completed(&daemon).len(), 2);
    daemon.stop();
    let wrong = place.run(&["check", "p.toml", "--set", "admin.retained_batches=0"]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = crate::cli_support::stderr(&wrong);
    assert!(told.contains("admin.retained_batches"), "{told}");
}
