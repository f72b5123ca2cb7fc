//! What `text_files` has put in place: read as soon as it's there, and compared when all is over.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::place::OutputPlace;
use super::records::Record;
use super::savepoints::Gone;

/// The words that a batch's folder counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub records: BTreeMap<Record, u64>,
    pub common: BTreeMap<String, u64>,
    /// Of all bytes, names included: what is in place must never change.
    digest: u64,
}

/// All folders seen so far, by batch time.
#[derive(Debug, Clone)]
pub struct Outputs {
    place: OutputPlace,
    run: u64,
    pub batches: BTreeMap<u64, Counts>,
}

/// The time in `counts-TIME.txt`.
fn time_of(name: &str) -> Option<u64> {
    name.strip_prefix("counts-")?
        .strip_suffix(".txt")?
        .parse()
        .ok()
}

impl Outputs {
    pub fn new(place: OutputPlace, run: u64) -> Self {
        Self {
            place,
            run,
            batches: BTreeMap::new(),
        }
    }

    /// Reads folders that are new. They must be whole the moment they are there.
    pub fn refresh(&mut self) -> Result<(), String> {
        for name in self.place.names()? {
            if let Some(time) = time_of(&name).filter(|time| !self.batches.contains_key(time))
                && self.place.is_in_place(&name)?
            {
                let counts = self.read_batch(&name)?;
                self.batches.insert(time, counts);
            }
        }
        Ok(())
    }

    /// At the end: nothing but committed batches is left, and each is as it was at first sight.
    pub fn check_final(&mut self) -> Result<(), String> {
        self.refresh()?;
        let names = self.place.names()?;
        for name in &names {
            let path = self.place.path(name);
            let Some(time) = time_of(name) else {
                return Err(format!("{path} is left over"));
            };
            if self.batches.get(&time) != Some(&self.read_batch(name)?) {
                return Err(format!("{path} has changed since it was put in place"));
            }
        }
        match names.len() == self.batches.len() {
            true => Ok(()),
            false => Err(format!(
                "a batch in {} was taken away again",
                self.place.path("")
            )),
        }
    }

    /// These without the batches that a program left behind when it went back.
    pub fn without(&self, gone: Gone) -> Self {
        let mut left = self.clone();
        left.batches.retain(|time, _| !gone.holds(*time));
        left
    }

    pub fn last_time(&self) -> Option<u64> {
        self.batches.keys().next_back().copied()
    }

    /// The folder of a batch, for messages.
    pub fn path(&self, time: u64) -> String {
        self.place.path(&format!("counts-{time}.txt"))
    }

    /// Reads a batch's folder, which must hold `_SUCCESS`, gapless parts and nothing else.
    fn read_batch(&self, name: &str) -> Result<Counts, String> {
        let mut files = self.place.files(name)?;
        let wanted = (0..files.len().saturating_sub(1)).map(|part| format!("part-{part:05}"));
        let wanted: Vec<String> = std::iter::once("_SUCCESS".to_owned())
            .chain(wanted)
            .collect();
        let plain = |name: &String| name.trim_end_matches(".gz").to_owned();
        let names: Vec<String> = files.iter().map(plain).collect();
        if names != wanted || files.len() < 2 {
            return Err(format!("{} isn't whole: {files:?}", self.place.path(name)));
        }
        let mut counts = Counts::default();
        let mut hasher = DefaultHasher::new();
        for file in files.drain(1..) {
            let failed = |reason: String| format!("{}/{file}: {reason}", self.place.path(name));
            let text = self.place.read(name, &file)?;
            (&file, &text).hash(&mut hasher);
            if !text.is_empty() && !text.ends_with('\n') {
                return Err(failed("its last line is cut off".to_owned()));
            }
            for line in text.lines() {
                counts.add(line, self.run).map_err(failed)?;
            }
        }
        counts.digest = hasher.finish();
        Ok(counts)
    }
}

impl Counts {
    fn add(&mut self, line: &str, run: u64) -> Result<(), String> {
        let pair = line
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let pair = pair.and_then(|pair| pair.rsplit_once(','));
        let pair = pair.and_then(|(word, count)| Some((word, count.parse::<u64>().ok()?)));
        let Some((word, count)) = pair else {
            return Err(format!("no pair: {line}"));
        };
        let before = match Record::of_word(run, word) {
            Some(record) => self.records.insert(record, count),
            None => self.common.insert(word.to_owned(), count),
        };
        match before {
            None => Ok(()),
            Some(_) => Err(format!("`{word}` is there twice")),
        }
    }
}
