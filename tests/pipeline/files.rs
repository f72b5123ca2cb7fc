//! Files that sinks write: compressed, and of objects.

use tempfile::TempDir;

use crate::support::{clock_at, run_to};
use crate::{SPLIT, START, context, location, out, parse, program};

#[test]
fn text_files_are_compressed_when_asked() {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let pipeline = program(&[&["to be", "or not"]], &out(""), folder.path());
    let pipeline = parse(&format!("{}codec = \"gzip\"\n", pipeline.text));
    let context = context(&location(), &clock, &pipeline);
    context.start().unwrap();
    run_to(&context, &clock, START + 1);
    context.stop(true).unwrap();
    let batch = folder.path().join(format!("out-{}000", START + 1));
    let mut lines = String::new();
    let mut parts: Vec<_> = std::fs::read_dir(batch)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    parts.sort();
    for part in parts {
        let file = std::fs::File::open(part).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut lines).unwrap();
    }
    assert_eq!(lines, "to be\nor not\n");
}

#[test]
fn object_files_hold_records_as_they_are() {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let counts = out(&format!("{SPLIT}, {{ op = \"count_by_value\" }}"));
    let pipeline = program(&[&["to be", "or not to be"]], &counts, folder.path());
    let text = pipeline.text.replace("\"text_files\"", "\"object_files\"");
    let pipeline = parse(&format!("{text}codec = \"gzip\"\n"));
    let context = context(&location(), &clock, &pipeline);
    context.start().unwrap();
    run_to(&context, &clock, START + 1);
    let counts = context.object_file::<(String, i64)>(folder.path()).unwrap();
    let mut counts = counts.collect().unwrap();
    counts.sort();
    let expected = [("be", 2), ("not", 1), ("or", 1), ("to", 2)];
    assert_eq!(
        counts,
        expected.map(|(word, count)| (word.to_owned(), count))
    );
    context.stop(true).unwrap();
}
