//! The console, the sink that keeps nothing, and the example of a sink of one's own.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::rdd::BoxError;
use tidemill::sink::conformance::{Harness, Rule, check};
use tidemill::sink::{BatchIdentity, Console, Discard, Sink};
use tidemill::{OperatorUid, StreamingContext, Time};

use super::own_sink::JsonLines;
use super::{conforms, unusual_lines};

/// A screen that remembers everything.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Harness for Screen {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        Ok(Box::new(Console::to(1000, self.clone())))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let text = String::from_utf8(self.0.lock().unwrap().clone())?;
        let rule = "-".repeat(43);
        let head = format!("{rule}\nTime: {}\n{rule}\n", batch.time);
        // What follows each head with this time, up to the next head.
        let mut found = None;
        for part in text.split(head.as_str()).skip(1) {
            let part = part.split(rule.as_str()).next().unwrap_or_default();
            let lines = part.strip_suffix("\n").unwrap_or(part);
            let records: &mut Vec<String> = found.get_or_insert_default();
            records.extend(lines.split_terminator('\n').map(str::to_owned));
        }
        Ok(found)
    }

    fn unusual(&self) -> Vec<String> {
        unusual_lines()
    }
}

#[test]
fn the_console_loses_nothing() {
    conforms(&Screen::default(), &[Rule::Interrupted]);
}

/// A screen that fails so.
struct Gone(io::ErrorKind, Arc<Mutex<u64>>);

impl Write for Gone {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        *self.1.lock().unwrap() += 1;
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_console_that_nobody_reads_is_no_failure_and_a_full_disk_is() {
    let context = StreamingContext::builder("test", Duration::from_secs(1))
        .build()
        .unwrap();
    let lines = context.parallelize(vec!["a".to_owned()]);
    let batch = |seconds: u64| BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("screen"),
        time: Time::from_millis(seconds * 1000),
    };
    let tries = Arc::<Mutex<u64>>::default();
    let console = Console::to(10, Gone(io::ErrorKind::BrokenPipe, Arc::clone(&tries)));
    for second in 1..=3 {
        console.commit(&batch(second), &lines).unwrap();
    }
    assert_eq!(*tries.lock().unwrap(), 1);

    let console = Console::to(10, Gone(io::ErrorKind::StorageFull, Arc::clone(&tries)));
    for second in 1..=2 {
        let error = console.commit(&batch(second), &lines).unwrap_err();
        assert!(
            error.to_string().contains("can't print the batch at "),
            "{error}"
        );
    }
    assert_eq!(*tries.lock().unwrap(), 3);
}

struct Nothing;

impl Harness for Nothing {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        Ok(Box::new(Discard))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, _batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        Ok(None)
    }
}

/// It fails where the computation fails, which is what it is for; and there is nothing to be seen.
#[test]
fn discard_is_found_out() {
    let report = check(&Nothing);
    println!("{report}");
    let broken: Vec<Rule> = report.broken().collect();
    for rule in [Rule::Whole, Rule::Repeated, Rule::Durable, Rule::Unusual] {
        assert!(broken.contains(&rule), "{report}");
    }
    for rule in [Rule::Check, Rule::Empty] {
        assert!(!broken.contains(&rule), "{report}");
    }
    let failed = report
        .findings
        .iter()
        .find(|finding| finding.rule == Rule::FailedComputation);
    let verdict = format!("{:?}", failed.unwrap().verdict);
    assert!(verdict.contains("no batch is to be seen"), "{verdict}");
}

struct OwnSink(tempfile::TempDir);

impl Harness for OwnSink {
    type Record = (String, u64);

    fn open(&self) -> Result<Box<dyn Sink<(String, u64)>>, BoxError> {
        Ok(Box::new(JsonLines::new(self.0.path())))
    }

    fn record(&self, text: &str) -> (String, u64) {
        (text.to_owned(), text.len() as u64)
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let path = JsonLines::new(self.0.path()).path(batch.time);
        if !path.exists() {
            return Ok(None);
        }
        let mut records = Vec::new();
        for line in std::fs::read_to_string(path)?.lines() {
            let (word, count): (String, u64) = serde_json::from_str(line)?;
            assert_eq!(count, word.len() as u64);
            records.push(word);
        }
        Ok(Some(records))
    }
}

#[test]
fn the_example_of_a_sink_of_ones_own() {
    conforms(&OwnSink(tempfile::tempdir().unwrap()), &[Rule::Interrupted]);
}
