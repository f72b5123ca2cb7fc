//! [`Daemon`]: the real binary, started, watched and killed.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::Connection;
use super::rng::Rng;
use super::workload::Places;

/// How long anything that must happen may take before a test has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(3);

/// The daemon under test: this build's, unless `TIDEMILL_BINARY` names another.
fn binary() -> PathBuf {
    let own = || env!("CARGO_BIN_EXE_tidemill").into();
    std::env::var_os("TIDEMILL_BINARY").map_or_else(own, PathBuf::from)
}

/// How a daemon is started.
#[derive(Clone)]
pub struct Launch {
    pub places: Places,
    pub port: u16,
    /// Which machine: each has a working folder of its own.
    pub machine: u32,
    /// The savepoint that it goes back to, and goes on from.
    pub from: Option<String>,
}

impl Launch {
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `tidemill run` with everything set; its standard error goes to the end of a file.
    pub fn command(&self, file: &Path) -> Command {
        let folder = self.places.root.join(format!("machine-{}", self.machine));
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(binary());
        command.current_dir(folder).arg("run").arg(file);
        if let Some(savepoint) = &self.from {
            command.args(["--from", savepoint]);
        }
        for setting in self.places.settings(self.port) {
            command.arg("--set").arg(setting);
        }
        command
            .env_remove("FAILPOINTS")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_LOG");
        command.envs(self.places.environment());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Has the command line verify checkpoints and logs, which no daemon may use.
    pub fn verify(&self) -> Result<(), String> {
        let logs = self.places.wal_url();
        for (what, place) in [("checkpoint", self.places.checkpoint_url()), ("wal", logs)] {
            let mut command = Command::new(binary());
            command.envs(self.places.environment());
            let output = command.args([what, "verify", &place]).output().unwrap();
            if !output.status.success() {
                return Err(format!("{what} verify: {output:?}"));
            }
        }
        Ok(())
    }

    /// What the command line says of checkpoints.
    pub fn checkpoint(&self, what: &str, more: &[&str]) -> Result<serde_json::Value, String> {
        let mut command = Command::new(binary());
        command.envs(self.places.environment());
        command.args(["checkpoint", what, &self.places.checkpoint_url(), "--json"]);
        let output = command.args(more).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("checkpoint {what}: {error}: {output:?}"))
    }

    /// The savepoints that there are.
    pub fn savepoints(&self) -> Result<Vec<String>, String> {
        let list = self.checkpoint("list", &[])?;
        let all = list["checkpoints"].as_array().into_iter().flatten();
        let names = all.filter_map(|checkpoint| checkpoint["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Starts a daemon, with failpoints armed as the crate `fail` writes them.
    pub fn start(&self, failpoints: Option<&str>) -> Daemon {
        let log = self.places.root.join("stderr.log");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        writeln!(file, "--- start, failpoints: {failpoints:?}").unwrap();
        let mut command = self.command(&self.places.file());
        if let Some(failpoints) = failpoints {
            command.env("FAILPOINTS", failpoints);
        }
        let child = command.stderr(file).spawn().unwrap();
        Daemon {
            child,
            log,
            address: self.address(),
            ended: None,
        }
    }
}

/// A started daemon; dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    ended: Option<ExitStatus>,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits until it takes records in.
    pub fn expect_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                panic!(
                    "it ended before it was ready: {status}\n{}",
                    self.last_words()
                );
            }
            let answer = Connection::open(self.address).and_then(|mut c| c.get("/readyz"));
            if answer.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not ready in time\n{}",
                self.last_words()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Waits for its end for at most `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "kill {name}");
    }

    /// Expects that it ends by itself, because another driver has taken over.
    pub fn expect_succeeded(mut self) {
        let status = self.wait_end(PATIENCE);
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(3), "{status:?}\n{}", self.last_words());
    }

    /// Sends SIGKILL, which must be what ends it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.wait_end(PATIENCE);
        let signal = status.and_then(|status| status.signal());
        assert_eq!(
            signal,
            Some(9),
            "it ended by itself: {status:?}\n{}",
            self.last_words()
        );
    }

    /// Asks for a graceful end with SIGTERM.
    pub fn terminate(self) {
        self.signal("-TERM");
        self.expect_success("SIGTERM");
    }

    /// Asks for an end at once, over HTTP.
    pub fn stop_now(self) {
        let path = "/api/v1/stop?graceful=false";
        let answer = Connection::open(self.address).and_then(|mut c| c.post(path, ""));
        // It may be gone before its answer is.
        if let Ok(answer) = answer {
            assert!(
                (200..300).contains(&answer.status),
                "{answer:?}\n{}",
                self.last_words()
            );
        }
        self.expect_success(path);
    }

    fn expect_success(mut self, asked: &str) {
        let status = self.wait_end(PATIENCE);
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(0), "{asked}: {status:?}\n{}", self.last_words());
    }

    /// The end of what it and those before it wrote to standard error.
    pub fn last_words(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let mut last = format!("the end of {}:\n", log.display());
    for line in &lines[lines.len().saturating_sub(60)..] {
        let _ = writeln!(last, "  {line}");
    }
    last
}

/// A port that nobody listens on, below those that the system hands out by itself: so neither another
/// test nor one of our own clients takes it while a daemon is down.
pub fn free_port(rng: &Rng) -> u16 {
    let mut rng = rng.part(u64::from(std::process::id()));
    loop {
        let port = rng.below(12_000..32_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
