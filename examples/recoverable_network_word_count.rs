//! Counts words that come from a TCP server, goes on after any crash, and writes each batch once.
//!
//! In one terminal, a server to type into:
//!
//! ```text
//! nc -lk 9999
//! ```
//!
//! In another (the arguments are the server, the checkpoint and the prefix of the output):
//!
//! ```text
//! cargo run --example recoverable_network_word_count -- \
//!     localhost:9999 sled:data/recoverable/checkpoint data/recoverable/out/counts
//! ```
//!
//! Each batch becomes a folder `data/recoverable/out/counts-TIME_MS.txt`. Kill the program at any moment
//! and start it again: batches that were not finished are run again with the same records, and a batch
//! whose folder is there already leaves it as it is.

use std::time::Duration;

use tidemill::StreamingContext;

/// Declares the program. It runs at every start; what a checkpoint holds is attached to it.
fn declare(address: &str, output: &str) -> tidemill::Result<StreamingContext> {
    let context =
        StreamingContext::builder("recoverable_network_word_count", Duration::from_secs(1))
            .build()?;
    let lines = context.socket_text_stream(address);
    let words = lines.flat_map::<str>(|line, out| {
        line.split_whitespace().for_each(|word| out.emit(word));
    });
    words
        .count_by_value()
        .save_as_text_files(output, Some("txt"));
    Ok(context)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let address = argument("localhost:9999");
    let checkpoint = argument("sled:data/recoverable/checkpoint");
    let output = argument("data/recoverable/out/counts");

    let context = StreamingContext::get_or_create(checkpoint, || declare(&address, &output))?;
    context.start()?;
    context.await_termination()?;
    Ok(())
}
