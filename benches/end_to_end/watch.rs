//! [`Watch`]: what completed batches say.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidemill::StreamingContext;
use tidemill::scheduler::{BatchInfo, StreamingEvent};

use crate::raw::cpu_seconds;
use crate::report::percentile;

/// Collects the batches that a context completes.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Vec<Seen>>>);

/// A complete batch, when it was seen, and the processor seconds used up to then.
#[derive(Clone)]
struct Seen {
    at: Instant,
    cpu: f64,
    info: BatchInfo,
}

/// What was processed over some time.
pub struct Rates {
    pub per_second: f64,
    /// What others on the machine take doesn't count in this.
    pub per_cpu_second: f64,
}

/// What was sustained.
pub struct Sustained {
    pub records_per_second: f64,
    /// What others on the machine take doesn't count in this.
    pub records_per_cpu_second: f64,
    pub seconds: f64,
    pub batches: usize,
    /// Milliseconds.
    pub max_scheduling_delay: f64,
    /// Milliseconds.
    pub last_scheduling_delay: f64,
    /// Milliseconds.
    pub median_processing: f64,
}

impl Watch {
    pub fn of(context: &StreamingContext) -> Self {
        let watch = Self::default();
        let seen = watch.clone();
        context
            .add_streaming_listener(move |event: &StreamingEvent| {
                if let StreamingEvent::BatchCompleted(info) = event {
                    let (at, cpu) = (Instant::now(), cpu_seconds());
                    seen.0.lock().unwrap().push(Seen {
                        at,
                        cpu,
                        info: info.clone(),
                    });
                }
            })
            .unwrap();
        watch
    }

    pub fn batches(&self) -> Vec<BatchInfo> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|seen| seen.info.clone())
            .collect()
    }

    /// Waits until so many batches with records are complete.
    pub fn wait_for_batches(&self, count: usize) {
        let filled = |seen: &&Seen| seen.info.num_records > 0;
        while self.0.lock().unwrap().iter().filter(filled).count() < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The records of the batches that were completed since `from`, between the ends of the first and the last.
    pub fn rates_since(&self, from: Instant) -> Rates {
        let seen = self.0.lock().unwrap();
        let of_late: Vec<_> = seen.iter().filter(|seen| seen.at >= from).collect();
        let [first, rest @ .., last] = of_late.as_slice() else {
            panic!("too few batches");
        };
        let between = rest.iter().map(|seen| seen.info.num_records).sum::<u64>();
        let records = (between + last.info.num_records) as f64;
        Rates {
            per_second: records / (last.at - first.at).as_secs_f64(),
            per_cpu_second: records / (last.cpu - first.cpu).max(f64::MIN_POSITIVE),
        }
    }

    /// The records of the batches that were completed between the end of the `warm_up`th batch with
    /// records and the end of the last, over the time between.
    pub fn sustained(&self, warm_up: usize) -> Sustained {
        let seen = self.0.lock().unwrap().clone();
        let filled: Vec<_> = seen
            .iter()
            .filter(|seen| seen.info.num_records > 0)
            .collect();
        let (first, measured) = (filled[warm_up - 1], &filled[warm_up..]);
        let last = measured.last().copied().unwrap_or(first);
        let seconds = (last.at - first.at).as_secs_f64();
        let records = measured
            .iter()
            .map(|seen| seen.info.num_records)
            .sum::<u64>() as f64;
        let all = |of: fn(&BatchInfo) -> Option<u64>| -> Vec<f64> {
            measured
                .iter()
                .filter_map(|seen| Some(of(&seen.info)? as f64))
                .collect()
        };
        let delays = all(BatchInfo::scheduling_delay);
        Sustained {
            records_per_second: records / seconds.max(f64::MIN_POSITIVE),
            records_per_cpu_second: records / (last.cpu - first.cpu).max(f64::MIN_POSITIVE),
            seconds,
            batches: measured.len(),
            max_scheduling_delay: delays.iter().copied().fold(0.0, f64::max),
            last_scheduling_delay: delays.last().copied().unwrap_or_default(),
            median_processing: percentile(&all(BatchInfo::processing_delay), 0.5),
        }
    }
}
