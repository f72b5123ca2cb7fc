//! Plans and positions of direct sources, which come back from logs and checkpoints.

use tidemill::Time;
use tidemill::rdd::Executor;
use tidemill::source::{
    DirectSource, FileSource, FileSourceOptions, QueueSource, RateOptions, RateSource,
};

use crate::run::{Target, as_it_is, outcome};

/// Restores and accepts anything; what it then stands at can be restored again.
fn hold(source: &impl DirectSource<str>, executor: &Executor, case: &[u8]) -> String {
    let restored = source.restore(case);
    let accepted = source.accept(case);
    let position = source.position();
    assert!(!position.is_empty());
    source.restore(&position).unwrap();
    assert_eq!(source.position(), position);
    let planned = source.plan(Time::from_millis(u64::MAX), None);
    if let Ok(Some(planned)) = &planned {
        source.accept(&planned.plan).unwrap();
    }
    // What is accepted can be read, or says why not.
    let read = source.rdd(case, executor);
    assert_eq!(read.is_ok(), accepted.is_ok());
    format!(
        "{} {} {}",
        outcome(&restored, "position"),
        outcome(&accepted, "plan"),
        planned.is_ok()
    )
}

#[test]
fn rate_source() {
    let source = || RateSource::new(RateOptions::default());
    let used = source();
    let at = |ms| Time::from_millis(ms);
    let planned = used.plan(at(2_000), Some(at(1_000))).unwrap().unwrap();
    used.accept(&planned.plan).unwrap();
    let target = Target {
        name: "rate_source",
        seeds: vec![planned.plan, used.position()],
        words: &["start", "next", "from", "to"],
        repair: as_it_is,
        cases: 10_000,
    };
    let executor = Executor::new(1, 1).unwrap();
    target.run(|case| hold(&source(), &executor, case));
}

#[test]
fn queue_source() {
    let queue = || {
        let (source, handle) = QueueSource::<str>::new();
        handle.push_vec(vec!["one".to_owned()]);
        handle.push_vec(vec!["two".to_owned()]);
        source
    };
    let used = queue();
    let planned = used.plan(Time::from_millis(1_000), None).unwrap().unwrap();
    used.accept(&planned.plan).unwrap();
    let target = Target {
        name: "queue_source",
        seeds: vec![planned.plan, used.position()],
        words: &["time", "next", "from", "to"],
        repair: as_it_is,
        cases: 10_000,
    };
    let executor = Executor::new(1, 1).unwrap();
    target.run(|case| hold(&queue(), &executor, case));
}

#[test]
fn file_source() {
    let folder = tempfile::tempdir().unwrap();
    let options = FileSourceOptions {
        new_files_only: false,
        ..FileSourceOptions::default()
    };
    let source = || FileSource::new(folder.path(), options.clone());
    std::fs::write(folder.path().join("a.txt"), "one\n").unwrap();
    std::fs::write(folder.path().join("b.txt"), "two\n").unwrap();
    let used = source();
    let planned = used.plan(Time::from_millis(1_000), None).unwrap().unwrap();
    used.accept(&planned.plan).unwrap();
    let target = Target {
        name: "file_source",
        seeds: vec![planned.plan, used.position()],
        words: &["files", "through", "name", "length", "gone", "time"],
        repair: as_it_is,
        cases: 5_000,
    };
    let executor = Executor::new(1, 1).unwrap();
    target.run(|case| hold(&source(), &executor, case));
}
