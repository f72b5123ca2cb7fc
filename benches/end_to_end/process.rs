//! Figures about a whole process: start to ready, `kill -9` to the first batch, memory when idle.
//!
//! Start and memory are the daemon's, with the example that counts words. For recovery this program starts
//! itself again as a child, `--child TASK FOLDER`, which says on its standard output how far it is, a word
//! a line, and runs until it is killed or its input ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::sink::Discard;

use crate::daemon::Daemon;
use crate::report::{Report, percentile};
use crate::watch::Watch;
use crate::word_count::Run;

/// Keys of state at recovery.
const KEYS: u64 = 1_000_000;
/// Milliseconds that the original takes from the kill to its first batch, measured once, elsewhere.
const ORIGINAL_RECOVERY_MS: f64 = 3_300.0;
/// Mebibytes that the original occupies when idle.
const ORIGINAL_IDLE_MIB: f64 = 375.0;

/// A child and what it says.
struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
    started: Instant,
}

impl Running {
    fn start(task: &str, folder: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(["--child", task]).arg(folder);
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            said,
            started,
        }
    }

    /// Waits until the child says `word`; returns the milliseconds since its start.
    fn wait_for(&mut self, word: &str) -> f64 {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "the child ended before `{word}`"
            );
        }
        self.started.elapsed().as_secs_f64() * 1_000.0
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// From the start of the daemon to its first yes on `/readyz`, with an empty checkpoint.
pub fn start_to_ready(with: Run<'_>) {
    let start = |n| Daemon::start(&with.dir.join(format!("start-{n}")), &[]).wait_until_ready();
    let times: Vec<f64> = (0..9).map(start).collect();
    Report::new("start_to_ready")
        .number("ms_p50", percentile(&times, 0.5))
        .number("ms_max", percentile(&times, 1.0))
        .number("goal_ms", 100.0)
        .print();
}

/// From the start after a SIGKILL to the first complete batch, with much state.
pub fn recovery(with: Run<'_>) {
    let folder = with.dir.join("recovery");
    let mut filled = Running::start("fill", &folder);
    filled.wait_for("durable");
    filled.kill();
    let (mut ready, mut first) = (vec![], vec![]);
    for _ in 0..3 {
        let mut child = Running::start("resume", &folder);
        ready.push(child.wait_for("ready"));
        first.push(child.wait_for("batch"));
        child.kill();
    }
    Report::new("recovery_1m_keys")
        .number("keys", KEYS as f64)
        .number("ms_to_ready_p50", percentile(&ready, 0.5))
        .number("ms_to_first_batch_p50", percentile(&first, 0.5))
        .number("ms_to_first_batch_max", percentile(&first, 1.0))
        .number(
            "of_the_original",
            percentile(&first, 0.5) / ORIGINAL_RECOVERY_MS,
        )
        .number("goal", 0.1)
        .print();
}

/// Memory of a daemon that has nothing to do.
pub fn idle_rss(with: Run<'_>) {
    let mut daemon = Daemon::start(&with.dir.join("idle"), &[]);
    daemon.wait_until_ready();
    std::thread::sleep(Duration::from_secs(10));
    let mib = daemon.resident_mib();
    Report::new("idle_rss")
        .number("mib", mib)
        .number("goal_mib", 25.0)
        .number("of_the_original", mib / ORIGINAL_IDLE_MIB)
        .print();
}

/// What a child does.
pub fn child(arguments: &[String]) {
    let [task, folder] = arguments else {
        panic!("--child TASK FOLDER")
    };
    let folder = Path::new(folder);
    match task.as_str() {
        "fill" => totals(folder, KEYS),
        "resume" => totals(folder, 0),
        other => panic!("no task `{other}`"),
    }
}

/// Ends with the parent.
pub fn until_input_ends() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Each key from 0 on, once.
struct Keys(u64);

impl Receiver for Keys {
    type Record = u64;

    async fn on_start(&mut self, store: Store<u64>) -> Result<(), BoxError> {
        let keys: Vec<u64> = (0..self.0).collect();
        store.store_many(&keys).await?;
        Ok(())
    }
}

/// Running totals by key; says `durable` when `keys` of them are in a checkpoint.
fn totals(folder: &Path, keys: u64) {
    let context = StreamingContext::builder("totals", Duration::from_millis(100))
        .checkpoint(format!("sled:{}", folder.join("checkpoint").display()))
        .build()
        .unwrap();
    let counts = context
        .receiver_stream(Keys(keys))
        .map(|key| (format!("key-{key:09}"), 1_u64));
    counts
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals")
        .sink(Discard);
    let watch = Watch::of(&context);
    context.start().unwrap();
    println!("ready");
    while watch.batches().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("batch");
    while keys > 0
        && context
            .state_sizes()
            .iter()
            .map(|state| state.keys)
            .sum::<u64>()
            < keys
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    if keys > 0 {
        context.checkpoint_now(Duration::from_secs(120)).unwrap();
        println!("durable");
    }
    until_input_ends();
}
