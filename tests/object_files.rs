//! Object files as an output and as a source: what a program wrote another reads, each batch once.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use support::{builder, clock_at, run_to};
use tidemill::StreamingContext;
use tidemill::codec::Codec;
use tidemill::rdd::Executor;
use tidemill::sink::ObjectFiles;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Visit {
    page: String,
    seconds: Option<f64>,
}

fn visit(page: &str, seconds: Option<f64>) -> Visit {
    Visit {
        page: page.to_owned(),
        seconds,
    }
}

/// A location of one's own.
fn location() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "memory:object-files-{}",
        NEXT.fetch_add(1, Ordering::SeqCst)
    )
}

/// Writes a batch of visits at each second from 101 on.
fn write(folder: &Path, codec: Option<Codec>, batches: &[Vec<Visit>]) {
    let clock = clock_at(100);
    let context = builder(&location(), &clock).build().unwrap();
    let (visits, queue) = context.queue_stream::<Visit>();
    let prefix = folder.join("visits").display().to_string();
    match codec {
        None => visits.save_as_object_files(&prefix, None),
        Some(codec) => {
            visits.sink(ObjectFiles::open(&prefix, None).unwrap().codec(codec));
        }
    }
    batches.iter().for_each(|batch| {
        queue.push_vec(batch.clone());
    });
    context.start().unwrap();
    (1..=batches.len() as u64).for_each(|second| run_to(&context, &clock, 100 + second));
    context.stop(true).unwrap();
}

fn any_context() -> StreamingContext {
    builder(&location(), &clock_at(0)).build().unwrap()
}

#[test]
fn what_was_written_is_a_dataset_again() {
    for codec in [None, Some(Codec::Gzip)] {
        let folder = tempfile::tempdir().unwrap();
        let batches = [
            vec![visit("/", Some(1.5)), visit("/grüße", None)],
            Vec::new(),
            vec![visit("two\nlines", Some(-0.0))],
        ];
        write(folder.path(), codec, &batches);
        let context = any_context();
        // All batches, one, and one part of it.
        let all = context.object_file::<Visit>(folder.path()).unwrap();
        assert_eq!(all.collect().unwrap(), batches.concat());
        let first = folder.path().join("visits-101000");
        let one = context.object_file::<Visit>(&first).unwrap();
        assert_eq!(one.collect().unwrap(), batches[0]);
        let part = first.join(match codec {
            None => "part-00000",
            Some(_) => "part-00000.gz",
        });
        let part = context.object_file::<Visit>(part).unwrap();
        assert_eq!(part.collect().unwrap(), batches[0]);
    }
}

#[test]
fn another_program_reads_each_batch_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock_at(200);
    let (results, read) = mpsc::channel();
    let url = location();
    let start = || {
        let context = builder(&url, &clock).build().unwrap();
        let visits = context.object_file_stream::<Visit>(folder.path());
        let results = results.clone();
        visits.for_each_rdd(move |rdd, _| results.send(rdd.collect().unwrap()).unwrap());
        context.start().unwrap();
        context
    };
    let mut expected = Vec::new();
    let mut found = Vec::new();
    for round in 0..3u64 {
        let context = start();
        let batch = vec![visit("/", Some(round as f64)), visit("/a", None)];
        let own = folder.path().join(format!("round {round}"));
        std::fs::create_dir(&own).unwrap();
        write(&own, None, std::slice::from_ref(&batch));
        let (from, to) = (own.join("visits-101000"), format!("visits-{round}"));
        std::fs::rename(from, folder.path().join(to)).unwrap();
        expected.extend(batch);
        for second in 1..=2 {
            run_to(&context, &clock, 200 + 2 * round + second);
        }
        context.stop(round % 2 == 0).unwrap();
        found.extend(read.try_iter().flatten());
    }
    assert_eq!(found, expected);
}

#[test]
fn what_cant_be_read_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let context = any_context();
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let rdd = context.object_file::<Visit>(&path).unwrap();
        let error = rdd.collect().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    };
    assert!(read("a", b"to be or not to be").contains("no object file"));
    write(folder.path(), None, &[vec![visit("/", None)]]);
    let whole = std::fs::read(folder.path().join("visits-101000/part-00000")).unwrap();
    assert!(read("cut", &whole[..whole.len() - 1]).contains("ends in the middle"));
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    assert!(read("flipped", &flipped).contains("frame at offset 16 is damaged"));
    let other = context.object_file::<u64>(folder.path().join("visits-101000"));
    let error = other.unwrap().collect().unwrap_err().to_string();
    assert!(error.contains("as `u64`"), "{error}");
}

/// Text is written as it lies in its block, and read into blocks again.
#[test]
fn text_is_an_element_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let executor = Executor::new(1, 1).unwrap();
    let lines = tidemill::rdd::Rdd::<str>::in_memory(
        vec![{
            let mut buffer = tidemill::rdd::TextBuffer::default();
            tidemill::rdd::Buffer::<str>::push(&mut buffer, "to be");
            buffer
        }],
        &executor,
    );
    let files =
        ObjectFiles::open(&folder.path().join("lines").display().to_string(), None).unwrap();
    let identity = tidemill::sink::BatchIdentity {
        application: "test".to_owned(),
        output: tidemill::OperatorUid::new("lines"),
        time: tidemill::Time::from_millis(1000),
    };
    tidemill::sink::Sink::<str>::commit(&files, &identity, &lines).unwrap();
    let read = any_context().object_file::<str>(folder.path()).unwrap();
    assert_eq!(read.collect().unwrap(), ["to be"]);
}
