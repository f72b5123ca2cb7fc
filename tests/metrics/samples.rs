//! What is counted, and what it says.

use crate::cli_support::eventually;
use crate::everything;
use crate::scrape::Scrape;

#[test]
fn what_is_refused_left_out_or_waits_is_told_for_each_source() {
    let (place, daemon) = everything();
    let refused = |reason: &str| {
        format!("tidemill_ingest_refused_total{{stream=\"lines\",reason=\"{reason}\"}}")
    };
    let before = Scrape::of(&daemon);
    assert_eq!(before.value(&refused("busy")), 0.0);
    assert_eq!(daemon.post("/ingest/nobody", "1\n").status, 404);
    assert_eq!(
        daemon.post("/ingest/lines", "1\nno number\n1\n").status,
        200
    );
    // A post is taken whole, and then the rate's debt has to be paid.
    daemon.feed(&"2\n".repeat(20_000));
    assert_eq!(daemon.post("/ingest/lines", "3\n").status, 429);
    for name in ["a", "b", "c"] {
        std::fs::write(place.path(&format!("in/.{name}")), "one\ntwo\n").unwrap();
        std::fs::rename(
            place.path(&format!("in/.{name}")),
            place.path(&format!("in/{name}")),
        )
        .unwrap();
    }
    let after = eventually("all is processed", || {
        let scrape = Scrape::of(&daemon);
        let is_done = scrape.value("tidemill_records_processed_total") == 20_003.0
            && scrape.get("tidemill_source_lag_records{stream=\"lines\"}") == Some(0.0)
            && scrape.get("tidemill_source_lag_files{stream=\"folder\"}") == Some(0.0);
        is_done.then_some(scrape)
    });
    assert_eq!(after.value(&refused("busy")), 1.0);
    assert_eq!(after.value("tidemill_ingest_unknown_source_total"), 1.0);
    let letters = "tidemill_dead_letters_total{operator=\"numbers.map\"}";
    assert_eq!(after.value(letters), 1.0);
    assert_eq!(
        after.value("tidemill_source_lag_seconds{stream=\"lines\"}"),
        0.0
    );
    assert_eq!(
        after.value("tidemill_loss_window_seconds{stream=\"lines\"}"),
        0.0
    );
    for (stream, level) in [("lines", "sync"), ("nowhere", "sync"), ("folder", "source")] {
        let declared = format!(
            "tidemill_loss_window_declared_info{{stream=\"{stream}\",durable_after=\"{level}\"}}"
        );
        assert_eq!(after.value(&declared), 1.0);
    }
    assert_eq!(
        after.value("tidemill_source_readable{stream=\"folder\"}"),
        1.0
    );
    std::fs::remove_dir_all(place.path("in")).unwrap();
    eventually("the folder is missed", || {
        let readable = "tidemill_source_readable{stream=\"folder\"}";
        (Scrape::of(&daemon).value(readable) == 0.0).then_some(())
    });
}

/// Twenty batches' worth of files, of which a batch takes one, can't all have been read at once.
#[test]
fn files_that_wait_are_told_with_their_bytes_and_their_age() {
    let (place, daemon) = everything();
    std::fs::create_dir(place.path("new")).unwrap();
    for n in 0..200 {
        std::fs::write(place.path(&format!("new/{n}")), "one\n").unwrap();
    }
    for n in 0..200 {
        let (from, to) = (
            place.path(&format!("new/{n}")),
            place.path(&format!("in/{n}")),
        );
        std::fs::rename(from, to).unwrap();
    }
    let waiting = eventually("files wait", || {
        let scrape = Scrape::of(&daemon);
        let files = scrape.get("tidemill_source_lag_files{stream=\"folder\"}")?;
        (files > 0.0).then_some((files, scrape))
    });
    let (files, scrape) = waiting;
    assert_eq!(
        scrape.value("tidemill_source_lag_bytes{stream=\"folder\"}"),
        files * 4.0
    );
    let age = scrape.value("tidemill_source_lag_seconds{stream=\"folder\"}");
    assert!(age > 0.0);
    assert!(scrape.value("tidemill_oldest_unprocessed_record_age_seconds") >= age);
}

#[test]
fn open_metrics_are_given_to_who_asks() {
    let (_place, daemon) = everything();
    let accept = ["Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3"];
    let open = daemon.request("GET", "/metrics", &accept, "");
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(open.head.contains(content_type), "{}", open.head);
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    // A family is named without the end of its samples' names.
    assert!(
        open.body
            .contains("\n# TYPE tidemill_batches_completed counter\n")
    );
    assert!(open.body.contains("\ntidemill_batches_completed_total "));
    let (plain, open) = (Scrape::of(&daemon), Scrape::parse(&open.body));
    let same = open.names().iter().all(|name| plain.names().contains(name));
    assert!(same, "{:?}", open.names());
}
