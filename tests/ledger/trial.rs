//! [`Trial`]: one pipeline on fresh places with clients that feed it, until its outputs are checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::daemon::{Daemon, Launch, PATIENCE, free_port};
use super::feeder::Feeder;
use super::object_servers::{Bucket, Protocol, bucket};
use super::output::Outputs;
use super::records::Ledger;
use super::rng::Rng;
use super::rules;
use super::wide::{self, Beside};
use super::workload::{Pipeline, Places, Store};

/// How often a mended program is killed while it puts letters back.
const KILLS_WHILE_PUTTING_BACK: u32 = 3;

/// A trial; its folder stays when the test fails.
pub struct Trial {
    pub launch: Launch,
    pub outputs: Outputs,
    /// What the wide pipeline writes beside them.
    beside: Option<Beside>,
    ledger: Arc<Ledger>,
    feeders: Vec<Feeder>,
    seed: u64,
}

impl Trial {
    /// Sets up places of this name and starts to feed.
    pub fn new(name: &str, pipeline: Pipeline, store: Store, seed: u64, rng: &Rng) -> Self {
        let bucket = (store == Store::Bucket).then(|| Arc::new(bucket(Protocol::S3)));
        Self::at(name, pipeline, store, bucket, seed, rng)
    }

    /// The same with all places in a bucket.
    pub fn in_bucket(
        name: &str,
        pipeline: Pipeline,
        bucket: Arc<Bucket>,
        seed: u64,
        rng: &Rng,
    ) -> Self {
        Self::at(name, pipeline, Store::Bucket, Some(bucket), seed, rng)
    }

    fn at(
        name: &str,
        pipeline: Pipeline,
        store: Store,
        bucket: Option<Arc<Bucket>>,
        seed: u64,
        rng: &Rng,
    ) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ledger-{name}-{seed}"));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        let places = Places {
            root,
            pipeline,
            store,
            bucket,
        };
        std::fs::write(places.file(), pipeline.text()).unwrap();
        let launch = Launch {
            port: free_port(rng),
            machine: 0,
            places,
        };
        // The words must differ from those of any other trial, not from run to run.
        let ledger = Arc::new(Ledger::new(seed));
        let feeder = Feeder::start(launch.address(), &ledger, rng);
        let outputs = Outputs::new(launch.places.outputs(), seed);
        let is_wide = pipeline == Pipeline::Wide;
        let beside = is_wide.then(|| Beside::new(&launch.places, seed));
        Self {
            launch,
            outputs,
            beside,
            ledger,
            feeders: vec![feeder],
            seed,
        }
    }

    /// From now on daemons start on another machine: another folder, another port, clients of its own.
    /// Returns how they were started before.
    pub fn move_to_another_machine(&mut self, rng: &Rng) -> Launch {
        let before = self.launch.clone();
        self.launch.machine += 1;
        self.launch.port = free_port(rng);
        let feeder = Feeder::start(self.launch.address(), &self.ledger, rng);
        self.feeders.push(feeder);
        before
    }

    pub fn root(&self) -> PathBuf {
        self.launch.places.root.clone()
    }

    /// Reads what has been put in place; it must be whole.
    pub fn look(&mut self) {
        let looked = self.outputs.refresh();
        self.expect(looked);
        let looked = self.beside.as_mut().map(Beside::refresh);
        self.expect(looked.unwrap_or(Ok(())));
    }

    /// Stops feeding, lets everything come out, stops gracefully and checks all.
    pub fn finish(mut self) {
        let mut daemon = self.launch.start(None);
        daemon.expect_ready();
        self.feeders.drain(..).for_each(Feeder::stop);
        self.drain(&mut daemon);
        daemon.terminate();
        if self.beside.is_some() {
            self.put_letters_back();
        }
        let checked = self.outputs.check_final();
        self.expect(checked);
        let checked = rules::check(self.launch.places.pipeline, &self.outputs, &self.ledger);
        self.expect(checked);
        let mut summary = self.ledger.summary();
        if let Some(mut beside) = self.beside.take() {
            let checked = beside.check_final();
            self.expect(checked.and_then(|()| beside.check(&self.outputs, &self.ledger)));
            summary = format!("{summary}; {}", beside.summary());
        }
        self.expect(self.launch.verify());
        println!("{}: {summary}", self.root().display());
        std::fs::remove_dir_all(self.root()).unwrap();
    }

    /// Mends the program, has it put all letters back while it is killed, and lets them come out. All of
    /// its batches must be complete: one that is run again would find records to be good that are letters.
    fn put_letters_back(&mut self) {
        std::fs::write(self.launch.places.file(), wide::mended()).unwrap();
        let mut dice = Rng::new(self.seed).part(2);
        for _ in 0..KILLS_WHILE_PUTTING_BACK {
            let mut daemon = self.launch.start(None);
            daemon.expect_ready();
            self.requeue_and_kill(daemon, &mut dice);
            self.look();
        }
        let mut daemon = self.launch.start(None);
        daemon.expect_ready();
        let done = wide::requeue_to_the_last(self.launch.address());
        self.expect(done);
        self.drain(&mut daemon);
        daemon.terminate();
    }

    /// Whether letters can be put back.
    pub fn has_letters(&self) -> bool {
        self.beside.is_some()
    }

    /// Kills a daemon that is being asked to put letters back.
    pub fn requeue_and_kill(&self, daemon: Daemon, dice: &mut Rng) {
        let address = self.launch.address();
        let asked = std::thread::spawn(move || wide::requeue(address));
        std::thread::sleep(dice.millis(0..25));
        daemon.kill();
        let answer = asked.join().unwrap();
        self.expect(answer.unwrap_or(Ok(serde_json::Value::Null)).map(drop));
    }

    /// Waits for the output of a batch so late that nothing that was fed can come after it.
    fn drain(&mut self, daemon: &mut Daemon) {
        let pipeline = self.launch.places.pipeline;
        let slack =
            pipeline.memory_ms() + 2 * self.launch.places.batch_interval().as_millis() as u64;
        let wanted = wall_clock_ms() + slack;
        let deadline = Instant::now() + PATIENCE;
        while self.outputs.last_time() < Some(wanted) {
            let last = self.outputs.last_time();
            assert!(
                Instant::now() < deadline && daemon.ended().is_none(),
                "seed {}: the last batch is {last:?}, {wanted} was waited for\n{}",
                self.seed,
                daemon.last_words()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
            self.look();
        }
    }

    /// Fails the test with all that is needed to look into it.
    pub fn expect(&self, checked: Result<(), String>) {
        if let Err(violation) = checked {
            let (seed, root) = (self.seed, self.root());
            panic!(
                "seed {seed}: {violation}\nall is kept in {}",
                root.display()
            );
        }
    }
}

fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64
}
