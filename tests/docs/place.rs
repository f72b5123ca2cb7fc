//! A folder in which a document's commands are run as its reader would run them from a clone.
//!
//! Two things are not as there: `cargo run --release --` is the binary under test, so that nothing is built; and
//! the admin address's port is a free one, wherever the document says 4040.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::blocks::Block;
use super::output::is_as_shown;
use super::port::free_port;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

const CARGO: &str = r#"#!/bin/bash
# Stands for cargo: what it would build is built.
case "$*" in
    "run --release -- "*) shift 3; exec tidemill "$@" ;;
    "build --release"*) ;;
    *) echo "the documents' tests have no 'cargo $*'" >&2; exit 1 ;;
esac
"#;

/// What a part of a pipeline is put on top of.
const BASE: &str = r#"
name = "example"
batch_interval = "1s"
[checkpoint]
url = "sled:data/example/checkpoint"
[sources.lines]
type = "http"
[streams.counts]
from = "lines"
ops = [{ op = "split" }, { op = "count_by_value" }]
[sinks.screen]
from = "counts"
type = "console"
"#;

pub struct Place {
    root: PathBuf,
    folder: tempfile::TempDir,
    port: String,
    /// What the last command printed.
    printed: String,
    background: Vec<(String, Child)>,
}

impl Place {
    pub fn new(root: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let place = Self {
            root: root.to_owned(),
            folder,
            port: port.to_string(),
            printed: String::new(),
            background: Vec::new(),
        };
        let examples = place.path("config/examples");
        std::fs::create_dir_all(&examples).unwrap();
        for entry in std::fs::read_dir(root.join("config/examples")).unwrap() {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            std::fs::write(examples.join(entry.file_name()), place.adapted(&text)).unwrap();
        }
        std::fs::create_dir(place.path("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_tidemill"), place.path("bin/tidemill")).unwrap();
        std::fs::write(place.path("bin/cargo"), CARGO).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place.path("bin/cargo"), executable).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn adapted(&self, text: &str) -> String {
        text.replace("4040", &self.port)
    }

    fn shell(&self, block: &Block) -> Command {
        let mut command = Command::new("bash");
        let path = format!(
            "{}:{}",
            self.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        command
            .args(["-euo", "pipefail", "-c", &self.adapted(&block.text)])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("TIDEMILL_ADMIN", format!("http://127.0.0.1:{}", self.port))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&mut self, block: &Block, exit: i32) {
        let output = self.shell(block).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        self.printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{}: {}\n{}{stderr}",
            block.place,
            block.text,
            self.printed
        );
    }

    /// Starts it and waits until the admin address says that it is ready.
    pub fn start(&mut self, block: &Block) {
        let mut command = self.shell(block);
        let log = std::fs::File::create(self.path("background.log")).unwrap();
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let log = std::fs::read_to_string(self.path("background.log")).unwrap();
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}: {ended:?}\n{log}", block.place);
            assert!(
                Instant::now() < deadline,
                "{}: not ready\n{log}",
                block.place
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self.background.push((block.place.clone(), child));
    }

    fn is_ready(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{}", self.port)) else {
            return false;
        };
        let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(request).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Reads what isn't run, and looks whether what it names is there: goals of make, cargo's tests and benchmarks.
    pub fn read(&self, block: &Block) {
        let read = Command::new("bash")
            .args(["-n", "-c", &block.text])
            .status()
            .unwrap();
        assert!(read.success(), "{}", block.place);
        let makefile = std::fs::read_to_string(self.root.join("Makefile")).unwrap();
        for line in block.text.lines() {
            let words: Vec<&str> = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            for pair in words.windows(2) {
                let is_there = match *pair {
                    ["make", goal] => makefile.contains(&format!("\n{goal}:")),
                    ["--test", name] => self.has_target("tests", name),
                    ["--bench", name] => self.has_target("benches", name),
                    ["--example", name] => self.has_target("examples", name),
                    _ => true,
                };
                assert!(is_there, "{}: there is no {}", block.place, pair.join(" "));
            }
        }
    }

    fn has_target(&self, folder: &str, name: &str) -> bool {
        ["", "storage", "wal", "checkpoint", "config"]
            .iter()
            .any(|of| {
                let folder = self.root.join(of).join(folder);
                folder.join(name).join("main.rs").exists()
                    || folder.join(format!("{name}.rs")).exists()
            })
    }

    pub fn compare(&self, block: &Block) {
        let shown = self.adapted(&block.text);
        assert!(
            is_as_shown(&shown, &self.printed),
            "{}: the document shows\n{shown}\nand it prints\n{}",
            block.place,
            self.printed
        );
    }

    pub fn write(&self, block: &Block, name: &str) {
        std::fs::write(self.path(name), self.adapted(&block.text)).unwrap();
        self.check_file(block, name);
    }

    /// A pipeline has a name; what has none is a part of one.
    pub fn check(&self, block: &Block) {
        let mut pipeline: toml::Table = BASE.parse().unwrap();
        let part: toml::Table = block
            .text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", block.place));
        match part.contains_key("name") {
            true => pipeline = part,
            false => overlay(&mut pipeline, part),
        }
        std::fs::write(self.path("checked.toml"), pipeline.to_string()).unwrap();
        self.check_file(block, "checked.toml");
    }

    fn check_file(&self, block: &Block, name: &str) {
        let tidemill = self.path("bin/tidemill");
        let output = Command::new(tidemill)
            .args(["check", name])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", block.place);
    }

    /// Ends what runs in the background, gracefully.
    pub fn end(mut self) {
        for (_, child) in &mut self.background {
            if child.try_wait().unwrap().is_none() {
                signal(child, "TERM");
            }
        }
        self.wait();
    }

    /// Waits until what runs in the background has ended: well, or killed by the document.
    pub fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        for (place, mut child) in std::mem::take(&mut self.background) {
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if Instant::now() > deadline {
                    signal(&child, "KILL");
                    panic!("{place}: doesn't stop");
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            let is_well = status.success() || status.signal() == Some(9);
            let log = std::fs::read_to_string(self.path("background.log")).unwrap();
            assert!(is_well, "{place}: {status}\n{log}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for (_, child) in &mut self.background {
            signal(child, "KILL");
            let _ = child.wait();
        }
    }
}

/// Sends a signal to what was started, and to all that it started.
fn signal(child: &Child, name: &str) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill")
        .args(["-s", name, "--", &group])
        .status();
}

/// Puts the keys of `part` into `pipeline`, table by table.
fn overlay(pipeline: &mut toml::Table, part: toml::Table) {
    for (key, value) in part {
        match (pipeline.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                pipeline.insert(key, value);
            }
        }
    }
}
