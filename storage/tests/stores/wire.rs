//! A faulty network before real servers: whatever happens to an answer, the outcome is right.

use std::time::Duration;

use bytes::Bytes;
use tidemill_storage::{ErrorKind, PutOutcome, RetryPolicy};

use crate::contract;
use crate::object_servers::{Bucket, Protocol, WireFault, WireRequest, bucket};
use crate::remote::{open, open_with, policy};

use WireFault::{
    Answer, AnswerAfter, CutAfter, Pass, ResetAfter, ResetBefore, Silence, SilenceAfter, SlowAnswer,
};

/// What can happen to a write and be over afterwards.
const PASSING: [WireFault; 16] = [
    ResetBefore,
    ResetAfter,
    CutAfter(0),
    CutAfter(20),
    Answer(408),
    Answer(409),
    Answer(412),
    Answer(429),
    Answer(500),
    Answer(503),
    AnswerAfter(409),
    AnswerAfter(412),
    AnswerAfter(500),
    AnswerAfter(503),
    AnswerAfter(504),
    SlowAnswer(Duration::from_millis(30)),
];

/// Each waits for an attempt to time out.
const SILENT: [WireFault; 2] = [Silence, SilenceAfter];

/// For silent servers: an attempt that takes longer counts as failed, which costs only another one.
fn impatient() -> RetryPolicy {
    RetryPolicy {
        attempt: Duration::from_millis(500),
        ..policy()
    }
}

const OURS: Bytes = Bytes::from_static(b"ours, and long enough to be cut off in the middle");
const THEIRS: Bytes = Bytes::from_static(b"theirs");

fn is_put(request: &WireRequest) -> bool {
    request.method == "PUT"
}

fn puts(bucket: &Bucket) -> usize {
    bucket
        .network
        .seen()
        .iter()
        .filter(|request| is_put(request))
        .count()
}

fn writes_survive(protocol: Protocol) {
    let bucket = bucket(protocol);
    let patient = open(&bucket);
    let url = format!("{}/root/of-all", bucket.url);
    let impatient = open_with(&bucket, &url, impatient());
    let network = &bucket.network;
    let cases = PASSING
        .into_iter()
        .map(|fault| (&patient, fault))
        .chain(SILENT.into_iter().map(|fault| (&impatient, fault)));
    for (n, (objects, fault)) in cases.enumerate() {
        // Once, and three times in a row; silence only once, because it takes its time.
        let rounds = if SILENT.contains(&fault) { 1 } else { 2 };
        let repeated = [vec![fault], vec![fault; 3]].into_iter().take(rounds);
        for (round, faults) in repeated.enumerate() {
            let case = format!("{protocol:?} {faults:?}");
            let name = format!("{n}-{round}");
            network.fail_first(&faults, is_put);
            let outcome = objects.put_new(&name, OURS).unwrap();
            assert_eq!(outcome, PutOutcome::Written, "put_new, {case}");
            assert_eq!(objects.get(&name).unwrap(), Some(OURS), "put_new, {case}");
            assert_eq!(
                objects.put_new(&name, THEIRS).unwrap(),
                PutOutcome::Conflict,
                "put_new, {case}"
            );

            let (_, version) = objects.get_versioned(&name).unwrap().unwrap();
            network.fail_first(&faults, is_put);
            let outcome = objects.put_if(&name, THEIRS, &version).unwrap();
            assert_eq!(outcome, PutOutcome::Written, "put_if, {case}");
            assert_eq!(objects.get(&name).unwrap(), Some(THEIRS), "put_if, {case}");
            assert_eq!(
                objects.put_if(&name, OURS, &version).unwrap(),
                PutOutcome::Conflict,
                "put_if, {case}"
            );

            network.fail_first(&faults, is_put);
            objects.put(&name, OURS).unwrap();
            assert_eq!(objects.get(&name).unwrap(), Some(OURS), "put, {case}");

            // Azure deletes by a POST.
            let deletes =
                |request: &WireRequest| matches!(request.method.as_str(), "DELETE" | "POST");
            network.fail_first(&faults, deletes);
            objects.delete(&name).unwrap();
            assert_eq!(objects.get(&name).unwrap(), None, "delete, {case}");
        }
    }
}

fn another_writer_is_never_overlooked(protocol: Protocol) {
    let bucket = bucket(protocol);
    let objects = open(&bucket);
    objects.put("taken", OURS).unwrap();
    let (_, version) = objects.get_versioned("taken").unwrap().unwrap();
    objects.put("taken", THEIRS).unwrap();
    for fault in PASSING {
        bucket.network.fail_first(&[fault], is_put);
        let before = puts(&bucket);
        let new = objects.put_new("taken", OURS).unwrap();
        assert_eq!(new, PutOutcome::Conflict, "{protocol:?} {fault:?}");
        assert_eq!(
            puts(&bucket) - before,
            1,
            "the bytes tell, nothing is tried again"
        );
        bucket.network.fail_first(&[fault], is_put);
        let replaced = objects.put_if("taken", OURS, &version).unwrap();
        assert_eq!(replaced, PutOutcome::Conflict, "{protocol:?} {fault:?}");
        assert_eq!(objects.get("taken").unwrap(), Some(THEIRS));
    }
    // Races in which every third request loses its answer.
    bucket.network.set_plan(|request| match request.number % 3 {
        0 => ResetAfter,
        _ => Pass,
    });
    contract::lets_one_creator_win(&objects);
    contract::lets_one_replacer_win(&objects);
}

/// Every fifth request meets one of the faults, in turn.
fn the_contract_holds_whatever_fails(protocol: Protocol) {
    let bucket = bucket(protocol);
    bucket.network.set_plan(|request| match request.number % 5 {
        0 => PASSING[request.number / 5 % PASSING.len()],
        _ => Pass,
    });
    contract::holds(open(&bucket), 100);
}

fn reads_survive(protocol: Protocol) {
    let bucket = bucket(protocol);
    let objects = open(&bucket);
    let network = &bucket.network;
    for n in 0..20 {
        objects.put(&format!("x/{n:02}"), OURS).unwrap();
    }
    // Servers send some hundred bytes of headers, then the body.
    let cuts = [0, 40, 200, 330, 420, 550].map(CutAfter);
    let faults = [
        ResetBefore,
        ResetAfter,
        Answer(429),
        Answer(500),
        Answer(503),
    ];
    for fault in faults.into_iter().chain(cuts) {
        for faults in [vec![fault], vec![fault; 3]] {
            let fail = || network.fail_first(&faults, |_| true);
            fail();
            assert_eq!(
                objects.get("x/03").unwrap(),
                Some(OURS),
                "{protocol:?} {fault:?}"
            );
            fail();
            assert_eq!(
                objects.get("absent").unwrap(),
                None,
                "{protocol:?} {fault:?}"
            );
            fail();
            assert_eq!(
                objects.get_range("x/03", 6, 3).unwrap().unwrap(),
                "and",
                "{protocol:?} {fault:?}"
            );
            fail();
            assert_eq!(
                objects.list("x").unwrap().len(),
                20,
                "{protocol:?} {fault:?}"
            );
            fail();
            let names: Vec<String> = (0..20).map(|n| format!("x/{n:02}")).collect();
            for found in objects.get_many(&names) {
                assert_eq!(found.unwrap(), Some(OURS), "{protocol:?} {fault:?}");
            }
        }
    }
    let url = format!("{}/root/of-all", bucket.url);
    let impatient = open_with(&bucket, &url, impatient());
    network.fail_first(&[Silence], |_| true);
    assert_eq!(impatient.get("x/03").unwrap(), Some(OURS));
    network.fail_first(&[Silence], WireRequest::lists);
    assert_eq!(impatient.list("x").unwrap().len(), 20);
}

fn what_cannot_succeed_fails_at_once(protocol: Protocol) {
    let bucket = bucket(protocol);
    let objects = open(&bucket);
    for (status, kind) in [
        (400, ErrorKind::Refused),
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
    ] {
        bucket.network.set_plan(move |_| Answer(status));
        let asked = |ask: &dyn Fn() -> tidemill_storage::Error| {
            let before = bucket.network.seen().len();
            let error = ask();
            assert_eq!(error.kind, kind, "{error}");
            assert_eq!(bucket.network.seen().len() - before, 1, "{error}");
            assert!(error.to_string().contains("check") || error.to_string().contains("must be"));
            error
        };
        let error = asked(&|| objects.put("a", OURS).unwrap_err());
        let named = format!("put {}/root/of-all/a: ", bucket.url);
        assert!(error.to_string().starts_with(&named), "{error}");
        asked(&|| objects.put_new("a", OURS).unwrap_err());
        asked(&|| objects.get("a").unwrap_err());
        asked(&|| objects.get_range("a", 1, 1).unwrap_err());
        asked(&|| objects.list("").unwrap_err());
        asked(&|| objects.delete("a").unwrap_err());
    }
    bucket.network.heal();

    let scheme = bucket.url.split("://").next().unwrap();
    let absent = open_with(&bucket, &format!("{scheme}://no-such-bucket/x"), policy());
    for error in [
        absent.put_new("a", OURS).unwrap_err(),
        absent.put("a", OURS).unwrap_err(),
        absent.get("a").unwrap_err(),
        absent.list("").unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("create it"), "{error}");
    }
}

fn a_store_that_stays_away_is_given_up(protocol: Protocol) {
    let bucket = bucket(protocol);
    let soon = |millis| RetryPolicy {
        give_up_after: Duration::from_millis(millis),
        ..policy()
    };
    let objects = open_with(&bucket, &bucket.url, soon(100));
    bucket.network.set_plan(|_| Answer(503));
    for error in [
        objects.put_new("a", OURS).unwrap_err(),
        objects.get("a").unwrap_err(),
        objects.list("").unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        let text = error.to_string();
        assert!(text.contains("tries") && text.contains("503"), "{error}");
    }
    assert!(bucket.network.seen().len() > 6, "it was tried again");
    // Nobody listens there.
    let gone = crate::object_servers::bucket(protocol);
    let objects = open_with(&gone, &gone.url, soon(50));
    drop(gone.network);
    let error = objects.get("a").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

fn a_range_is_one_request(protocol: Protocol) {
    let bucket = bucket(protocol);
    let objects = open(&bucket);
    objects.put("a", OURS).unwrap();
    for (name, offset, len) in [
        ("a", 0, 5),
        ("a", 40, 500),
        ("a", 4000, 5),
        ("a", 0, 0),
        ("no", 1, 1),
    ] {
        let before = bucket.network.seen().len();
        objects.get_range(name, offset, len).unwrap();
        let asked = bucket.network.seen().len() - before;
        assert_eq!(asked, 1, "{protocol:?} {name} {offset}+{len}");
    }
}

/// One test of each function for each protocol, so that a failure names both.
macro_rules! for_each_protocol {
    ($($name:ident)*) => {
        mod s3 { $(#[test] fn $name() { super::$name(super::Protocol::S3); })* }
        mod gcs { $(#[test] fn $name() { super::$name(super::Protocol::Gcs); })* }
        mod azure { $(#[test] fn $name() { super::$name(super::Protocol::Azure); })* }
    };
}

for_each_protocol! {
    writes_survive
    the_contract_holds_whatever_fails
    another_writer_is_never_overlooked
    reads_survive
    what_cannot_succeed_fails_at_once
    a_store_that_stays_away_is_given_up
    a_range_is_one_request
}

#[test]
fn a_listing_goes_on_where_a_page_failed() {
    let bucket = bucket(Protocol::Gcs);
    let objects = open(&bucket);
    for n in 0..2100 {
        objects.put(&format!("{n:05}"), Bytes::new()).unwrap();
    }
    let before = bucket.network.seen().len();
    bucket
        .network
        .fail_first(&[Pass, Pass, Answer(500), CutAfter(30)], |_| true);
    assert_eq!(objects.list("").unwrap().len(), 2100);
    let asked = bucket.network.seen().len() - before;
    assert_eq!(asked, 5, "three pages, and the last one twice again");
}
