//! The pipeline `wide`: what lies beside its counts, and what must hold of it.
//!
//! Lines whose own word ends in 9 become dead letters. They are put back again and again, at last into a
//! program that understands them: so each line is counted once in the end, however often it was put back,
//! and whatever was killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidemill::dead_letters::DeadLetter;

use super::daemon::PATIENCE;
use super::http::{Answer, Connection};
use super::output::{Counts, Outputs};
use super::place::OutputPlace;
use super::records::{Fate, Ledger, Record};
use super::savepoints::Gone;
use super::workload::Places;

/// Milliseconds from batch to batch, as `wide.toml` has it.
pub const INTERVAL_MS: u64 = 200;

/// The pipeline's file.
pub const TEXT: &str = include_str!("wide.toml");

/// Its times, in milliseconds: always as many batches as in the file.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    interval: u64,
    window: u64,
    slide: u64,
    timeout: u64,
}

impl Times {
    /// In these places.
    pub fn of(places: &Places) -> Self {
        let interval = places.batch_interval().as_millis() as u64;
        Self {
            interval,
            window: 4 * interval,
            slide: 2 * interval,
            timeout: 5 * interval,
        }
    }

    /// How long after a record's batch it may still turn up in outputs.
    pub fn memory_ms(&self) -> u64 {
        self.window + self.slide
    }

    /// The pipeline's file with these times, but for the interval, which is set.
    pub fn text(&self) -> String {
        let times = |window, slide, timeout| {
            [
                format!(r#"length = "{window}ms", slide = "{slide}ms""#),
                format!(r#"timeout = "{timeout}ms""#),
            ]
        };
        let own = times(self.window, self.slide, self.timeout);
        let of_file = times(800, 400, 1000);
        of_file
            .iter()
            .zip(own)
            .fold(TEXT.to_owned(), |text, (of_file, own)| {
                assert!(text.contains(of_file), "wide.toml has other times");
                text.replace(of_file, &own)
            })
    }

    /// The file of a program that understands all lines.
    pub fn mended(&self) -> String {
        assert!(TEXT.contains(PICKY), "wide.toml has another pattern");
        self.text().replace(PICKY, MENDED)
    }
}

/// What is not understood, and what is when the program has been mended.
const PICKY: &str = r"^\S*[0-8](?: .*)?$";
const MENDED: &str = "^.*$";

/// Whether a record becomes a letter at first.
pub fn is_put_aside(record: Record) -> bool {
    record.number % 10 == 9
}

/// Asks for all letters to be put back; `None` when nobody was there to answer.
pub fn requeue(address: SocketAddr) -> Option<Result<serde_json::Value, String>> {
    let path = "/api/v1/dead-letters/requeue";
    let asked = Connection::open(address).and_then(|mut connection| connection.post(path, ""));
    let Answer { status, body, .. } = asked.ok()?;
    match status {
        200 => Some(serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))),
        // It recovers, or is about to end.
        404 | 409 | 503 => None,
        _ => Some(Err(format!("letters put back: {status}, {body}"))),
    }
}

/// Asks until it is answered, and once more: the second time nothing may be left to put back.
pub fn requeue_to_the_last(address: SocketAddr) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let done = loop {
        match requeue(address) {
            Some(done) => break done?,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            None => return Err("nobody puts letters back".to_owned()),
        }
    };
    let again =
        requeue(address).ok_or("letters were put back, and soon after nobody answers")??;
    let batches = |answer: &serde_json::Value| answer["batches"].as_array().cloned();
    let (done, again) = (batches(&done), batches(&again).unwrap_or_default());
    for batch in &again {
        let is_done = batch["records"] == 0 && batch["already"] == serde_json::json!(["lines"]);
        if !is_done || batch["left"] != serde_json::json!({}) {
            return Err(format!(
                "asked for a second time: {batch}; before: {done:?}"
            ));
        }
    }
    Ok(())
}

/// What the pipeline writes beside its counts.
pub struct Beside {
    totals: Outputs,
    windows: Outputs,
    letters: OutputPlace,
    first_seen: BTreeMap<u64, Vec<DeadLetter>>,
    times: Times,
    run: u64,
}

impl Beside {
    pub fn new(places: &Places, run: u64) -> Self {
        Self {
            totals: Outputs::new(places.output("totals"), run),
            windows: Outputs::new(places.output("windows"), run),
            letters: places.output("letters"),
            first_seen: BTreeMap::new(),
            times: Times::of(places),
            run,
        }
    }

    /// Reads what is new; letters must stay as they were at first sight.
    pub fn refresh(&mut self) -> Result<(), String> {
        self.totals.refresh()?;
        self.windows.refresh()?;
        let letters = self.read_letters()?;
        for (time, seen) in &self.first_seen {
            if letters.get(time) != Some(seen) {
                return Err(format!("the letters of {time} have changed"));
            }
        }
        self.first_seen = letters;
        Ok(())
    }

    fn read_letters(&self) -> Result<BTreeMap<u64, Vec<DeadLetter>>, String> {
        let mut letters = BTreeMap::new();
        for name in self.letters.names()? {
            let time = name.strip_prefix("letters-");
            let time = time.and_then(|rest| rest.strip_suffix(".jsonl")?.parse().ok());
            if let Some(time) = time
                && self.letters.is_in_place(&name)?
            {
                let text = self.letters.read(&name, "part-00000")?;
                let read = text.lines().map(DeadLetter::from_line);
                let read: Result<Vec<DeadLetter>, _> = read.collect();
                letters.insert(time, read.map_err(|error| format!("{name}: {error}"))?);
            }
        }
        Ok(letters)
    }

    /// Compares what is left with the counts that are left, once the program has gone back to a savepoint.
    pub fn check_without(&self, counts: &Outputs, gone: Gone) -> Result<(), String> {
        let left = Self {
            totals: self.totals.without(gone),
            windows: self.windows.without(gone),
            letters: self.letters.clone(),
            first_seen: BTreeMap::new(),
            ..*self
        };
        left.totals_are_running_sums(counts)?;
        left.windows_are_sums(counts, Some(gone))
    }

    /// The records that became letters, but for those in batches that are gone.
    pub fn put_aside_without(&self, gone: Gone) -> BTreeSet<Record> {
        let left = self
            .first_seen
            .iter()
            .filter(|(time, _)| !gone.holds(**time));
        let letters = left.flat_map(|(_, letters)| letters);
        letters
            .filter_map(|letter| self.record_of(letter))
            .collect()
    }

    fn record_of(&self, letter: &DeadLetter) -> Option<Record> {
        let text = letter.source_text.as_deref()?;
        Record::of_word(self.run, text.split(' ').next()?)
    }

    pub fn check_final(&mut self) -> Result<(), String> {
        self.refresh()?;
        self.totals.check_final()?;
        self.windows.check_final()
    }

    /// Compares it with the counts of the batches and with the ledger.
    pub fn check(&self, counts: &Outputs, ledger: &Ledger) -> Result<(), String> {
        self.totals_are_running_sums(counts)?;
        self.windows_are_sums(counts, None)?;
        let lettered = self.letters_are_of_records_that_failed(counts, ledger)?;
        // All that was fed was in a batch before the program was mended.
        let acknowledged = ledger.of_fate(Fate::Acknowledged);
        let missing = |record: &&Record| is_put_aside(**record) && !lettered.contains(record);
        match acknowledged.iter().find(missing) {
            None => Ok(()),
            Some(record) => Err(format!("`{}` never became a letter", record.word(self.run))),
        }
    }

    /// A batch's totals are those of its keys, over all batches since each was forgotten last.
    fn totals_are_running_sums(&self, counts: &Outputs) -> Result<(), String> {
        same_times("totals", counts.batches.keys(), self.totals.batches.keys())?;
        let mut held: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (time, counts) in &counts.batches {
            let mut expected = BTreeMap::new();
            for (word, count) in words(counts, self.run) {
                let (total, touched) = held.entry(word.clone()).or_default();
                (*total, *touched) = (*total + count, *time);
                expected.insert(word, *total);
            }
            held.retain(|_, (_, touched)| *touched + self.times.timeout >= *time);
            let found = self.totals.batches.get(time).map(|t| words(t, self.run));
            same("totals", *time, &expected, &found.unwrap_or_default())?;
        }
        Ok(())
    }

    /// A window is the sum of its batches; there is one for each slide but those that are gone.
    fn windows_are_sums(&self, counts: &Outputs, gone: Option<Gone>) -> Result<(), String> {
        let Times {
            interval,
            window,
            slide,
            ..
        } = self.times;
        let times = self.windows.batches.keys().copied();
        let (Some(first), Some(last)) = (counts.batches.keys().next(), counts.last_time()) else {
            return Ok(());
        };
        let phase = times.clone().next().map_or(0, |time| time % slide);
        let is_due = |time: &u64| time % slide == phase;
        let is_gone = |time: &u64| gone.is_some_and(|gone| gone.holds(*time));
        let due: Vec<u64> = (*first..=last)
            .step_by(interval as usize)
            .filter(|time| is_due(time) && !is_gone(time))
            .collect();
        same_times("windows", due.iter(), self.windows.batches.keys())?;
        for (time, found) in &self.windows.batches {
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            let batches = counts
                .batches
                .range(time.saturating_sub(window) + 1..=*time);
            for (word, count) in batches.flat_map(|(_, counts)| words(counts, self.run)) {
                *expected.entry(word).or_default() += count;
            }
            same("windows", *time, &expected, &words(found, self.run))?;
        }
        Ok(())
    }

    /// The records that became letters, each once a batch and before it was counted.
    fn letters_are_of_records_that_failed(
        &self,
        counts: &Outputs,
        ledger: &Ledger,
    ) -> Result<BTreeSet<Record>, String> {
        let mut all = BTreeSet::new();
        let mut counted: BTreeMap<Record, u64> = BTreeMap::new();
        for (time, counts) in &counts.batches {
            counted.extend(counts.records.keys().map(|record| (*record, *time)));
        }
        for (time, letters) in &self.first_seen {
            let mut of_batch = BTreeSet::new();
            for letter in letters {
                let wrong = |why: &str| Err(format!("the letters of {time}: {why}: {letter:?}"));
                let Some(record) = self.record_of(letter) else {
                    return wrong("no line that was sent");
                };
                if letter.source_text.as_deref() != Some(record.line(self.run).trim_end()) {
                    return wrong("another line");
                }
                if !is_put_aside(record) || letter.operator.as_str() != "good.map" {
                    return wrong("its line is understood");
                }
                if !matches!(
                    ledger.fate(record),
                    Some(Fate::Acknowledged | Fate::InDoubt)
                ) {
                    return wrong("its line was refused, or never sent");
                }
                if !of_batch.insert(record) {
                    return wrong("its line has another there");
                }
                if counted.get(&record).is_some_and(|counted| counted <= time) {
                    return wrong("its line had been counted");
                }
            }
            all.extend(of_batch);
        }
        Ok(all)
    }

    /// What was put aside, for people.
    pub fn summary(&self) -> String {
        let letters: usize = self.first_seen.values().map(Vec::len).sum();
        format!("{letters} letters, {} windows", self.windows.batches.len())
    }
}

/// A folder's words with their counts.
fn words(counts: &Counts, run: u64) -> BTreeMap<String, u64> {
    let own = counts.records.iter();
    let own = own.map(|(record, count)| (record.word(run), *count));
    let common = counts.common.iter();
    own.chain(common.map(|(word, count)| (word.clone(), *count)))
        .collect()
}

fn same_times<'a>(
    what: &str,
    expected: impl Iterator<Item = &'a u64>,
    found: impl Iterator<Item = &'a u64>,
) -> Result<(), String> {
    let (expected, found): (BTreeSet<_>, BTreeSet<_>) = (expected.collect(), found.collect());
    let differ: Vec<_> = expected.symmetric_difference(&found).collect();
    match differ.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{what}: of {} batches {} have none, or are beyond; the first is {first}, {} were found",
            expected.len(),
            differ.len(),
            found.len()
        )),
    }
}

fn same(
    what: &str,
    time: u64,
    expected: &BTreeMap<String, u64>,
    found: &BTreeMap<String, u64>,
) -> Result<(), String> {
    let words: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differs = |word: &&&String| expected.get(**word) != found.get(**word);
    match words.iter().find(differs) {
        None => Ok(()),
        Some(word) => Err(format!(
            "{what} at {time}: `{word}` has {:?}, its batches make {:?}",
            found.get(*word),
            expected.get(*word)
        )),
    }
}
