//! Files that sinks write: compressed, and of objects.

use tempfile::TempDir;
use tidemill_config::Pipeline;

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

/// What the parts of a batch hold, one behind the other.
fn parts_of(batch: &std::path::Path) -> Vec<u8> {
    let parts = std::fs::read_dir(batch).unwrap();
    let mut parts: Vec<_> = parts
        .map(|part| part.unwrap().path())
        .filter(|path| !path.ends_with("_SUCCESS"))
        .collect();
    parts.sort();
    parts
        .iter()
        .flat_map(|part| std::fs::read(part).unwrap())
        .collect()
}

#[test]
fn other_programs_read_counts_and_lines() {
    let counts = out(&format!("{SPLIT}, {{ op = \"count_by_value\" }}"));
    for (streams, format, expected) in [
        (
            &counts,
            "json_files",
            r#"{"key":"be","value":2}
{"key":"not","value":1}
{"key":"or","value":1}
{"key":"to","value":2}"#,
        ),
        (&counts, "csv_files", "be,2\nkey,value\nnot,1\nor,1\nto,2"),
        (
            &out(""),
            "json_files",
            "{\"value\":\"or not to be\"}\n{\"value\":\"to be\"}",
        ),
        (&out(""), "csv_files", "or not to be\nto be\nvalue"),
    ] {
        let folder = TempDir::new().unwrap();
        let clock = clock_at(START);
        let pipeline = program(&[&["to be", "or not to be"]], streams, folder.path());
        let pipeline = parse(&pipeline.text.replace("text_files", format));
        let context = context(&location(), &clock, &pipeline);
        context.start().unwrap();
        run_to(&context, &clock, START + 1);
        context.stop(true).unwrap();
        let batch = folder.path().join(format!("out-{}000", START + 1));
        let text = String::from_utf8(parts_of(&batch)).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.join("\n"), expected, "{format}");
    }
}

#[test]
fn sequence_files_hold_pairs_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let counts = out(&format!("{SPLIT}, {{ op = \"count_by_value\" }}"));
    let pipeline = program(&[&["to be"]], &counts, folder.path());
    let pipeline = parse(&pipeline.text.replace("text_files", "sequence_files"));
    let context = context(&location(), &clock, &pipeline);
    context.start().unwrap();
    run_to(&context, &clock, START + 1);
    context.stop(true).unwrap();
    let bytes = parts_of(&folder.path().join(format!("out-{}000", START + 1)));
    let header = b"SEQ\x06\x19org.apache.hadoop.io.Text!org.apache.hadoop.io.LongWritable\0\0";
    assert!(bytes.starts_with(header), "{}", bytes.escape_ascii());
    for record in [
        &b"\x02be\0\0\0\0\0\0\0\x01"[..],
        b"\x02to\0\0\0\0\0\0\0\x01",
    ] {
        let is_there = bytes.windows(record.len()).any(|bytes| bytes == record);
        assert!(is_there, "{}", bytes.escape_ascii());
    }
    let lines = program(&[&["to be"]], &out(""), folder.path());
    let lines = lines.text.replace("text_files", "sequence_files");
    let error = Pipeline::parse("p.toml", &lines, &[], std::iter::empty());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("sequence files hold pairs"), "{error}");
}
