//! Counts the words that come from a TCP server over all time: running totals that survive a crash.
//!
//! In one terminal, a server to type into:
//!
//! ```text
//! nc -lk 9999
//! ```
//!
//! In another:
//!
//! ```text
//! cargo run --example stateful_network_word_count -- localhost:9999
//! ```
//!
//! Kill it, even with `kill -9`, and start it again: the totals go on. To begin anew, delete
//! `data/stateful_network_word_count`.

use std::time::Duration;

use tidemill::StreamingContext;

const CHECKPOINT: &str = "sled:data/stateful_network_word_count/checkpoint";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:9999".to_owned());

    let context = StreamingContext::builder("stateful_network_word_count", Duration::from_secs(1))
        .checkpoint(CHECKPOINT)
        .build()?;
    let lines = context.socket_text_stream(address);
    let words = lines.flat_map::<str>(|line, out| {
        line.split_whitespace().for_each(|word| out.emit(word));
    });
    // Called in every batch for every word that has a total or occurs: what is new, and the total so far.
    // `None` would forget the word.
    let totals = words
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        });
    // By this name a checkpoint finds the totals again, also when the program around them has changed.
    totals.uid("totals").print();

    context.start()?;
    context.await_termination()?;
    Ok(())
}
