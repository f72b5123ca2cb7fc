//! [`Daemon`]: the command line's, with the example that counts words.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A daemon; dropping it kills it.
pub struct Daemon {
    child: Child,
    /// Its admin address.
    pub admin: SocketAddr,
    started: Instant,
}

impl Daemon {
    /// Starts the word count in `folder`, with these settings besides.
    pub fn start(folder: &Path, settings: &[&str]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let admin = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let pipeline = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/config/examples/wordcount.toml"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command
            .args(["run", pipeline, "--set"])
            .arg(format!("admin.listen={admin}"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        command
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().unwrap();
        Self {
            child,
            admin,
            started,
        }
    }

    /// Waits until it says that it's ready; returns the milliseconds since its start.
    pub fn wait_until_ready(&mut self) -> f64 {
        while !self.is_ready() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the daemon ended before it was ready: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        self.started.elapsed().as_secs_f64() * 1_000.0
    }

    fn is_ready(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.admin) else {
            return false;
        };
        let request = "GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
        let mut status = [0; 12];
        connection.write_all(request.as_bytes()).is_ok()
            && connection.read_exact(&mut status).is_ok()
            && status.ends_with(b"200")
    }

    /// Mebibytes that it occupies.
    pub fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
