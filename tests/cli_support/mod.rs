//! A real daemon on a free port in a temporary folder, and what talks to it.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A word count with the parts that tests change.
const PIPELINE: &str = r#"name = "wordcount"
batch_interval = "100ms"

[checkpoint]
url = "sled:data/checkpoint"
interval = "1s"

[admin]
listen = "127.0.0.1:0"

[sources.lines]
type = "http"

[streams.counts]
from = "lines"
ops = [{ op = "split" }, { op = "count_by_value" }]

[sinks.screen]
from = "counts"
type = "console"

[sinks.files]
from = "counts"
type = "text_files"
prefix = "out/counts"
suffix = "txt"
"#;

/// Where [`Place::misspell`] makes its mistake.
pub const MISSPELT: &str = "p.toml:15:8";

/// Asks again and again until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A temporary folder with a pipeline in it, from which commands are run.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.path("p.toml"), PIPELINE).unwrap();
        place
    }

    /// Another with the same in it.
    pub fn copy(&self) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        copy(self.0.path(), place.0.path());
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes the pipeline wrong: it reads from `line`, and there is `lines` only.
    pub fn misspell(&self) {
        let path = self.path("p.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let wrong = text.replace("from = \"lines\"", "from = \"line\"");
        std::fs::write(path, wrong).unwrap();
    }

    /// The names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(arguments).current_dir(self.0.path());
        command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
        command
    }

    /// Runs a command that ends by itself.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the daemon and waits until it is ready.
    pub fn start(&self, arguments: &[&str]) -> Daemon {
        let mut all = vec!["run", "p.toml"];
        all.extend(arguments);
        Daemon::spawn(self.command(&all))
    }

    /// All lines of output so far, over all batches.
    pub fn output_lines(&self) -> Vec<String> {
        let Ok(batches) = std::fs::read_dir(self.path("out")) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for batch in batches {
            let batch = batch.unwrap().path();
            // One that is being written has another name in a moment.
            let is_hidden = batch
                .file_name()
                .unwrap()
                .as_encoded_bytes()
                .starts_with(b".");
            if is_hidden || !batch.join("_SUCCESS").exists() {
                continue;
            }
            for part in std::fs::read_dir(&batch).unwrap() {
                let text = std::fs::read_to_string(part.unwrap().path()).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
        }
        lines.sort();
        lines
    }

    /// A folder's segments.
    pub fn segments(&self, log: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("data/wal").join(log)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
        paths.sort();
        paths
    }
}

/// A running daemon; killed when a test forgets it.
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    /// `HOST:PORT` of its admin side.
    pub address: String,
}

impl Daemon {
    pub fn spawn(command: Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    /// With this as its standard input.
    pub fn spawn_with(mut command: Command, stdin: Stdio) -> Self {
        let command = command
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, copy) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::clone(&log),
        );
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                copy.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut daemon = Self {
            child,
            log,
            address: String::new(),
        };
        daemon.wait_for_log("ready: ");
        let log = daemon.log();
        let (_, rest) = log.split_once("answers on ").unwrap();
        let (_, rest) = rest.split_once("://").unwrap();
        daemon.address = rest.split_whitespace().next().unwrap().to_owned();
        daemon
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn wait_for_log(&mut self, text: &str) {
        eventually(&format!("the log says `{text}`"), || {
            if self.log().contains(text) {
                return Some(());
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.log());
            None
        });
    }

    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        headers
            .iter()
            .for_each(|header| request.push_str(&format!("{header}\r\n")));
        request.push_str(&format!(
            "Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[], body)
    }

    /// Posts lines, which must be taken.
    pub fn feed(&self, lines: &str) {
        let answer = self.post("/ingest/lines", lines);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["records"], lines.lines().count());
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        eventually("the daemon has ended", || self.child.try_wait().unwrap())
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer over HTTP; header names and values in small letters.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(from, to).unwrap()),
        }
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
