//! The pipelines under test: those of `config/examples`, but for times, sizes and places, and one more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::object_servers::Bucket;
use super::place::OutputPlace;
use super::wide;

/// One of the pipelines that newcomers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipeline {
    WordCount,
    Stateful,
    Windowed,
    /// Not an example: what those leave out.
    Wide,
}

/// Where its checkpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sled,
    File,
    /// Checkpoints, logs and outputs in a bucket, nothing on the machine's own disk.
    Bucket,
}

/// The windowed example's window, and the same in as many batches of a shorter interval.
const EXAMPLE_WINDOW: &str = r#"length = "12s", slide = "6s""#;
const WINDOW: &str = r#"length = "600ms", slide = "300ms""#;
pub const WINDOW_LENGTH_MS: u64 = 600;
pub const WINDOW_SLIDE_MS: u64 = 300;

impl Pipeline {
    /// The example's name, without its ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordCount => "wordcount",
            Self::Stateful => "stateful_wordcount",
            Self::Windowed => "windowed_wordcount",
            Self::Wide => "wide",
        }
    }

    pub fn batch_interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::WordCount | Self::Stateful => 200,
            Self::Windowed => 150,
            Self::Wide => wide::INTERVAL_MS,
        })
    }

    /// Its text, with windows as short as batches are here.
    pub fn text(self) -> String {
        if self == Self::Wide {
            return wide::TEXT.to_owned();
        }
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
        let path = examples.join(self.name()).with_extension("toml");
        let text = std::fs::read_to_string(&path).unwrap();
        if self != Self::Windowed {
            return text;
        }
        assert!(
            text.contains(EXAMPLE_WINDOW),
            "{} has another window",
            path.display()
        );
        text.replace(EXAMPLE_WINDOW, WINDOW)
    }
}

/// Where a trial keeps what outlives a process.
#[derive(Clone)]
pub struct Places {
    pub root: PathBuf,
    pub pipeline: Pipeline,
    pub store: Store,
    /// Where everything is with [`Store::Bucket`].
    pub bucket: Option<Arc<Bucket>>,
}

impl Places {
    fn url(&self, what: &str) -> String {
        let scheme = match (&self.bucket, self.store) {
            (Some(bucket), _) => return format!("{}/app/{what}", bucket.url),
            (None, Store::Sled) if what == "checkpoint" => "sled",
            (None, _) => "file",
        };
        format!("{scheme}:{}", self.root.join(what).display())
    }

    /// The pipeline's, or longer: a batch in a bucket takes dozens of requests.
    pub fn batch_interval(&self) -> Duration {
        let usual = self.pipeline.batch_interval();
        match (self.store, self.pipeline) {
            (Store::Sled | Store::File, _) | (Store::Bucket, Pipeline::Windowed) => usual,
            (Store::Bucket, Pipeline::WordCount | Pipeline::Stateful) => usual * 5,
            // Several outputs, and every batch that was missed is run.
            (Store::Bucket, Pipeline::Wide) => usual * 10,
        }
    }

    /// How long after a record's batch it may still turn up in outputs, in milliseconds.
    pub fn memory_ms(&self) -> u64 {
        match self.pipeline {
            Pipeline::Windowed => WINDOW_LENGTH_MS + WINDOW_SLIDE_MS,
            Pipeline::Wide => wide::Times::of(self).memory_ms(),
            Pipeline::WordCount | Pipeline::Stateful => 0,
        }
    }

    /// The pipeline's text, with times as long as its batches take here.
    pub fn text(&self) -> String {
        match self.pipeline {
            Pipeline::Wide => wide::Times::of(self).text(),
            other => other.text(),
        }
    }

    pub fn checkpoint_url(&self) -> String {
        self.url("checkpoint")
    }

    pub fn wal_url(&self) -> String {
        self.url("wal")
    }

    /// The folder of the logs; there is none with a bucket.
    pub fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    pub fn outputs(&self) -> OutputPlace {
        self.output("out")
    }

    /// The folder of this name.
    pub fn output(&self, name: &str) -> OutputPlace {
        match &self.bucket {
            None => OutputPlace::Folder(self.root.join(name)),
            Some(bucket) => OutputPlace::bucket(bucket, "app", name),
        }
    }

    /// What a process needs to find the bucket.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = self.bucket.as_ref().map(|bucket| bucket.variables.clone());
        variables.unwrap_or_default()
    }

    /// The pipeline's file; written when a trial begins.
    pub fn file(&self) -> PathBuf {
        self.root.join("pipeline.toml")
    }

    /// What the command line overrides: places, and sizes so small that logs rotate and are cleaned up.
    pub fn settings(&self, port: u16) -> Vec<String> {
        let interval = self.batch_interval();
        let at = |what: &str| match &self.bucket {
            Some(_) => self.url(what),
            None => self.root.join(what).display().to_string(),
        };
        let mut settings = vec![
            format!("batch_interval={}ms", interval.as_millis()),
            format!("checkpoint.url={}", self.checkpoint_url()),
            format!("checkpoint.interval={}ms", (interval * 2).as_millis()),
            format!("wal.url={}", self.wal_url()),
            "wal.segment_size=4KiB".to_owned(),
            "receiver.block_interval=10ms".to_owned(),
            format!("admin.listen=127.0.0.1:{port}"),
            format!("sinks.files.prefix={}", at("out/counts")),
        ];
        if self.pipeline == Pipeline::Wide {
            settings.extend([
                format!("sinks.totals.prefix={}", at("totals/counts")),
                format!("sinks.windows.prefix={}", at("windows/counts")),
                format!("dead_letters.url={}", at("letters")),
            ]);
        }
        settings
    }
}
