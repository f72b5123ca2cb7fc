//! Counts the words of the last 30 seconds, every 10 seconds, that come from a TCP server.
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
//! cargo run --example windowed_word_count -- localhost:9999
//! ```

use std::time::Duration;

use tidemill::StreamingContext;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:9999".to_owned());

    let context =
        StreamingContext::builder("windowed_word_count", Duration::from_secs(2)).build()?;
    let lines = context.socket_text_stream(address);
    let words = lines.flat_map::<str>(|line, out| {
        line.split_whitespace().for_each(|word| out.emit(word));
    });
    // Length and slide must be multiples of the batch interval; `start` says so if they aren't.
    let (length, slide) = (Duration::from_secs(30), Duration::from_secs(10));
    let counts = words
        .count_by_value()
        .reduce_by_key_and_window(|a, b| a + b, length, slide);
    counts.print();

    context.start()?;
    context.await_termination()?;
    Ok(())
}
