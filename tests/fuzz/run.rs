//! [`Target`]: one reader, where its cases come from, and the rules it is held to.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::mutate::mutate;
use crate::rng::{self, Rng};

/// What a reader made of a case: `read`, or the kind of error. New kinds show new ways through it.
pub type Outcome = String;

/// A reader under test.
pub struct Target {
    /// Its folder in the corpus.
    pub name: &'static str,
    /// Valid encodings, besides those of the corpus.
    pub seeds: Vec<Vec<u8>>,
    /// Pieces that random bytes would seldom hit upon.
    pub words: &'static [&'static str],
    /// Puts lengths and checksums right.
    pub repair: fn(&mut [u8]),
    /// Cases in `make test`.
    pub cases: u64,
}

/// What reading may allocate at most, on top of a multiple of the case's length.
const ALLOWANCE: u64 = 8 << 20;
/// More ways of being answered aren't followed.
const POOL: usize = 256;
/// Seeds of short runs are fixed, so that a test that passes passes again.
const SEED: u64 = 1;

impl Target {
    /// Runs `check`, which panics when a rule is broken, on the corpus and on changed cases.
    pub fn run(self, check: impl Fn(&[u8]) -> Outcome) {
        let long = std::env::var("TIDEMILL_FUZZ_CASES");
        let (seed, cases) = match &long {
            Ok(count) => (
                rng::seed(),
                count
                    .parse()
                    .expect("TIDEMILL_FUZZ_CASES is a whole number"),
            ),
            Err(_) => (SEED, self.cases),
        };
        let mut pool = self.seeds.clone();
        pool.extend(self.corpus());
        assert!(!pool.is_empty(), "{} has nothing to start from", self.name);
        let mut outcomes = HashSet::new();
        for (number, case) in pool.iter().enumerate() {
            outcomes.insert(self.held(case, &check, &format!("start {number}")));
        }
        let starts = Rng::new(seed);
        for number in 0..cases {
            let mut rng = starts.part(number);
            let base = rng.below(0..pool.len() as u64) as usize;
            let mut case = mutate(&mut rng, &pool[base], &pool, self.words);
            if rng.chance(50) {
                (self.repair)(&mut case);
            }
            let what = format!("seed {seed}, case {number}");
            let outcome = self.held(&case, &check, &what);
            if pool.len() < POOL && outcomes.insert(outcome) {
                pool.push(case);
            }
        }
        println!(
            "{}: seed {seed}, {cases} cases, answered in {} ways",
            self.name,
            outcomes.len()
        );
    }

    /// Runs one case; keeps it when it breaks a rule.
    fn held(&self, case: &[u8], check: &impl Fn(&[u8]) -> Outcome, what: &str) -> Outcome {
        let mut outcome = None;
        let memory = allocation_counter::measure(|| {
            outcome = Some(catch_unwind(AssertUnwindSafe(|| check(case))));
        });
        let problem = match outcome {
            Some(Ok(outcome)) if memory.bytes_max <= ALLOWANCE + 64 * case.len() as u64 => {
                return without_numbers(&outcome);
            }
            Some(Ok(_)) => format!("it allocated {} bytes at once", memory.bytes_max),
            Some(Err(_)) => "it panicked, see above".to_owned(),
            None => "it never ran".to_owned(),
        };
        let folder = self.folder();
        let file = folder.join(format!("found-{:08x}", crc32fast::hash(case)));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, case).unwrap();
        panic!(
            "{} ({what}): {problem}; the case is kept in {}",
            self.name,
            file.display()
        );
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(self.name)
    }

    /// The committed cases, in the order of their names.
    fn corpus(&self) -> Vec<Vec<u8>> {
        let mut files: Vec<PathBuf> = match std::fs::read_dir(self.folder()) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        };
        files.sort();
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    }
}

/// Numbers, checksums and quoted pieces of the case don't make an error another one.
fn without_numbers(outcome: &str) -> Outcome {
    let unquoted = outcome.split(['`', '"']).step_by(2);
    let is_number = |word: &str| {
        let hexadecimal = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal || word.bytes().any(|byte| byte.is_ascii_digit())
    };
    let mut words: Vec<&str> = unquoted
        .flat_map(|piece| piece.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty() && !is_number(word))
        .collect();
    words.truncate(40);
    words.join(" ")
}

/// What came of a reader whose error text names `place`.
pub fn outcome<T, E: std::fmt::Display>(result: &Result<T, E>, place: &str) -> Outcome {
    match result {
        Ok(_) => "read".to_owned(),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(place), "an error without its place: {text}");
            text
        }
    }
}

/// No repair: nothing in these bytes depends on the others.
pub fn as_it_is(_case: &mut [u8]) {}
