//! [`ServerProcess`]: a server that a test starts, and that doesn't outlive it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::port::free_port;

/// A test that waited so long for a server has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Starts its arguments and says their process number. A shell can wait for the end of its input, which
/// comes when the test ends in whatever way, and then kill the server and clean up behind it.
const WATCHER: &str = r#"
    "$@" </dev/null >"$FOLDER/output" 2>&1 &
    server=$!
    echo $server
    read -r _
    kill -9 $server
    wait
    rm -rf "$FOLDER"
"#;

/// A running server.
pub struct ServerProcess {
    pub address: SocketAddr,
    watcher: Child,
}

impl ServerProcess {
    /// Starts `program` with the arguments that `arguments` makes of a port and a folder, and waits
    /// until it answers.
    pub fn start(program: &str, arguments: impl Fn(u16, &Path) -> Vec<String>) -> Self {
        let program = tools().join(program);
        assert!(
            program.exists(),
            "{} is missing: `make servers` installs it",
            program.display()
        );
        // Somebody else may take a free port before the server does: then it ends, and the next is tried.
        for _ in 0..5 {
            // The watcher removes it.
            let folder = tempfile::tempdir().unwrap().keep();
            let port = free_port();
            let arguments = arguments(port, &folder);
            if let Some(server) = Self::try_start(&program, &arguments, port, &folder) {
                return server;
            }
        }
        panic!("{} doesn't start", program.display());
    }

    fn try_start(program: &Path, arguments: &[String], port: u16, folder: &Path) -> Option<Self> {
        let output = folder.join("output");
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(program)
            .args(arguments)
            .env("FOLDER", folder)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = watcher.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let process = Path::new("/proc").join(line.trim());
        let server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            watcher,
        };
        let deadline = Instant::now() + PATIENCE;
        while request(server.address, "GET", "/", &[]).is_none() {
            let said = || std::fs::read_to_string(&output).unwrap_or_default();
            if !process.join("cmdline").exists() || is_zombie(&process) {
                eprintln!("{} ended:\n{}", program.display(), said());
                return None;
            }
            assert!(
                Instant::now() < deadline,
                "{} doesn't answer; it said:\n{}",
                program.display(),
                said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn is_zombie(process: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim().starts_with('Z'))
}

/// The folder into which `make servers` installs.
fn tools() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    while !folder.join("Makefile").exists() {
        assert!(folder.pop(), "the tests run outside their workspace");
    }
    folder.join("target/tools")
}

/// Makes a request without a body and gives the status of its answer; `None` when nobody answers.
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1)?.parse().ok()
}
