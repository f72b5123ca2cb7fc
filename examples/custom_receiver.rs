//! A receiver of one's own: lines from a TCP server, each answered with `ok` once it is durable.
//!
//! In one terminal, a server to type into, which shows the answers:
//!
//! ```text
//! nc -lk 9999
//! ```
//!
//! In another:
//!
//! ```text
//! cargo run --example custom_receiver -- localhost:9999
//! ```

use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const CHECKPOINT: &str = "sled:data/custom_receiver/checkpoint";

/// Reads lines from a server and acknowledges each.
struct AcknowledgedLines {
    address: String,
}

impl Receiver for AcknowledgedLines {
    type Record = str;

    /// An error ends this run only: the receiver is started again, with back-off, for ever.
    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let mut connection = TcpStream::connect(&self.address).await?;
        let (from_server, mut to_server) = connection.split();
        let mut lines = BufReader::new(from_server).lines();
        while let Some(line) = lines.next_line().await? {
            // Comes back when the line is in the write-ahead log and sure to be in exactly one batch. Only
            // then the source may forget it. `store.store(&line)` would come back at once.
            store.store_reliably([line.as_str()]).await?;
            to_server.write_all(b"ok\n").await?;
        }
        Err("the server closed the connection".into())
    }

    fn describe(&self) -> String {
        self.address.clone()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:9999".to_owned());

    // The log lives beside the checkpoint. Without a checkpoint location it would be in memory only.
    let context = StreamingContext::builder("custom_receiver", Duration::from_secs(1))
        .checkpoint(CHECKPOINT)
        .build()?;
    let lines = context.receiver_stream(AcknowledgedLines { address });
    let words = lines.flat_map::<str>(|line, out| {
        line.split_whitespace().for_each(|word| out.emit(word));
    });
    words.count_by_value().print();

    context.start()?;
    context.await_termination()?;
    Ok(())
}
