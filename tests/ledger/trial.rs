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
use super::savepoints::{Gone, Saved, Saving};
use super::wide::{self, Beside, Times};
use super::workload::{Pipeline, Places, Store};

/// How often a mended program is killed while it puts letters back.
const KILLS_WHILE_PUTTING_BACK: u32 = 3;

/// Where one that goes back to a savepoint is killed, if it comes there.
const POINTS_OF_GOING_BACK: [&str; 4] = [
    "recovery::before_savepoint_blocks",
    "recovery::after_savepoint_blocks",
    "recovery::before_first_checkpoint",
    "recovery::after_first_checkpoint",
];

/// A trial; its folder stays when the test fails.
pub struct Trial {
    pub launch: Launch,
    pub outputs: Outputs,
    /// What the wide pipeline writes beside them.
    beside: Option<Beside>,
    ledger: Arc<Ledger>,
    feeders: Vec<Feeder>,
    /// Who asks for savepoints of the wide pipeline.
    saving: Vec<Saving>,
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
        std::fs::write(places.file(), places.text()).unwrap();
        let launch = Launch {
            port: free_port(rng),
            machine: 0,
            from: None,
            places,
        };
        // The words must differ from those of any other trial, not from run to run.
        let ledger = Arc::new(Ledger::new(seed));
        let feeder = Feeder::start(launch.address(), &ledger, rng);
        let outputs = Outputs::new(launch.places.outputs(), seed);
        let is_wide = pipeline == Pipeline::Wide;
        let beside = is_wide.then(|| Beside::new(&launch.places, seed));
        let mut trial = Self {
            launch,
            outputs,
            beside,
            ledger,
            feeders: vec![feeder],
            saving: Vec::new(),
            seed,
        };
        trial.have_savepoints_made();
        trial
    }

    /// Has more clients feed it.
    #[cfg(feature = "failpoints")]
    pub fn feed_more(&mut self, rng: &Rng) {
        let feeder = Feeder::start(self.launch.address(), &self.ledger, rng);
        self.feeders.push(feeder);
    }

    fn have_savepoints_made(&mut self) {
        if self.beside.is_some() {
            let (stem, address) = (format!("m{}", self.launch.machine), self.launch.address());
            self.saving
                .push(Saving::start(&stem, address, &self.ledger));
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
        self.have_savepoints_made();
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
        let saving = std::mem::take(&mut self.saving);
        let saved: Vec<Saved> = saving.into_iter().flat_map(Saving::stop).collect();
        if self.beside.is_some() {
            self.put_letters_back();
        }
        let checked = self.outputs.check_final();
        self.expect(checked);
        let checked = rules::check(self.launch.places.pipeline, &self.outputs, &self.ledger);
        self.expect(checked);
        let mut summary = self.ledger.summary();
        if let Some(beside) = &mut self.beside {
            let checked = beside.check_final();
            let checked = checked.and_then(|()| beside.check(&self.outputs, &self.ledger));
            summary = format!("{summary}; {}", beside.summary());
            self.expect(checked);
        }
        self.expect(self.launch.verify());
        if self.beside.is_some() {
            self.every_savepoint_is_kept(&saved);
            self.go_back(&saved);
            summary = format!("{summary}; {} savepoints", saved.len());
        }
        self.expect(self.no_scratch_is_left());
        println!("{}: {summary}", self.root().display());
        std::fs::remove_dir_all(self.root()).unwrap();
    }

    /// Mends the program, has it put all letters back while it is killed, and lets them come out. All of
    /// its batches must be complete: one that is run again would find records to be good that are letters.
    fn put_letters_back(&mut self) {
        let mended = Times::of(&self.launch.places).mended();
        std::fs::write(self.launch.places.file(), mended).unwrap();
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

    /// Files of states that have no room in memory go with their process, those of a killed one with the next.
    fn no_scratch_is_left(&self) -> Result<(), String> {
        let entries = std::fs::read_dir(self.root().join("scratch"));
        let left: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("scratch files are left over: {left:?}")),
        }
    }

    /// Clean-ups and retention never take a savepoint.
    fn every_savepoint_is_kept(&self, saved: &[Saved]) {
        let there = self.launch.savepoints();
        let kept = there.and_then(|there| {
            let gone = saved.iter().find(|saved| !there.contains(&saved.name));
            gone.map_or(Ok(()), |gone| Err(format!("{gone:?} is gone")))
        });
        self.expect(kept);
    }

    /// Goes back to one of the savepoints, is killed on the way, is fed again, and checks what is left then.
    /// All that was fed before is in complete batches. The program is again the one that made them: batches
    /// that weren't complete in a savepoint are run again, and must find the same records to be good.
    fn go_back(&mut self, saved: &[Saved]) {
        let mut dice = Rng::new(self.seed).part(3);
        let Some(through) = self.outputs.last_time().filter(|_| !saved.is_empty()) else {
            return self.expect(Err("no savepoint was made".to_owned()));
        };
        let saved = &saved[dice.below(0..saved.len() as u64) as usize];
        let shown = self
            .launch
            .checkpoint("show", &["--id", &saved.id.to_string()]);
        // There may have been no batch yet.
        let ends = ["lastAllocated", "completeThrough"];
        let end = |shown: serde_json::Value| ends.iter().find_map(|end| shown[*end].as_u64());
        let after = shown.map(end).map(Option::unwrap_or_default);
        self.expect(after.clone().map(drop));
        let gone = Gone {
            after: after.unwrap_or_default(),
            through,
        };
        let before = self.ledger.sent();
        std::fs::write(self.launch.places.file(), self.launch.places.text()).unwrap();
        self.launch.from = Some(saved.name.clone());
        if cfg!(feature = "failpoints") {
            let point = POINTS_OF_GOING_BACK[dice.below(0..4) as usize];
            let mut daemon = self.launch.start(Some(&format!("{point}=return")));
            assert!(
                daemon.wait_end(PATIENCE).is_some(),
                "{point} isn't passed\n{}",
                daemon.last_words()
            );
        }
        let daemon = self.launch.start(None);
        std::thread::sleep(dice.millis(0..200));
        daemon.kill();
        let feeder = Feeder::start(self.launch.address(), &self.ledger, &Rng::new(self.seed));
        let mut daemon = self.launch.start(None);
        daemon.expect_ready();
        std::thread::sleep(dice.millis(0..400));
        daemon.kill();
        let mut daemon = self.launch.start(None);
        daemon.expect_ready();
        std::thread::sleep(dice.millis(0..400));
        feeder.stop();
        self.drain(&mut daemon);
        daemon.terminate();
        let checked = self.outputs.check_final();
        self.expect(checked);
        let left = self.outputs.without(gone);
        let put_aside = self.beside.as_mut().map(|beside| {
            beside.check_final()?;
            beside.check_without(&left, gone)?;
            Ok(beside.put_aside_without(gone))
        });
        let checked = put_aside.unwrap_or_else(|| Ok(Default::default()));
        let checked = checked
            .and_then(|aside| saved.check(&left, gone, &aside, &before, &self.ledger))
            .and_then(|()| self.launch.verify());
        self.expect(
            checked.map_err(|wrong| format!("back to {} at {gone:?}: {wrong}", saved.name)),
        );
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
        let places = &self.launch.places;
        let slack = places.memory_ms() + 2 * places.batch_interval().as_millis() as u64;
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
