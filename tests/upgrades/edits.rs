//! Random programs, killed at a random batch and edited at random: the plan says what becomes of each operator, a
//! start does exactly this, and what operators yield afterwards is what a model of theirs says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tidemill::clock::ManualClock;
use tidemill::{Change, DStream, StreamingContext, UpgradePlan};

use crate::support::cases::cases;
use crate::support::{Collected, Feed, SECOND, builder, clock_at, run_to};
use crate::{add, counts};

/// The second before the first batch.
const ZERO: u64 = 100;

/// What an operator does with its counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Total,
    /// With an inverse function or without; its length and slide in seconds.
    Window(bool, (u64, u64)),
}

/// An operator as a program declares it.
#[derive(Debug, Clone)]
struct Declared {
    uid: String,
    kind: Kind,
    partitions: usize,
    /// Whether its values are of version 2, and whether the way there is registered.
    is_new_version: bool,
    migrates: bool,
}

/// What an edit does about an operator's uid.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Stays,
    IsGone,
    /// With the rename in the settings or without.
    IsRenamed(bool),
}

/// An operator of the first program, and what the edit makes of it.
#[derive(Debug, Clone)]
struct Edited {
    before: Declared,
    after: Declared,
    fate: Fate,
    may_be_dropped: bool,
}

#[derive(Debug, Clone)]
struct Case {
    operators: Vec<Edited>,
    /// Operators that come in addition.
    added: Vec<Declared>,
    /// In which order the second program declares all.
    order: Vec<usize>,
    /// The lines of each batch.
    batches: Vec<Vec<String>>,
    /// How many batches are over when it is killed; and whether what comes next has been acknowledged by then.
    killed_at: usize,
    is_acknowledged: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Plain),
        2 => Just(Kind::Total),
        3 => (any::<bool>(), (1u64..5, 1u64..4)).prop_map(|(inverse, shape)| Kind::Window(inverse, shape)),
    ]
}

fn edited(number: usize) -> impl Strategy<Value = Edited> {
    let fate = prop_oneof![
        6 => Just(Fate::Stays),
        1 => Just(Fate::IsGone),
        2 => Just(Fate::IsRenamed(true)),
        1 => Just(Fate::IsRenamed(false)),
    ];
    let version = (proptest::bool::weighted(0.3), proptest::bool::weighted(0.8));
    let shape = (
        proptest::bool::weighted(0.4),
        (1u64..7, 1u64..5),
        any::<bool>(),
    );
    let rest = (1usize..4, 1usize..4, proptest::bool::weighted(0.4));
    (kinds(), fate, version, shape, rest).prop_map(
        move |(kind, fate, (is_new_version, migrates), (reshaped, shape, inverse), rest)| {
            let (partitions, spread, may_be_dropped) = rest;
            let before = Declared {
                uid: format!("op{number}"),
                kind,
                partitions,
                is_new_version: false,
                migrates: false,
            };
            let after = Declared {
                uid: match fate {
                    Fate::IsRenamed(_) => format!("renamed{number}"),
                    _ => before.uid.clone(),
                },
                kind: match kind {
                    Kind::Window(..) if reshaped => Kind::Window(inverse, shape),
                    same => same,
                },
                partitions: spread,
                is_new_version: is_new_version && kind != Kind::Plain,
                migrates,
            };
            Edited {
                before,
                after,
                fate,
                may_be_dropped,
            }
        },
    )
}

fn histories() -> impl Strategy<Value = Case> {
    let operators = (1usize..5).prop_flat_map(|count| (0..count).map(edited).collect::<Vec<_>>());
    let added = proptest::collection::vec(kinds(), 0..2);
    let line = prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(str::to_owned);
    let batches = proptest::collection::vec(proptest::collection::vec(line, 0..4), 4..12);
    (operators, added, batches, 1usize..9, any::<bool>()).prop_flat_map(
        |(operators, added, batches, killed_at, is_acknowledged)| {
            let added: Vec<Declared> = (0..)
                .zip(added)
                .map(|(number, kind)| Declared {
                    uid: format!("added{number}"),
                    kind,
                    partitions: 2,
                    is_new_version: false,
                    migrates: false,
                })
                .collect();
            let order: Vec<usize> = (0..operators.len() + added.len()).collect();
            (
                Just((operators, added, batches)),
                Just(order).prop_shuffle(),
            )
                .prop_map(move |((operators, added, batches), order)| Case {
                    operators,
                    added,
                    order,
                    killed_at: killed_at.min(batches.len() - 2),
                    batches,
                    is_acknowledged,
                })
        },
    )
}

/// The values of version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Total {
    sum: u64,
}

impl Total {
    fn of(sum: u64) -> Self {
        Self { sum }
    }
}

type Counts = DStream<(String, u64)>;

impl Declared {
    fn declare(&self, counts: &Counts) -> Counts {
        let partitions = self.partitions;
        match (self.kind, self.is_new_version) {
            (Kind::Plain, _) => counts.map_values(|n| *n).uid(&self.uid),
            (Kind::Total, false) => {
                let totals = counts.update_state_by_key_with(add, partitions, Vec::new());
                totals.uid(&self.uid)
            }
            (Kind::Total, true) => {
                let totals = counts.update_state_by_key_with(
                    |new: &[u64], total: Option<&Total>| {
                        add(new, total.map(|total| &total.sum)).map(Total::of)
                    },
                    partitions,
                    Vec::new(),
                );
                self.in_version_2(totals)
            }
            (Kind::Window(inverse, shape), false) => {
                windowed(counts, inverse, shape, partitions, |n| *n, |n| n).uid(&self.uid)
            }
            (Kind::Window(inverse, shape), true) => {
                let totals = counts.map_values(|n| Total::of(*n));
                let sum = |total: &Total| total.sum;
                let window = windowed(&totals, inverse, shape, partitions, sum, Total::of);
                self.in_version_2(window)
            }
        }
    }

    fn in_version_2(&self, stream: DStream<(String, Total)>) -> Counts {
        let stream = stream.uid(&self.uid).state_version(2);
        let stream = match self.migrates {
            true => stream.migrate_state(1, Total::of),
            false => stream,
        };
        stream.map_values(|total| total.sum)
    }

    /// What it yields at a second, when it holds what came from `began` on, or had held it as another.
    fn model(&self, case: &Case, second: u64, is_held: impl Fn(u64) -> bool) -> Vec<(String, u64)> {
        let first = match self.kind {
            Kind::Plain => second,
            Kind::Total => ZERO + 1,
            Kind::Window(_, (length, _)) => (second + 1).saturating_sub(length).max(ZERO + 1),
        };
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for at in (first..=second).filter(|at| is_held(*at)) {
            for line in case.lines(at) {
                *sums.entry(line.clone()).or_default() += 1;
            }
        }
        sums.into_iter().collect()
    }

    fn is_due(&self, second: u64) -> bool {
        match self.kind {
            Kind::Window(_, (_, slide)) => (second - ZERO).is_multiple_of(slide),
            _ => true,
        }
    }
}

fn windowed<V>(
    stream: &DStream<(String, V)>,
    inverse: bool,
    (length, slide): (u64, u64),
    partitions: usize,
    of: impl Fn(&V) -> u64 + Copy + Send + Sync + 'static,
    made: impl Fn(u64) -> V + Copy + Send + Sync + 'static,
) -> DStream<(String, V)>
where
    V: Clone + PartialEq + Serialize + for<'a> Deserialize<'a> + Send + Sync + 'static,
{
    let (length, slide) = (SECOND * length as u32, SECOND * slide as u32);
    let add = move |a: &V, b: &V| made(of(a) + of(b));
    match inverse {
        true => stream.reduce_by_key_and_window_inverse_with(
            add,
            move |a, b| made(of(a) - of(b)),
            length,
            slide,
            move |(_, v)| of(v) > 0,
            partitions,
        ),
        false => stream.reduce_by_key_and_window_with(add, length, slide, partitions),
    }
}

/// How a window is kept: the length of its parts, how many there are, and how many are in a slide.
fn parts((length, slide): (u64, u64)) -> (u64, u64, u64) {
    let (mut part, mut rest) = (length, slide);
    while rest > 0 {
        (part, rest) = (rest, part % rest);
    }
    (part, length / part, slide / part)
}

/// Whether a window of this shape holds the batch at `at` after the one at `through`.
fn holds(shape: (u64, u64), at: u64, through: u64) -> bool {
    let (part, count, in_slide) = parts(shape);
    let number = |at: u64| (at - ZERO).div_ceil(part);
    let next_window = number(at).div_ceil(in_slide) * in_slide;
    number(at) + count > next_window && number(at) + count > number(through)
}

impl Edited {
    /// What is to become of it, by the uids that the plan has for it.
    fn expected(&self) -> Vec<(&str, Change)> {
        let (old, new) = (self.before.uid.as_str(), self.after.uid.as_str());
        let is_plain = self.before.kind == Kind::Plain;
        let given_up = match is_plain || self.may_be_dropped {
            true => Change::Drop,
            false => Change::Refuse,
        };
        let fits = match (self.before.kind, self.after.kind) {
            (Kind::Window(_, before), Kind::Window(_, after)) => {
                parts(after).0.is_multiple_of(parts(before).0)
            }
            _ => true,
        };
        let taken = match (self.after.is_new_version, self.after.migrates) {
            _ if !fits => given_up,
            (false, _) => Change::Keep,
            (true, true) => Change::Migrate,
            (true, false) => given_up,
        };
        match self.fate {
            Fate::Stays => vec![(old, taken)],
            Fate::IsGone => vec![(old, given_up)],
            Fate::IsRenamed(true) => vec![(new, taken)],
            Fate::IsRenamed(false) => vec![(old, given_up), (new, Change::New)],
        }
    }

    fn goes_on(&self) -> bool {
        let mut expected = self.expected().into_iter();
        expected.any(|(uid, change)| {
            uid == self.after.uid && matches!(change, Change::Keep | Change::Migrate)
        })
    }
}

/// A program and what its operators yield.
type Program = (
    StreamingContext,
    Feed,
    Vec<(Declared, Collected<(String, u64)>)>,
);

impl Case {
    fn lines(&self, second: u64) -> &[String] {
        let batch = (second - ZERO - 1) as usize;
        self.batches.get(batch).map_or(&[], Vec::as_slice)
    }

    fn program(&self, url: &str, clock: &ManualClock, is_edited: bool) -> Program {
        let mut builder = builder(url, clock);
        if is_edited {
            for edited in &self.operators {
                if edited.fate == Fate::IsRenamed(true) {
                    builder = builder.rename_operator(&edited.before.uid, &edited.after.uid);
                }
                // The permission is for what is there under the program's name.
                if edited.may_be_dropped {
                    let renamed = edited.fate == Fate::IsRenamed(true);
                    builder = builder.drop_state(match renamed {
                        true => &edited.after.uid,
                        false => &edited.before.uid,
                    });
                }
            }
        }
        let context = builder.build().unwrap();
        let (feed, counts) = counts(&context, "lines");
        // Says when each batch ran.
        let probe = Declared {
            uid: "probe".to_owned(),
            kind: Kind::Plain,
            partitions: 1,
            is_new_version: false,
            migrates: false,
        };
        let declared: Vec<&Declared> = match is_edited {
            false => self.operators.iter().map(|edited| &edited.before).collect(),
            true => {
                let kept = self
                    .operators
                    .iter()
                    .map(|edited| (edited.fate != Fate::IsGone).then_some(&edited.after));
                let all: Vec<Option<&Declared>> = kept.chain(self.added.iter().map(Some)).collect();
                self.order.iter().filter_map(|at| all[*at]).collect()
            }
        };
        let seen = declared.into_iter().chain([&probe]).map(|declared| {
            let collected = Collected::new();
            collected.collect(&declared.declare(&counts));
            (declared.clone(), collected)
        });
        let seen = seen.collect();
        (context, feed, seen)
    }

    fn feed(&self, feed: &Feed, clock: &ManualClock, second: u64) {
        let lines: Vec<&str> = self.lines(second).iter().map(String::as_str).collect();
        if !lines.is_empty() {
            feed.send(clock, &lines);
        }
    }

    /// Holds a plan against what is expected of it.
    fn check_plan(&self, plan: &UpgradePlan) -> Result<(), TestCaseError> {
        let change = |uid: &str| plan.operator(uid).map(|plan| plan.change);
        for edited in &self.operators {
            for (uid, expected) in edited.expected() {
                prop_assert_eq!(
                    change(uid),
                    Some(expected),
                    "{} of {:?}",
                    uid,
                    plan.refusals
                );
            }
        }
        for added in &self.added {
            prop_assert_eq!(change(&added.uid), Some(Change::New));
        }
        let all = self.operators.iter().flat_map(Edited::expected);
        let refused = all.filter(|(_, change)| *change == Change::Refuse).count();
        prop_assert_eq!(plan.refusals.len(), refused, "{:?}", plan.refusals);
        Ok(())
    }

    /// Holds what an operator yielded from its program's first batch on against the model.
    fn check_seen(
        &self,
        declared: &Declared,
        seen: &Collected<(String, u64)>,
        first: u64,
        last: u64,
    ) -> Result<(), TestCaseError> {
        let before = self.operators.iter().find(|edited| {
            edited.after.uid == declared.uid && edited.goes_on() && edited.fate != Fate::IsGone
        });
        for second in (first..=last).filter(|second| declared.is_due(*second)) {
            let expected = match (declared.kind, before.map(|edited| edited.before.kind)) {
                (Kind::Window(..), Some(Kind::Window(_, shape))) => {
                    let is_held = |at: u64| at >= first || holds(shape, at, first - 1);
                    declared.model(self, second, is_held)
                }
                // It is made of the batches that are still kept; which, isn't promised.
                (Kind::Window(_, (length, _)), _) if second < first + length => continue,
                (_, Some(_)) | (Kind::Window(..), None) => declared.model(self, second, |_| true),
                (_, None) => declared.model(self, second, |at| at >= first),
            };
            prop_assert_eq!(seen.at(second), expected, "{:?} at {}", declared, second);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planned_for_an_edited_program_is_what_happens(case in histories()) {
        let url = format!("memory:upgrade-edits-{}", rand_name());
        let clock = clock_at(ZERO);
        let killed_at = ZERO + case.killed_at as u64;
        let last = ZERO + case.batches.len() as u64;
        {
            let (context, feed, _seen) = case.program(&url, &clock, false);
            context.start().unwrap();
            for second in ZERO + 1..=killed_at {
                case.feed(&feed, &clock, second);
                run_to(&context, &clock, second);
            }
            if case.is_acknowledged {
                case.feed(&feed, &clock, killed_at + 1);
            }
        }
        let planned = {
            let (context, _feed, _) = case.program(&url, &clock, true);
            let planned = context.upgrade_plan().unwrap().unwrap();
            case.check_plan(&planned)?;
            let (context, _feed, _) = case.program(&url, &clock, true);
            let rehearsed = context.rehearse(0).unwrap().plan;
            prop_assert_eq!(&rehearsed.operators, &planned.operators);
            prop_assert_eq!(&rehearsed.refusals, &planned.refusals);
            planned
        };
        let (mut context, mut feed, mut seen) = case.program(&url, &clock, true);
        let started = context.start();
        prop_assert_eq!(started.is_ok(), planned.is_possible(), "{:?}", started);
        let is_edited = started.is_ok();
        if !is_edited {
            // Nothing has changed: the first program goes on.
            drop((context, feed, seen));
            (context, feed, seen) = case.program(&url, &clock, false);
            context.start().unwrap();
        }
        for second in killed_at + 1..=last {
            if second > killed_at + 1 || !case.is_acknowledged {
                case.feed(&feed, &clock, second);
            }
            run_to(&context, &clock, second);
        }
        let first = seen.iter().filter_map(|(_, seen)| seen.seconds().first().copied()).min();
        for (declared, seen) in &seen {
            match is_edited {
                true => case.check_seen(declared, seen, first.unwrap_or(last), last)?,
                false => {
                    for second in (killed_at + 1..=last).filter(|second| declared.is_due(*second)) {
                        let expected = declared.model(&case, second, |_| true);
                        prop_assert_eq!(seen.at(second), expected, "{:?} at {}", declared, second);
                    }
                }
            }
        }
        context.stop(true).unwrap();
    }
}

#[test]
fn a_window_that_is_new_is_made_of_what_is_still_kept() {
    let declared = |uid: &str, kind| Declared {
        uid: uid.to_owned(),
        kind,
        partitions: 1,
        is_new_version: false,
        migrates: false,
    };
    let total = declared("op0", Kind::Total);
    let case = Case {
        operators: vec![Edited {
            before: total.clone(),
            after: total,
            fate: Fate::Stays,
            may_be_dropped: false,
        }],
        added: vec![declared("added0", Kind::Window(true, (4, 2)))],
        order: vec![0, 1],
        batches: (0..9).map(|n| vec![format!("word {}", n % 2)]).collect(),
        killed_at: 3,
        is_acknowledged: false,
    };
    let (url, clock) = ("memory:upgrade-new-window", clock_at(ZERO));
    let (context, feed, _) = case.program(url, &clock, false);
    context.start().unwrap();
    for second in ZERO + 1..=ZERO + 3 {
        case.feed(&feed, &clock, second);
        run_to(&context, &clock, second);
    }
    // What the window would look back to goes with the last checkpoint.
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, feed, seen) = case.program(url, &clock, true);
    context.start().unwrap();
    for second in ZERO + 4..=ZERO + 9 {
        case.feed(&feed, &clock, second);
        run_to(&context, &clock, second);
    }
    for (declared, seen) in &seen {
        case.check_seen(declared, seen, ZERO + 4, ZERO + 9).unwrap();
    }
    context.stop(true).unwrap();
}

/// A name that no other case has.
fn rand_name() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
