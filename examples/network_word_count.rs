//! Counts the words of each second that come from a TCP server.
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
//! cargo run --example network_word_count -- localhost:9999
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
        StreamingContext::builder("network_word_count", Duration::from_secs(1)).build()?;
    let lines = context.socket_text_stream(address);
    // `split_whitespace` gives views into the line, and `emit` takes them as they are: no word is copied.
    let words = lines.flat_map::<str>(|line, out| {
        line.split_whitespace().for_each(|word| out.emit(word));
    });
    words.count_by_value().print();

    context.start()?;
    context.await_termination()?;
    Ok(())
}
