//! Sinks that are wrong, each in a way that has been seen: the test must find each, and by the right rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tidemill::rdd::{BoxError, Rdd};
use tidemill::sink::conformance::{Harness, Rule, check};
use tidemill::sink::{BatchIdentity, Guarantee, Sink};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// None: it conforms.
    None,
    /// The second commit adds to the first.
    Appends,
    /// The second commit removes the first before it computes.
    ReplacesTooEarly,
    /// Records are seen as they are computed.
    HalfVisible,
    /// A failed computation is an empty batch.
    SwallowsErrors,
    /// Committed batches are in the memory of the handle's process until the next commit.
    Lazy,
    /// Looks whether the batch is there, then computes, then adds to it.
    LooksTooEarly,
    /// Two writes, with a death between them.
    TwoSteps,
    /// Only the newest batches are kept.
    Forgets,
    /// What isn't newer than the newest is taken for a repetition.
    HighWaterMark,
    /// Equal records are one.
    Set,
    /// Blanks around records go.
    Trims,
    /// An empty batch is an error.
    RefusesEmpty,
    /// The check leaves something for readers.
    NoisyCheck,
    /// It claims no more than "at least once", and keeps five records of a batch.
    LosesSome,
    /// It claims no more than "at least once", and appends: that conforms.
    HonestAppends,
}

#[derive(Default)]
struct Place {
    durable: BTreeMap<u64, Vec<String>>,
    volatile: BTreeMap<u64, Vec<String>>,
    /// Writes until the process dies.
    writes_left: Option<usize>,
    died: bool,
}

impl Place {
    fn write(&mut self, time: u64, records: Vec<String>) -> Result<(), BoxError> {
        match &mut self.writes_left {
            Some(0) => {
                self.died = true;
                return Err("died".into());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.durable.entry(time).or_default().extend(records);
        Ok(())
    }
}

struct Wrong {
    mistake: Mistake,
    place: Arc<Mutex<Place>>,
}

fn collect(rdd: &Rdd<String>) -> Result<Vec<String>, BoxError> {
    Ok(rdd.collect()?)
}

impl Sink<String> for Wrong {
    fn kind(&self) -> &'static str {
        "wrong"
    }

    fn guarantee(&self) -> Guarantee {
        match self.mistake {
            Mistake::LosesSome | Mistake::HonestAppends => Guarantee::AtLeastOnce,
            _ => Guarantee::Transactional,
        }
    }

    fn check(&self) -> Result<(), BoxError> {
        if self.mistake == Mistake::NoisyCheck {
            // The next batch's place: the harness begins at a fixed time.
            let mut place = self.place.lock().unwrap();
            for time in (0..100).map(|n| 1_700_000_000_000 + n * 1000) {
                place
                    .durable
                    .entry(time)
                    .or_insert_with(|| vec!["probe".into()]);
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<String>) -> Result<(), BoxError> {
        let time = batch.time.as_millis();
        let place = || self.place.lock().unwrap();
        let is_there = || place().durable.contains_key(&time);
        match self.mistake {
            Mistake::Appends | Mistake::HonestAppends => {
                let records = collect(rdd)?;
                return place().write(time, records);
            }
            Mistake::ReplacesTooEarly => {
                place().durable.remove(&time);
                let records = collect(rdd)?;
                place().durable.remove(&time);
                return place().write(time, records);
            }
            Mistake::HalfVisible if !is_there() => {
                return Ok(rdd.for_each(|record| {
                    place()
                        .durable
                        .entry(time)
                        .or_default()
                        .push(record.clone());
                })?);
            }
            Mistake::LooksTooEarly if !is_there() => {
                let records = collect(rdd)?;
                return place().write(time, records);
            }
            Mistake::TwoSteps if !is_there() => {
                let mut first = collect(rdd)?;
                let second = first.split_off(first.len() / 2);
                place().write(time, first)?;
                return place().write(time, second);
            }
            Mistake::Lazy if !is_there() => {
                let records = collect(rdd)?;
                let mut place = place();
                let before = std::mem::take(&mut place.volatile);
                place.durable.extend(before);
                place.volatile.entry(time).or_insert(records);
                return Ok(());
            }
            Mistake::HighWaterMark => {
                let newest = place().durable.last_key_value().map(|(time, _)| *time);
                if newest.is_some_and(|newest| newest >= time) {
                    return Ok(());
                }
            }
            _ => {}
        }
        if is_there() {
            return Ok(());
        }
        let mut records = match collect(rdd) {
            Err(_) if self.mistake == Mistake::SwallowsErrors => Vec::new(),
            other => other?,
        };
        match self.mistake {
            Mistake::Set => {
                records.sort();
                records.dedup();
            }
            Mistake::Trims => records
                .iter_mut()
                .for_each(|record| *record = record.trim().to_owned()),
            Mistake::RefusesEmpty if records.is_empty() => return Err("no records".into()),
            Mistake::LosesSome => records.truncate(5),
            _ => {}
        }
        let mut place = place();
        if !place.durable.contains_key(&time) {
            place.write(time, records)?;
        }
        if self.mistake == Mistake::Forgets && place.durable.len() > 20 {
            place.durable.pop_first();
        }
        Ok(())
    }
}

struct Shop(Mistake, Arc<Mutex<Place>>);

impl Harness for Shop {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        Ok(Box::new(Wrong {
            mistake: self.0,
            place: Arc::clone(&self.1),
        }))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let (place, time) = (self.1.lock().unwrap(), batch.time.as_millis());
        let found = place.durable.get(&time).or(place.volatile.get(&time));
        Ok(found.cloned())
    }

    fn interrupt(&self, operation: usize) -> bool {
        self.1.lock().unwrap().writes_left = Some(operation);
        true
    }

    fn restart(&self) -> bool {
        let mut place = self.1.lock().unwrap();
        place.writes_left = None;
        place.volatile.clear();
        std::mem::take(&mut place.died)
    }
}

#[test]
fn each_mistake_is_found_by_its_rule() {
    for (mistake, rule) in [
        (Mistake::None, None),
        (Mistake::HonestAppends, None),
        (Mistake::Appends, Some(Rule::Repeated)),
        (Mistake::ReplacesTooEarly, Some(Rule::Repeated)),
        (Mistake::HalfVisible, Some(Rule::FailedComputation)),
        (Mistake::SwallowsErrors, Some(Rule::FailedComputation)),
        (Mistake::Lazy, Some(Rule::Durable)),
        (Mistake::LooksTooEarly, Some(Rule::Predecessor)),
        (Mistake::TwoSteps, Some(Rule::Interrupted)),
        (Mistake::Forgets, Some(Rule::Many)),
        (Mistake::HighWaterMark, Some(Rule::Many)),
        (Mistake::Set, Some(Rule::Whole)),
        (Mistake::Trims, Some(Rule::Unusual)),
        (Mistake::RefusesEmpty, Some(Rule::Empty)),
        (Mistake::NoisyCheck, Some(Rule::Check)),
        (Mistake::LosesSome, Some(Rule::Whole)),
    ] {
        let report = check(&Shop(mistake, Arc::default()));
        println!("{mistake:?}: {report}");
        let broken: Vec<Rule> = report.broken().collect();
        match rule {
            None => assert!(report.conforms(), "{mistake:?}: {report}"),
            Some(rule) => assert!(broken.contains(&rule), "{mistake:?}: {report}"),
        }
        assert_eq!(report.conforms(), broken.is_empty());
    }
}
