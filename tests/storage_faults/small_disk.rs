//! The daemon on a real disk that is small: a file system in memory, where mounting one is permitted.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cli_support::{Daemon, Place, eventually, stderr};

const MIB: u64 = 1 << 20;

/// A place whose `data` is a disk of 24 MiB.
struct SmallDisk {
    place: Place,
}

impl SmallDisk {
    /// `None` where nothing may be mounted.
    fn mount() -> Option<Self> {
        let place = Place::new();
        let data = place.path("data");
        std::fs::create_dir(&data).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "none"])
            .arg(&data)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!(
                "skipped: no file system may be mounted here; the simulated disk shows the same"
            );
            return None;
        }
        Some(Self { place })
    }

    fn data(&self) -> PathBuf {
        self.place.path("data")
    }

    /// Fills the disk until only about so many bytes are free; with 0, until it refuses.
    fn fill(&self, left: u64) {
        let mut ballast = File::create(self.data().join("ballast")).unwrap();
        let page = [1; 4096];
        let pages = match left {
            0 => u64::MAX,
            _ => self.free().saturating_sub(left) / 4096 + 1,
        };
        let mut is_written = |_: &u64| ballast.write_all(&page).is_ok();
        (0..pages).take_while(&mut is_written).for_each(drop);
    }

    fn make_room(&self) {
        std::fs::remove_file(self.data().join("ballast")).unwrap();
    }

    /// As `df` tells it.
    fn free(&self) -> u64 {
        let output = Command::new("df")
            .args(["--output=avail", "-B1"])
            .arg(self.data())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().nth(1).unwrap().trim().parse().unwrap()
    }

    fn start(&self, store: &str, reserve: &str) -> Daemon {
        let store = format!("checkpoint.url={store}:data/checkpoint");
        let reserve = format!("storage.reserve={reserve}");
        let sets = ["--set", &store, "--set", &reserve];
        self.place
            .start(&[&sets[..], &["--set", "wal.segment_size=1MiB"]].concat())
    }

    /// Stops the daemon, after which each of so many words has been counted once.
    fn check(self, daemon: Daemon, words: usize) {
        daemon.stop();
        let mut expected: Vec<String> = (0..words).map(|word| format!("(w{word},1)")).collect();
        expected.sort();
        assert_eq!(self.place.output_lines(), expected);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.data()).status();
    }
}

fn word(number: &mut usize) -> String {
    *number += 1;
    format!("w{}\n", *number - 1)
}

#[test]
fn posts_are_refused_at_the_reserve_and_taken_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let daemon = disk.start("sled", "8MiB");
    let mut words = 0;
    daemon.feed(&word(&mut words));
    disk.fill(7 * MIB);
    let refused = eventually("posts are refused", || {
        let answer = daemon.post("/ingest/lines", "");
        let not_ready = daemon.get("/readyz").status == 503;
        assert_eq!(answer.status, 200, "an empty post takes no room");
        not_ready.then(|| daemon.post("/ingest/lines", "refused\n"))
    });
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert!(refused.body.contains("8388608"), "{}", refused.body);
    let ready = daemon.get("/readyz");
    assert!(
        ready.body.contains("sources are held back"),
        "{}",
        ready.body
    );
    assert_eq!(daemon.get("/healthz").status, 200);
    let space = daemon.get("/api/v1/wal").json()["space"].clone();
    assert_eq!(space["heldBack"], true, "{space}");
    assert_eq!(space["reserve"], 8 * MIB);
    assert_eq!(space["pausedSources"][0], "lines");
    assert!(space["since"].is_u64(), "{space}");
    assert!(
        space["disks"][0]["free"].as_u64() < Some(8 * MIB),
        "{space}"
    );
    let metrics = daemon.get("/metrics").body;
    assert!(
        metrics.contains("tidemill_intake_held_back 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("tidemill_disk_free_bytes{holds=\"logs\""),
        "{metrics}"
    );
    let url = daemon.url();
    let status = disk.place.run(&["status", "--admin", &url, "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["ready"], false, "{status}");
    assert_eq!(status["space"]["heldBack"], true, "{status}");
    // Checkpoints still find room.
    let created = daemon.post("/api/v1/checkpoint", "");
    assert_eq!(created.status, 200, "{}", created.body);

    disk.make_room();
    eventually("it is ready again", || {
        (daemon.get("/readyz").status == 200).then_some(())
    });
    daemon.feed(&word(&mut words));
    disk.check(daemon, words);
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let daemon = disk.start("file", "0");
    let mut words = 0;
    daemon.feed(&word(&mut words));
    disk.fill(0);
    let lines = word(&mut words);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| daemon.post("/ingest/lines", &lines));
        eventually("a write is refused", || {
            let space = daemon.get("/api/v1/wal").json()["space"].clone();
            (space["refusals"].as_u64() > Some(0) && space["heldBack"] == true).then_some(())
        });
        assert_eq!(daemon.get("/readyz").status, 503);
        disk.make_room();
        let mut answer = waiting.join().unwrap();
        // A checkpoint may have been refused before the post came.
        while answer.status == 503 {
            answer = daemon.post("/ingest/lines", &lines);
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
    });
    eventually("it is ready again", || {
        (daemon.get("/readyz").status == 200).then_some(())
    });
    daemon.feed(&word(&mut words));
    disk.check(daemon, words);
}

#[test]
fn a_start_on_a_full_disk_ends_with_1_and_says_how_much_it_takes() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    disk.fill(MIB);
    let refused = disk
        .place
        .run(&["run", "p.toml", "--set", "storage.reserve=8MiB"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let told = stderr(&refused);
    assert!(told.contains("a start takes 2097152"), "{told}");
    let names: Vec<_> = std::fs::read_dir(disk.data()).unwrap().collect();
    assert_eq!(names.len(), 1, "only the ballast: {names:?}");
}

/// Only what states have no room for in memory is on the small disk.
#[test]
fn a_full_scratch_disk_fails_batches_until_there_is_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let place = &disk.place;
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text
        .replace("sled:data/checkpoint", "file:kept/checkpoint")
        .replace(
            "{ op = \"count_by_value\" }",
            "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }",
        );
    let state = "\n[state]\nmemory = \"1KiB\"\nscratch = \"data\"\n";
    std::fs::write(place.path("p.toml"), text + state).unwrap();
    let keys = |from: usize| -> String {
        let pad = "x".repeat(200);
        (from..from + 1000)
            .map(|key| format!("k{key}-{pad}\n"))
            .collect()
    };
    let counted = |keys: usize| {
        let folders = std::fs::read_dir(place.path("out")).into_iter().flatten();
        let last = folders.flatten().map(|folder| folder.path());
        let last = last.filter(|path| path.join("_SUCCESS").exists()).max();
        let parts = last.map(|last| std::fs::read_dir(last).unwrap());
        let texts = parts.into_iter().flatten().flatten();
        let texts = texts.map(|part| std::fs::read_to_string(part.path()).unwrap());
        let lines: Vec<String> = texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        assert!(
            lines.iter().all(|line| line.ends_with(",1)")),
            "each key comes once"
        );
        (lines.len() == keys).then_some(())
    };
    let empty = disk.free();
    let daemon = place.start(&[]);
    daemon.feed(&keys(0));
    eventually("all are counted", || counted(1000));
    // The state takes the batch in after it has been written.
    eventually("the state is on the disk", || {
        (disk.free() + 200_000 < empty).then_some(())
    });
    disk.fill(0);
    // So many that there can't be room for them in what the files have already.
    (1..9).for_each(|more| daemon.feed(&keys(more * 1000)));
    let told = eventually("a batch fails", || {
        let ready = daemon.get("/readyz").body;
        ready.contains("scratch").then_some(ready)
    });
    assert!(told.contains("Nothing is lost"), "{told}");
    drop(daemon);
    disk.make_room();
    assert_eq!(
        disk.free(),
        empty,
        "what a killed process had there is left over"
    );
    let daemon = place.start(&[]);
    eventually("all are counted", || counted(9000));
    daemon.stop();
    assert_eq!(disk.free(), empty, "files outlive their process");
}
