//! The checks are checked: each kind of violation, made by hand, is found.

use std::path::Path;

use super::http::Answer;
use super::output::Outputs;
use super::place::OutputPlace;
use super::records::{Ledger, Record};
use super::rules;
use super::workload::Pipeline;

const RUN: u64 = 5;

/// A ledger of one client: records 0 to 3 acknowledged, 4 in doubt, 5 refused.
fn ledger() -> Ledger {
    let ledger = Ledger::new(RUN);
    ledger.add_clients(1);
    let answer = |status, body: &str| Answer {
        status,
        body: body.to_owned(),
        keeps_alive: true,
    };
    let (numbers, _) = ledger.send(0, 4);
    ledger.settle(0, numbers, &answer(200, r#"{"records":4}"#));
    ledger.send(0, 1);
    let (numbers, _) = ledger.send(0, 1);
    ledger.settle(0, numbers, &answer(429, ""));
    ledger
}

/// Writes a whole folder that counts these records' words, plus `more` lines.
fn write(folder: &Path, time: u64, numbers: &[u32], more: &str) {
    let folder = folder.join(format!("counts-{time}.txt"));
    std::fs::create_dir(&folder).unwrap();
    let records = numbers.iter().map(|&number| Record { client: 0, number });
    let mut text: String = records
        .clone()
        .map(|record| format!("({},1)\n", record.word(RUN)))
        .collect();
    for (word, count) in super::records::count_common(records) {
        text.push_str(&format!("({word},{count})\n"));
    }
    std::fs::write(folder.join("part-00000"), text + more).unwrap();
    std::fs::write(folder.join("_SUCCESS"), "").unwrap();
}

/// What is said of these folders; each is a time and the records that it counts.
fn verdict(pipeline: Pipeline, folders: &[(u64, &[u32])]) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    for (time, numbers) in folders {
        write(root.path(), *time, numbers, "");
    }
    let mut outputs = Outputs::new(OutputPlace::Folder(root.path().to_owned()), RUN);
    outputs.check_final()?;
    rules::check(pipeline, &outputs, &ledger())
}

fn expect(wanted: &str, found: Result<(), String>) {
    let found = found.expect_err(wanted);
    assert!(found.contains(wanted), "{wanted}: {found}");
}

#[test]
fn every_record_is_in_one_batch() {
    let check = |folders: &[(u64, &[u32])]| verdict(Pipeline::WordCount, folders);
    assert_eq!(check(&[(200, &[0, 1]), (600, &[2, 3])]), Ok(()));
    assert_eq!(check(&[(200, &[0, 1]), (600, &[2, 3, 4])]), Ok(()));
    expect(
        "1 acknowledged records are lost",
        check(&[(200, &[0, 1, 2])]),
    );
    expect(
        "is in [200, 400]",
        check(&[(200, &[0, 1, 2, 3]), (400, &[3])]),
    );
    expect("was refused", check(&[(200, &[0, 1, 2, 3, 5])]));
    expect("was never sent", check(&[(200, &[0, 1, 2, 3, 6])]));
    expect("no multiple", check(&[(201, &[0, 1, 2, 3])]));
}

#[test]
fn totals_never_shrink_and_end_whole() {
    let check = |folders: &[(u64, &[u32])]| verdict(Pipeline::Stateful, folders);
    assert_eq!(check(&[(200, &[0, 1]), (400, &[0, 1, 2, 3])]), Ok(()));
    expect("lost", check(&[(200, &[0, 1]), (400, &[0, 1, 3])]));
    expect(
        "not in those at 400",
        check(&[(200, &[0, 4]), (400, &[0, 1, 2, 3])]),
    );
}

#[test]
fn every_record_is_in_consecutive_windows() {
    let check = |folders: &[(u64, &[u32])]| verdict(Pipeline::Windowed, folders);
    let all = &[0, 1, 2, 3];
    assert_eq!(check(&[(300, &[0, 1]), (600, all), (900, &[2, 3])]), Ok(()));
    expect(
        "belongs in 2",
        check(&[(300, all), (600, all), (900, &[3])]),
    );
    expect("belongs in 2", check(&[(300, all), (900, all)]));
    expect("belongs in 2", check(&[(300, all), (600, &[0, 1, 2])]));
    expect("out of step", check(&[(300, all), (450, all)]));
}

#[test]
fn folders_are_whole_and_stay_as_they_are() {
    let counts = |more: &str| {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), 200, &[0, 1, 2, 3], more);
        let mut outputs = Outputs::new(OutputPlace::Folder(root.path().to_owned()), RUN);
        outputs.check_final()?;
        rules::check(Pipeline::WordCount, &outputs, &ledger())
    };
    assert_eq!(counts(""), Ok(()));
    expect("is there twice", counts("(the,4)\n"));
    expect("its records have", counts("(strange,1)\n"));
    expect("cut off", counts("(gate,"));

    let root = tempfile::tempdir().unwrap();
    let mut outputs = Outputs::new(OutputPlace::Folder(root.path().to_owned()), RUN);
    write(root.path(), 200, &[0], "");
    outputs.check_final().unwrap();
    let folder = root.path().join("counts-200.txt");
    std::fs::write(folder.join("part-00000"), "").unwrap();
    expect("has changed", outputs.check_final());
    std::fs::remove_dir_all(folder).unwrap();
    expect("taken away", outputs.check_final());
    write(root.path(), 400, &[1], "");
    std::fs::remove_file(root.path().join("counts-400.txt/_SUCCESS")).unwrap();
    expect("isn't whole", outputs.check_final());

    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(".counts-600.txt.tmp")).unwrap();
    let mut outputs = Outputs::new(OutputPlace::Folder(root.path().to_owned()), RUN);
    assert_eq!(outputs.refresh(), Ok(()));
    expect("left over", outputs.check_final());
}
