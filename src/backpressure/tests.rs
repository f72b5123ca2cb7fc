use proptest::prelude::*;

use super::*;
use crate::block::TokenBucket;
use crate::clock::ManualClock;
use crate::time::Time;
use estimator::{Measured, RateEstimator};

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(at(0)))
}

fn uid(name: &str) -> OperatorUid {
    OperatorUid::new(name)
}

/// A batch that was submitted at `submitted`, waited, was processed, and held so many records of each stream.
fn batch(submitted: u64, waited: u64, processed: u64, records: &[(&str, u64)]) -> BatchInfo {
    let records: BTreeMap<_, _> = records.iter().map(|(name, n)| (uid(name), *n)).collect();
    BatchInfo {
        batch_time: at(submitted),
        submission_time: at(submitted),
        processing_start_time: Some(at(submitted + waited)),
        processing_end_time: Some(at(submitted + waited + processed)),
        num_records: records.values().sum(),
        stream_records: Arc::new(records),
        output_operations: Vec::new(),
    }
}

fn on(initial_rate: Option<f64>) -> BackpressureSettings {
    BackpressureSettings {
        enabled: true,
        initial_rate,
        pid: PidSettings::default(),
    }
}

fn of(settings: &BackpressureSettings, streams: &[&str], held: &[(&str, u64)]) -> Backpressure {
    let held = held.iter().map(|(name, rate)| (uid(name), *rate)).collect();
    let streams = streams.iter().map(|name| uid(name));
    Backpressure::new(settings, SECOND, streams, &held)
}

/// An estimator that says what it is told to, and counts how often it is asked.
struct Constant(Arc<(AtomicU64, AtomicU64)>);

impl RateEstimator for Constant {
    fn compute(&mut self, _: Measured) -> Option<f64> {
        self.0.1.fetch_add(1, Ordering::Relaxed);
        Some(self.0.0.load(Ordering::Relaxed) as f64)
    }

    fn tune(&mut self, _pid: &PidSettings) {}
}

#[test]
fn each_rate_that_is_estimated_reaches_the_receiver() {
    let told = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let controller = RateController::new(Box::new(Constant(Arc::clone(&told))), None);
    let bucket = Arc::new(TokenBucket::new(Some(250.0), None, clock()));
    controller.publish_to(Arc::clone(&bucket));
    for (rate, reached) in [(100, 100.0), (200, 200.0), (300, 250.0), (50, 50.0)] {
        told.0.store(rate, Ordering::Relaxed);
        controller.batch_completed(&batch(rate, 0, 1, &[]), 1);
        assert_eq!(bucket.rate(), Some(reached));
        assert_eq!(controller.latest(), Some(rate));
    }
    assert_eq!(told.1.load(Ordering::Relaxed), 4);
}

#[test]
fn a_batch_that_has_not_ended_is_not_measured() {
    let told = Arc::new((AtomicU64::new(7), AtomicU64::new(0)));
    let controller = RateController::new(Box::new(Constant(Arc::clone(&told))), None);
    let whole = batch(0, 1, 1, &[]);
    for partial in [
        BatchInfo {
            processing_end_time: None,
            ..whole.clone()
        },
        BatchInfo {
            processing_start_time: None,
            ..whole
        },
    ] {
        controller.batch_completed(&partial, 1);
    }
    assert_eq!(told.1.load(Ordering::Relaxed), 0);
    assert_eq!(controller.latest(), None);
}

#[test]
fn each_stream_follows_its_own_records() {
    let pressure = of(&on(None), &["a", "b", "idle"], &[]);
    let bucket = pressure.bucket(&uid("a"), None, clock());
    assert_eq!(bucket.rate(), None);
    pressure.batch_completed(&batch(
        1000,
        0,
        500,
        &[("a", 1000), ("b", 4000), ("idle", 0)],
    ));
    assert!(pressure.latest().is_empty(), "the first batch sets a start");
    pressure.batch_completed(&batch(
        2000,
        0,
        500,
        &[("a", 1000), ("b", 4000), ("other", 9)],
    ));
    let latest: Vec<_> = pressure.latest().into_iter().collect();
    assert_eq!(latest, [(uid("a"), 2000), (uid("b"), 8000)]);
    assert_eq!(bucket.rate(), Some(2000.0));
    assert_eq!(pressure.most_records(&uid("b")), Some(8000));
    assert_eq!(pressure.most_records(&uid("idle")), None);
    let limits: Vec<_> = pressure
        .rates()
        .into_iter()
        .map(|rate| rate.rate_limit)
        .collect();
    assert_eq!(limits, [Some(2000.0), Some(8000.0), None]);
}

#[test]
fn a_checkpoints_rate_goes_before_the_initial_one_and_stays_until_there_is_another() {
    let pressure = of(&on(Some(50.0)), &["a", "b"], &[("a", 700), ("gone", 3)]);
    let held = pressure.bucket(&uid("a"), None, clock());
    let fresh = pressure.bucket(&uid("b"), None, clock());
    assert_eq!((held.rate(), fresh.rate()), (Some(700.0), Some(50.0)));
    assert_eq!(pressure.latest(), BTreeMap::from([(uid("a"), 700)]));
    pressure.batch_completed(&batch(1000, 0, 100, &[("a", 40), ("b", 40)]));
    assert_eq!((held.rate(), fresh.rate()), (Some(700.0), Some(50.0)));
    pressure.batch_completed(&batch(2000, 0, 100, &[("a", 40), ("b", 40)]));
    assert_eq!((held.rate(), fresh.rate()), (Some(400.0), Some(400.0)));
}

#[test]
fn without_back_pressure_only_the_set_limit_counts() {
    let off = BackpressureSettings {
        initial_rate: Some(5.0),
        ..BackpressureSettings::default()
    };
    let pressure = of(&off, &["a"], &[("a", 3)]);
    assert_eq!(pressure.bucket(&uid("a"), None, clock()).rate(), None);
    let bucket = pressure.bucket(&uid("a"), Some(9.0), clock());
    assert_eq!(bucket.rate(), Some(9.0));
    assert_eq!(pressure.most_records(&uid("a")), None);
    assert!(pressure.latest().is_empty() && pressure.rates().is_empty());
}

#[test]
fn a_direct_source_may_plan_an_intervals_worth_and_at_least_one_record() {
    for (interval, rate, most) in [
        (1000, 300.0, 300),
        (250, 300.0, 75),
        (2000, 300.0, 600),
        (1, 100.0, 1),
    ] {
        let interval = Duration::from_millis(interval);
        let pressure = Backpressure::new(&on(Some(rate)), interval, [uid("a")], &BTreeMap::new());
        assert_eq!(pressure.most_records(&uid("a")), Some(most));
    }
}

#[test]
fn a_batch_takes_no_more_than_it_may_with_or_without_back_pressure() {
    let limit = Some(500);
    let off = of(&BackpressureSettings::default(), &["a"], &[]);
    assert_eq!(off.most_received(&uid("a")), None);
    off.limit_batches(limit);
    assert_eq!(off.most_received(&uid("a")), Some(500));
    assert_eq!(off.most_records(&uid("a")), Some(500));
    off.limit_batches(None);
    assert_eq!(off.most_records(&uid("a")), None);

    let on = of(&on(Some(300.0)), &["a"], &[]);
    // Received blocks that wait are worked off beside what comes in.
    assert_eq!(on.most_received(&uid("a")), Some(600));
    on.limit_batches(limit);
    assert_eq!(on.most_received(&uid("a")), Some(500));
    assert_eq!(on.most_records(&uid("a")), Some(300));
}

/// Batches of a second over a processor with a constant cost for each record and each batch, fed as fast as
/// the rate allows.
struct Simulated {
    pressure: Backpressure,
    bucket: Arc<TokenBucket>,
    cost_us: u64,
    fixed_ms: u64,
    /// When the processor is done with all that it was given.
    free_at: u64,
    now: u64,
}

impl Simulated {
    /// Runs a batch; returns its records and its scheduling delay.
    fn step(&mut self, offered: u64) -> (u64, u64) {
        let rate = self.bucket.rate().map_or(u64::MAX, |rate| rate as u64);
        let records = offered.min(rate);
        self.now += 1000;
        let waited = self.free_at.saturating_sub(self.now);
        let processed = self.fixed_ms + records * self.cost_us / 1000;
        self.free_at = self.now + waited + processed;
        self.pressure
            .batch_completed(&batch(self.now, waited, processed, &[("a", records)]));
        (records, waited)
    }
}

proptest! {
    /// Ends within what can be processed, and nothing waits any more, whatever was offered before.
    #[test]
    fn the_rate_settles_at_what_can_be_processed(
        cost_us in 20u64..5000, fixed_ms in 0u64..200, factor in 2u64..20
    ) {
        let capacity = (1000 - fixed_ms) * 1000 / cost_us;
        // Below the least rate nothing can be held back.
        prop_assume!(capacity > 150);
        let pressure = of(&on(None), &["a"], &[]);
        let bucket = pressure.bucket(&uid("a"), None, clock());
        let mut simulated = Simulated { pressure, bucket, cost_us, fixed_ms, free_at: 0, now: 0 };
        let steps: Vec<_> = (0..200).map(|_| simulated.step(capacity * factor)).collect();
        for (records, waited) in &steps[150..] {
            let share = *records as f64 / capacity as f64;
            prop_assert!((0.7..1.3).contains(&share), "{share} of what can be processed; {steps:?}");
            prop_assert!(*waited < 2000, "{waited} ms late; {steps:?}");
        }
        let mean = steps[150..].iter().map(|(records, _)| *records as f64).sum::<f64>() / 50.0;
        prop_assert!((0.9..1.05).contains(&(mean / capacity as f64)), "{mean} of {capacity}");
    }
}

#[test]
fn factors_and_the_initial_rate_change_while_it_runs() {
    let pressure = of(&on(Some(50.0)), &["a", "b"], &[("b", 700)]);
    let a = pressure.bucket(&uid("a"), None, clock());
    let b = pressure.bucket(&uid("b"), None, clock());
    let tuned = PidSettings {
        min_rate: 900.0,
        ..PidSettings::default()
    };
    pressure.tune(Some(80.0), &tuned);
    // A rate that was estimated goes before the initial one.
    assert_eq!((a.rate(), b.rate()), (Some(80.0), Some(700.0)));
    assert_eq!(pressure.most_records(&uid("a")), Some(80));
    pressure.batch_completed(&batch(1000, 0, 100, &[("a", 40), ("b", 40)]));
    pressure.batch_completed(&batch(2000, 0, 100, &[("a", 40), ("b", 40)]));
    assert_eq!((a.rate(), b.rate()), (Some(900.0), Some(900.0)));
    pressure.tune(None, &PidSettings::default());
    pressure.batch_completed(&batch(3000, 0, 100, &[("a", 40), ("b", 40)]));
    assert_eq!((a.rate(), b.rate()), (Some(400.0), Some(400.0)));

    let fresh = of(&on(Some(50.0)), &["a"], &[]);
    let bucket = fresh.bucket(&uid("a"), Some(60.0), clock());
    fresh.tune(None, &PidSettings::default());
    assert_eq!(bucket.rate(), Some(60.0));
}
