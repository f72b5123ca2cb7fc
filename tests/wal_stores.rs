//! Logs in buckets of real servers that speak S3's, Google's and Azure's protocols, with a faulty network in
//! between: each way in which a request can fail and be over, at one request after the other.

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

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_servers::{Bucket, Protocol, WireFault, bucket};
use tidemill_storage::{Objects, RemoteOptions, RetryPolicy, open_objects_with};
use tidemill_wal::{Error, LogKind, LogReader, Sequence, Wal, WalOptions};

/// What can happen to a request and be over afterwards.
const FAULTS: [WireFault; 8] = [
    WireFault::ResetBefore,
    WireFault::ResetAfter,
    WireFault::CutAfter(20),
    WireFault::Answer(409),
    WireFault::Answer(503),
    WireFault::AnswerAfter(412),
    WireFault::AnswerAfter(500),
    WireFault::SlowAnswer(Duration::from_millis(20)),
];

fn connect(bucket: &Bucket) -> (Arc<dyn Objects>, String) {
    let url = format!("{}/app/wal", bucket.url);
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
    let objects = open_objects_with(&url.parse().unwrap(), &options).unwrap();
    (objects, url)
}

/// Each opening has connections of its own, as another machine would.
fn open(bucket: &Bucket, epoch: u64) -> Wal {
    let (objects, url) = connect(bucket);
    let options = WalOptions {
        compact_segments: 4,
        ..WalOptions::new(LogKind(1), epoch)
    };
    Wal::open_objects(objects, "driver", &url, options)
        .unwrap()
        .0
}

fn append(wal: &Wal, text: &str) -> Result<(), Error> {
    let append = wal.append(1, vec![Bytes::copy_from_slice(text.as_bytes())]);
    append.wait().map(drop)
}

fn contents(wal: &Wal, from: u64) -> Vec<String> {
    let entries = wal.replay(Sequence(from)).unwrap();
    let texts = entries.map(|entry| entry.unwrap().payload.to_vec());
    texts.map(|text| String::from_utf8(text).unwrap()).collect()
}

/// Three owners, one after the other, each fencing the one before it.
fn changes_hands(bucket: &Bucket) {
    let mut all: Vec<String> = Vec::new();
    let mut oldest = 0;
    let mut before: Option<Wal> = None;
    for epoch in 1..=3 {
        let wal = open(bucket, epoch);
        assert_eq!(contents(&wal, oldest), all[oldest as usize..]);
        if let Some(before) = before.take() {
            let late = append(&before, "late").unwrap_err();
            assert!(
                matches!(late, Error::Fenced { found, .. } if found == epoch),
                "{late}"
            );
            assert!(before.truncate_before(Sequence(u64::MAX)).is_err());
        }
        for number in 0..6 {
            let text = format!("{epoch}/{number}");
            append(&wal, &text).unwrap();
            all.push(text);
        }
        let truncated = wal.truncate_before(Sequence(epoch * 3)).unwrap();
        oldest = truncated.oldest_sequence.0;
        before = Some(wal);
    }
    before.unwrap().close().unwrap();
    let (objects, url) = connect(bucket);
    let reader = LogReader::open_objects(objects, "driver", &url).unwrap();
    let report = reader.verify().unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.entries, all.len() as u64 - oldest);
}

fn holds(protocol: Protocol) {
    changes_hands(&bucket(protocol));
    for (number, fault) in FAULTS.into_iter().enumerate() {
        let bucket = bucket(protocol);
        // Another share of the requests for each fault, so that every kind of request meets some.
        bucket
            .network
            .set_plan(move |request| match request.number % 5 == number % 5 {
                true => fault,
                false => WireFault::Pass,
            });
        changes_hands(&bucket);
        let made = bucket.network.seen();
        println!("{protocol:?}, {fault:?}: {} requests", made.len());
        assert!(made.len() > 50);
    }
}

#[test]
fn a_log_holds_on_s3() {
    holds(Protocol::S3);
}

#[test]
fn a_log_holds_on_gcs() {
    holds(Protocol::Gcs);
}

#[test]
fn a_log_holds_on_azure() {
    holds(Protocol::Azure);
}

#[test]
fn a_store_that_never_answers_poisons_and_the_restart_recovers() {
    let bucket = bucket(Protocol::Gcs);
    let (_, url) = connect(&bucket);
    let options = RemoteOptions {
        retry: RetryPolicy {
            attempt: Duration::from_millis(200),
            give_up_after: Duration::from_millis(400),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(20),
            seed: 1,
        },
        variables: bucket.variables.clone(),
    };
    let objects = open_objects_with(&url.parse().unwrap(), &options).unwrap();
    let wal = Wal::open_objects(objects, "driver", &url, WalOptions::new(LogKind(1), 1));
    let (wal, _) = wal.unwrap();
    append(&wal, "acknowledged").unwrap();
    bucket.network.set_plan(|_| WireFault::SilenceAfter);
    let error = append(&wal, "unknown").unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
    assert!(
        error.to_string().contains("app/wal/driver/slot/"),
        "{error}"
    );
    bucket.network.heal();
    // It had arrived, and nobody was told.
    assert_eq!(contents(&open(&bucket, 2), 0), ["acknowledged", "unknown"]);
}
