//! What Spark's own suite asks of its estimator, and what must hold for any history.

use proptest::prelude::*;

use super::*;

fn estimator(interval_ms: u64, integral: f64, min_rate: f64) -> PidRateEstimator {
    let pid = PidSettings {
        integral,
        min_rate,
        ..PidSettings::default()
    };
    PidRateEstimator::new(Duration::from_millis(interval_ms), pid)
}

/// Batches as (time, records, processing delay, scheduling delay), and the rates that come out.
fn rates(
    estimator: &mut PidRateEstimator,
    batches: impl IntoIterator<Item = (u64, u64, u64, u64)>,
) -> Vec<Option<f64>> {
    let measured = batches.into_iter().map(
        |(time, records, processing_delay, scheduling_delay)| Measured {
            time,
            records,
            processing_delay,
            scheduling_delay,
        },
    );
    measured.map(|batch| estimator.compute(batch)).collect()
}

#[test]
fn which_batches_give_a_rate() {
    for (what, batches, expected) in [
        ("the first sets a start", vec![(0, 10, 10, 0)], vec![None]),
        (
            "10 records in 10 ms are 1000 a second",
            vec![(0, 10, 10, 0), (10, 10, 10, 0)],
            vec![None, Some(1000.0)],
        ),
        (
            "two at one time count once",
            vec![(0, 10, 10, 0), (10, 10, 10, 0), (10, 10, 10, 0)],
            vec![None, Some(1000.0), None],
        ),
        (
            "one that ends before the last tells nothing",
            vec![(10, 10, 10, 0), (5, 20, 10, 0), (20, 20, 10, 0)],
            vec![None, None, Some(2000.0)],
        ),
        (
            "without records there is nothing to measure",
            vec![(0, 10, 10, 0), (10, 0, 10, 0), (20, 30, 10, 0)],
            vec![None, None, Some(3000.0)],
        ),
        (
            "nor without a delay",
            vec![(0, 10, 10, 0), (10, 10, 0, 0), (20, 10, 20, 0)],
            vec![None, None, Some(500.0)],
        ),
        (
            "what doesn't count isn't the first either",
            vec![(0, 0, 10, 0), (10, 10, 0, 0), (20, 10, 10, 0)],
            vec![None, None, None],
        ),
    ] {
        let mut estimator = estimator(20, 0.0, 10.0);
        assert_eq!(rates(&mut estimator, batches), expected, "{what}");
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let usual = PidSettings::default;
    for (pid, named) in [
        (
            PidSettings {
                proportional: -1.0,
                ..usual()
            },
            "proportional is -1",
        ),
        (
            PidSettings {
                integral: -0.1,
                ..usual()
            },
            "integral is -0.1",
        ),
        (
            PidSettings {
                derived: f64::NAN,
                ..usual()
            },
            "derived is NaN",
        ),
        (
            PidSettings {
                min_rate: 0.0,
                ..usual()
            },
            "min_rate is 0",
        ),
        (
            PidSettings {
                min_rate: -10.0,
                ..usual()
            },
            "min_rate is -10",
        ),
    ] {
        let mistake = pid.mistake().unwrap();
        assert!(mistake.contains(named), "{mistake}");
    }
    assert_eq!(usual().mistake(), None);
}

/// 1 record in 20 ms is 50 a second, and 100 ms of delay ask for less than nothing.
#[test]
fn the_rate_stays_at_the_least_however_much_waits() {
    let mut estimator = estimator(20, 1.0, 5.0);
    let batches = (0..50).map(|n| (n * 20, 1, 20, 100));
    let rates = rates(&mut estimator, batches);
    assert_eq!(rates[0], None);
    assert!(
        rates[1..].iter().all(|rate| *rate == Some(5.0)),
        "{rates:?}"
    );
}

#[test]
fn while_nothing_waits_the_rate_is_what_was_processed() {
    let growing: Vec<u64> = (1..=50).collect();
    let shrinking: Vec<u64> = (1..=50).rev().collect();
    for sizes in [growing, shrinking] {
        let mut estimator = estimator(20, 1.0, 10.0);
        let batches = sizes
            .iter()
            .zip(0..)
            .map(|(n, at)| (at * 20, n * 20, 20, 0));
        let expected: Vec<_> = sizes.iter().map(|n| Some(*n as f64 * 1000.0)).collect();
        let rates = rates(&mut estimator, batches);
        assert_eq!(rates[0], None);
        assert_eq!(rates[1..], expected[1..]);
    }
}

/// The formula by hand: last rate 1000, processed 500, 100 of 1000 ms of delay, 2 s since.
#[test]
fn each_term_has_its_factor_and_sign() {
    let pid = PidSettings {
        proportional: 0.5,
        integral: 0.4,
        derived: 0.1,
        min_rate: 1.0,
    };
    let mut estimator = PidRateEstimator::new(Duration::from_secs(1), pid);
    let rates = rates(&mut estimator, [(0, 1000, 1000, 0), (2000, 500, 1000, 100)]);
    let error = 1000.0 - 500.0;
    let expected: f64 = 1000.0 - 0.5 * error - 0.4 * (100.0 * 500.0 / 1000.0) - 0.1 * (error / 2.0);
    assert_eq!(rates, [None, Some(expected)]);
    assert_eq!(expected, 705.0);
}

proptest! {
    #[test]
    fn with_something_waiting_the_rate_is_below_what_was_processed(
        batches in prop::collection::vec((1u64..1000, 1u64..19), 2..60)
    ) {
        let mut estimator = estimator(20, 0.01, 10.0);
        let history = batches.iter().zip(0..).map(|((records, delay), at)| (at * 20, *records, 20, *delay));
        let rates = rates(&mut estimator, history);
        prop_assert_eq!(rates[0], None);
        for (rate, (records, _)) in rates.iter().zip(&batches).skip(1) {
            let speed = *records as f64 / 20.0 * 1000.0;
            // 10 is the least: below it nothing can be asked for.
            prop_assert!(rate.unwrap() < speed.max(10.1), "{:?} at {}", rate, speed);
        }
    }

    #[test]
    fn for_any_history_and_factors_a_rate_is_a_number_and_no_less_than_the_least(
        factors in (0.0f64..10.0, 0.0f64..10.0, 0.0f64..10.0),
        min_rate in 0.5f64..1000.0,
        batches in prop::collection::vec((0u64..100_000, 0u64..1_000_000_000, 0u64..100_000, 0u64..10_000_000), 1..100)
    ) {
        let (proportional, integral, derived) = factors;
        let pid = PidSettings { proportional, integral, derived, min_rate };
        let mut estimator = PidRateEstimator::new(Duration::from_millis(100), pid);
        for rate in rates(&mut estimator, batches).into_iter().flatten() {
            prop_assert!(rate.is_finite() && rate >= min_rate, "{rate}");
        }
    }
}
