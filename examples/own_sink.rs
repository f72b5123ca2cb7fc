//! A sink of one's own that writes each batch exactly once: a file of JSON lines, created under the batch's
//! name by a hard link, which succeeds once. `tests/sink_conformance` holds it to the contract of sinks.
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
//! cargo run --example own_sink -- localhost:9999 data/own_sink/out
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidemill::rdd::{BoxError, Rdd, TaskError};
use tidemill::sink::{BatchIdentity, Guarantee, Sink};
use tidemill::{StreamingContext, Time};

const CHECKPOINT: &str = "sled:data/own_sink/checkpoint";

/// Counted words as a file `TIME.jsonl` for each batch. A folder belongs to one output.
pub struct JsonLines {
    folder: PathBuf,
}

impl JsonLines {
    /// Writes below `folder`, which is made when it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The file of a batch: when it is there, the batch is committed.
    pub fn path(&self, time: Time) -> PathBuf {
        self.folder.join(format!("{}.jsonl", time.as_millis()))
    }

    /// Writes a file that no other attempt writes to, this process's or another's.
    fn write_aside(&self, lines: &[u8]) -> Result<PathBuf, BoxError> {
        static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
        loop {
            let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!(".{attempt}.tmp"));
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(lines)?;
                    file.sync_all()?;
                    return Ok(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Sink<(String, u64)> for JsonLines {
    fn kind(&self) -> &'static str {
        "json_lines"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn check(&self) -> Result<(), BoxError> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| format!("{} can't be made: {error}", self.folder.display()).into())
    }

    fn commit(&self, batch: &BatchIdentity, counts: &Rdd<(String, u64)>) -> Result<(), BoxError> {
        let path = self.path(batch.time);
        if !path.try_exists()? {
            // First compute, then write: a computation that fails leaves nothing.
            let parts = counts.run_partitions(|partition| {
                let mut lines = Vec::new();
                partition.try_for_each(|count| {
                    serde_json::to_writer(&mut lines, count)?;
                    lines.push(b'\n');
                    Ok::<_, serde_json::Error>(())
                })?;
                Ok::<_, TaskError>(lines)
            })?;
            let aside = self.write_aside(&parts.concat())?;
            // The step that decides: of all attempts, in whatever process, one gets the name.
            let linked = fs::hard_link(&aside, &path);
            fs::remove_file(&aside)?;
            match linked {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        // Also when the file was there: whoever made it may have died before it was durable.
        sync_folder(&self.folder)
    }
}

fn sync_folder(folder: &Path) -> Result<(), BoxError> {
    Ok(File::open(folder)?.sync_all()?)
}

// The test of the contract takes the sink from this file, and has no use for the program.
#[allow(dead_code)]
fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "localhost:9999".into());
    let folder = arguments
        .next()
        .unwrap_or_else(|| "data/own_sink/out".into());

    let context = StreamingContext::builder("own_sink", Duration::from_secs(1))
        .checkpoint(CHECKPOINT)
        .build()?;
    let words = context
        .socket_text_stream(&address)
        .flat_map::<str>(|line, out| {
            line.split_whitespace().for_each(|word| out.emit(word));
        });
    words.count_by_value().sink(JsonLines::new(folder));

    context.start()?;
    context.await_termination()?;
    Ok(())
}
