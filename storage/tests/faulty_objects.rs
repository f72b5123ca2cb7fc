//! Objects that fail as planned do what the plan says, and nothing else.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{
    ErrorKind, FaultyObjects, Gate, ObjectFault, Objects, PutOutcome, RemoteObjects, RequestKind,
};

fn faulty() -> (Arc<dyn Objects>, FaultyObjects) {
    let inner: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
    let faulty = FaultyObjects::counting(Arc::clone(&inner));
    (inner, faulty)
}

const A: Bytes = Bytes::from_static(b"aaaa");

#[test]
fn a_failure_comes_before_or_after_the_deed() {
    let (inner, faulty) = faulty();
    faulty.set_plan(|_| ObjectFault::FailBefore(ErrorKind::Unavailable));
    let error = faulty.put("a", A).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("request 0"), "{error}");
    assert_eq!(inner.get("a").unwrap(), None);

    faulty.set_plan(|_| ObjectFault::FailAfter(ErrorKind::Io));
    faulty.put_new("a", A).unwrap_err();
    assert_eq!(inner.get("a").unwrap(), Some(A));
    faulty.delete("a").unwrap_err();
    assert_eq!(inner.get("a").unwrap(), None);

    faulty.set_plan(|_| ObjectFault::ConflictAfter);
    assert_eq!(faulty.put_new("b", A).unwrap(), PutOutcome::Conflict);
    assert_eq!(inner.get("b").unwrap(), Some(A));
    faulty.put("c", A).unwrap();
}

#[test]
fn a_plan_sees_each_request_and_they_are_counted() {
    let (_, faulty) = faulty();
    faulty.set_plan(|request| match (request.kind, request.number) {
        (RequestKind::PutNew, 1) => {
            assert_eq!((request.name.as_str(), request.bytes), ("b", 4));
            ObjectFault::FailBefore(ErrorKind::Full)
        }
        _ => ObjectFault::None,
    });
    faulty.put("a", A).unwrap();
    assert!(faulty.put_new("b", A).unwrap_err().is_full());
    let (_, version) = faulty.get_versioned("a").unwrap().unwrap();
    faulty.put_if("a", A, &version).unwrap();
    assert!(
        faulty
            .get_many(&["a".into(), "b".into()])
            .iter()
            .all(Result::is_ok)
    );
    faulty.get_range("a", 1, 2).unwrap();
    faulty.list("").unwrap();
    let counts: Vec<_> = faulty.requests().into_iter().collect();
    assert_eq!(
        counts,
        [
            (RequestKind::Put, 1),
            (RequestKind::PutNew, 1),
            (RequestKind::PutIf, 1),
            (RequestKind::Get, 2),
            (RequestKind::GetRange, 1),
            (RequestKind::GetVersioned, 1),
            (RequestKind::List, 1),
        ]
    );
}

#[test]
fn what_is_read_and_listed_can_be_damaged() {
    let (inner, faulty) = faulty();
    for name in ["x/a", "x/b", "x/c"] {
        faulty.put(name, A).unwrap();
    }
    let names = |objects: &FaultyObjects| -> Vec<String> {
        let listed = objects.list("x").unwrap();
        listed.into_iter().map(|(name, _)| name).collect()
    };
    faulty.set_plan(|_| ObjectFault::ListStale(2));
    assert_eq!(names(&faulty), ["x/a"]);
    faulty.put("x/a", A).unwrap();
    assert_eq!(names(&faulty), ["x/b"], "written again is new again");
    faulty.set_plan(|_| ObjectFault::ListWithout("x/b".into()));
    assert_eq!(names(&faulty), ["x/a", "x/c"]);
    faulty.set_plan(|_| ObjectFault::ShortRead(3));
    assert_eq!(faulty.get("x/a").unwrap().unwrap(), "aaa");
    faulty.set_plan(|_| ObjectFault::FlipBit(1));
    assert_eq!(faulty.get_versioned("x/a").unwrap().unwrap().0, "a`aa");
    assert_eq!(faulty.get_range("x/a", 0, 2).unwrap().unwrap(), "a`");
    assert_eq!(
        inner.get("x/a").unwrap(),
        Some(A),
        "only the answer is damaged"
    );
}

#[test]
fn a_request_stalls_until_its_gate_opens() {
    for after in [false, true] {
        let (inner, faulty) = faulty();
        let gate = Gate::default();
        let planned = gate.clone();
        faulty.set_plan(move |_| match after {
            false => ObjectFault::StallBefore(planned.clone()),
            true => ObjectFault::StallAfter(planned.clone()),
        });
        let writer = std::thread::spawn(move || faulty.put_new("a", A));
        gate.await_arrival();
        assert_eq!(inner.get("a").unwrap().is_some(), after);
        assert!(!writer.is_finished());
        gate.open();
        assert_eq!(writer.join().unwrap().unwrap(), PutOutcome::Written);
        assert_eq!(inner.get("a").unwrap(), Some(A));
    }
}
