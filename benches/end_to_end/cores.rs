//! Word count on one thread of the CPU pool and on one a core: what the second core adds.
//!
//! All lines are stored before the batch that counts them, so that nothing but the batch runs while it is
//! measured. How much a core adds on a shared machine, the raw loop says in the same turn.

use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};

use crate::lines::Lines;
use crate::raw;
use crate::report::{Report, percentile};
use crate::watch::Watch;
use crate::word_count::{Run, count_words};

/// How often the generated lines are stored: 3.2 million lines, about 190 MB.
const TIMES: usize = 16;
const PIECE: usize = 20_000;

/// Stores the lines so many times, then nothing more.
struct Burst(&'static Lines);

impl Receiver for Burst {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        for _ in 0..TIMES {
            for piece in self.0.pieces(PIECE) {
                store.store_lines(piece).await?;
            }
        }
        store.stopped().await;
        Ok(())
    }
}

pub fn figure(with: Run<'_>) {
    let turns = if with.short { 3 } else { 5 };
    let mut ratios = Vec::new();
    let (mut ones, mut alls, mut raws) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let ([raw_one, raw_all], (one, all)) = raw::around(
            || {
                let [one, _] = raw::count_loop(with.lines, 1);
                let [all, _] = raw::count_loop(with.lines, with.cores);
                [one, all]
            },
            |_| (count(with, 1), count(with, with.cores)),
        );
        ones.push(one);
        alls.push(all);
        raws.push(raw_all / raw_one);
        ratios.push(all / one);
    }
    Report::new("word_count_cores")
        .number("cores", with.cores as f64)
        .number("lines_per_second_one_thread", percentile(&ones, 0.5))
        .number("lines_per_second_all_threads", percentile(&alls, 0.5))
        .number("ratio", percentile(&ratios, 0.5))
        .number("best_ratio", ratios.iter().copied().fold(0.0, f64::max))
        .number("raw_ratio", percentile(&raws, 0.5))
        .number("goal", 1.8)
        .print();
}

/// Lines a second of processing time. Without a checkpoint location: a context must not go on from the one
/// before, whose blocks are gone, and count nothing quickly.
fn count(with: Run<'_>, threads: usize) -> f64 {
    let context = StreamingContext::builder("cores", Duration::from_secs(2))
        .receiver_write_ahead_log(false)
        .receiver_memory_bytes(2 << 30)
        .parallelism(threads)
        .build()
        .unwrap();
    count_words(&context.receiver_stream(Burst(with.lines)));
    let watch = Watch::of(&context);
    context.start().unwrap();
    let total = (TIMES * with.lines.len()) as u64;
    let batches = loop {
        std::thread::sleep(Duration::from_millis(5));
        let batches = watch.batches();
        if batches.iter().map(|batch| batch.num_records).sum::<u64>() == total {
            break batches;
        }
    };
    context.stop(false).unwrap();
    let processing = batches
        .iter()
        .filter(|batch| batch.num_records > 0)
        .filter_map(|batch| batch.processing_delay())
        .sum::<u64>();
    total as f64 * 1000.0 / processing.max(1) as f64
}
