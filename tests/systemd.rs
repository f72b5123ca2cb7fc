//! What a service manager sees of the daemon: its notify protocol against a real socket, the unit files, and stops
//! whose stages have limits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use cli_support::{Daemon, Place, eventually, stderr, stdout};
use serde_json::Value;

/// What the manager is told.
struct Manager(UnixDatagram);

impl Manager {
    fn new(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path("notify")).unwrap();
        let limit = Some(Duration::from_secs(60));
        socket.set_read_timeout(limit).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Reads on to the first message that holds `part`, which is returned with all before it.
    fn until(&self, part: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let next = self.next();
            let is_it = next.contains(part);
            told.push(next);
            if is_it {
                return told;
            }
            assert!(told.len() < 10_000, "no `{part}` in {told:?}");
        }
    }
}

fn ops(file: &str) -> String {
    let path = format!("{}/ops/systemd/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn ready_comes_after_recovery_and_stopping_before_the_stop() {
    let place = Place::new();
    let manager = Manager::new(&place);
    let mut command = place.command(&["run", "p.toml"]);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let daemon = Daemon::spawn(command);
    let mut told = manager.until("READY=1");
    let ready = told.pop().unwrap();
    assert!(ready.contains("STATUS=wordcount, batches every"), "{ready}");
    // A step of a start that took long, if any.
    assert!(told.iter().all(|told| told.contains("STATUS=")), "{told:?}");
    daemon.stop();
    manager.until("STOPPING=1");
}

#[test]
fn a_start_that_takes_long_says_where_it_is_and_asks_for_time() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be or not\n");
    eventually("it is counted", || {
        (place.output_lines().len() == 4).then_some(())
    });
    daemon.stop();
    let manager = Manager::new(&place);
    let mut command = place.command(&["run", "p.toml"]);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    // A slow disk.
    let slow = "recovery::before_replay=sleep(2500)";
    command.env("FAILPOINTS", slow);
    let daemon = Daemon::spawn(command);
    let told = manager.until("READY=1").join("\n");
    assert!(
        told.contains("EXTEND_TIMEOUT_USEC=120000000\nSTATUS=reading"),
        "{told}"
    );
    assert!(!told.contains("WATCHDOG=1"), "nobody asked for it: {told}");
    daemon.stop();
}

#[test]
fn the_watchdog_is_fed_while_a_batch_takes_long_and_not_when_the_generator_is_stuck() {
    let place = Place::new();
    // With state, every tick that passes is a batch more to go.
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let counts = "{ op = \"count_by_value\" }";
    let totals = format!("{counts}, {{ op = \"update_state_by_key\", function = \"sum\" }}");
    std::fs::write(place.path("p.toml"), text.replace(counts, &totals)).unwrap();
    let run = |failpoints: &str| {
        let _ = std::fs::remove_file(place.path("notify"));
        let manager = Manager::new(&place);
        let mut command = place.command(&["run", "p.toml"]);
        command.env("NOTIFY_SOCKET", place.path("notify"));
        command.env("WATCHDOG_USEC", "400000");
        command.env("FAILPOINTS", failpoints);
        let daemon = Daemon::spawn(command);
        manager.until("READY=1");
        (daemon, manager)
    };
    // No batch is ever through: many wait, none more may be cut, and it is alive.
    let (daemon, manager) = run("engine::before_state_merge=pause");
    daemon.feed("to be\n");
    manager.until("STATUS=catching up");
    for _ in 0..10 {
        manager.until("WATCHDOG=1");
    }
    drop(daemon);

    // The generator never comes back from its first batch with data: the last sign of life is followed by others
    // of what else lives, but by none of it.
    let (daemon, manager) = run("engine::before_submit=pause");
    let mut last = String::new();
    while !last.starts_with("STATUS=catching up, 2") {
        last = manager.next();
    }
    let mut silent = 0;
    while silent < 10 {
        let next = manager.next();
        assert!(!next.contains("WATCHDOG=1"), "fed by a stuck generator");
        silent += 1;
    }
    drop(daemon);
}

/// Makes the output fail until [`mend_output`].
fn break_output(place: &Place) {
    eventually("the output is broken", || {
        let _ = std::fs::remove_dir_all(place.path("out"));
        std::fs::write(place.path("out"), "in the way").ok()
    });
}

fn mend_output(place: &Place) {
    std::fs::remove_file(place.path("out")).unwrap();
}

const FAILING: [&str; 4] = [
    "--set",
    "jobs.max_failures=1",
    "--set",
    "jobs.retry_delay=10ms",
];

/// The sum of all counts in the output, by word.
fn totals(place: &Place) -> std::collections::BTreeMap<String, u64> {
    let mut totals = std::collections::BTreeMap::new();
    for line in place.output_lines() {
        let pair = line.trim_matches(['(', ')']).rsplit_once(',').unwrap();
        *totals.entry(pair.0.to_owned()).or_insert(0) += pair.1.parse::<u64>().unwrap();
    }
    totals
}

#[test]
fn a_stop_tells_how_far_it_is_and_a_second_signal_loses_nothing() {
    let place = Place::new();
    let manager = Manager::new(&place);
    let mut arguments = vec!["run", "p.toml"];
    arguments.extend(FAILING);
    let mut command = place.command(&arguments);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let mut daemon = Daemon::spawn(command);
    break_output(&place);
    for round in 0..5 {
        daemon.feed(&format!("to be {round}\n"));
    }
    daemon.wait_for_log("the batch failed and is tried on");
    daemon.signal("TERM");
    manager.until("STOPPING=1");
    let told = manager.until("STATUS=draining").pop().unwrap();
    assert!(told.contains(" s left"), "{told}");
    daemon.wait_for_log("draining ");

    let status = place.run(&["status", "--admin", &daemon.url()]);
    let status = stdout(&status);
    assert!(
        status.contains("the context is stopping: draining"),
        "{status}"
    );
    let asked = daemon.post("/api/v1/stop", "").json();
    assert_eq!(asked["step"]["step"], "draining", "{asked}");
    assert!(
        asked["step"]["timeLeft"].as_u64().unwrap() <= 60_000,
        "{asked}"
    );
    let again = stdout(&place.run(&["stop", "--admin", &daemon.url()]));
    assert!(again.contains("draining"), "{again}");

    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(143), "{}", daemon.log());
    mend_output(&place);
    let daemon = place.start(&[]);
    eventually("all is counted once", || {
        let totals = totals(&place);
        (totals.get("to") == Some(&5) && totals.get("be") == Some(&5)).then_some(())
    });
    daemon.stop();
    assert_eq!(totals(&place)["to"], 5);
}

#[test]
fn a_deadline_stops_at_once_and_loses_nothing() {
    let place = Place::new();
    let mut arguments = FAILING.to_vec();
    arguments.extend(["--set", "stop.timeout=300ms"]);
    let mut daemon = place.start(&arguments);
    break_output(&place);
    daemon.feed("to be or\nnot to be\n");
    daemon.wait_for_log("the batch failed and is tried on");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    mend_output(&place);
    let daemon = place.start(&[]);
    eventually("all is counted", || {
        (totals(&place).get("be") == Some(&2)).then_some(())
    });
    daemon.stop();
    let counted: Vec<(String, u64)> = totals(&place).into_iter().collect();
    let expected = [("be", 2), ("not", 1), ("or", 1), ("to", 2)];
    assert_eq!(
        counted,
        expected.map(|(word, count)| (word.to_owned(), count))
    );
}

#[test]
fn a_last_checkpoint_that_hangs_ends_with_its_deadline() {
    let place = Place::new();
    let mut command = place.command(&[
        "run",
        "p.toml",
        "--set",
        "stop.checkpoint=300ms",
        "--set",
        "checkpoint.interval=1h",
    ]);
    // That of the start is written.
    command.env("FAILPOINTS", "engine::before_checkpoint_write=1*off->pause");
    let mut daemon = Daemon::spawn(command);
    daemon.feed("to be\n");
    eventually("it is counted", || {
        (place.output_lines().len() == 2).then_some(())
    });
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    eventually("the log says why", || {
        daemon.log().contains("stop.checkpoint").then_some(())
    });
    let daemon = place.start(&[]);
    daemon.stop();
    assert_eq!(place.output_lines(), ["(be,1)", "(to,1)"]);
}

#[test]
fn the_units_are_sound_to_systemd() {
    let place = Place::new();
    let service = place.path("tidemill@wordcount.service");
    // It must find the command, which isn't installed.
    let unit = ops("tidemill@.service");
    std::fs::write(
        &service,
        unit.replace("/usr/bin/tidemill", env!("CARGO_BIN_EXE_tidemill")),
    )
    .unwrap();
    let socket = place.path("tidemill@wordcount.socket");
    std::fs::write(&socket, ops("tidemill@.socket")).unwrap();
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    match analyze(&[
        "verify",
        service.to_str().unwrap(),
        socket.to_str().unwrap(),
    ]) {
        Ok(verified) => {
            assert!(verified.status.success(), "{}", stderr(&verified));
            assert!(
                !stderr(&verified).contains("tidemill@"),
                "{}",
                stderr(&verified)
            );
        }
        Err(error) => return println!("skipped: systemd-analyze can't be run: {error}"),
    }
    let path = service.to_str().unwrap();
    // In tenths: 2.0 at most.
    let exposed = analyze(&["security", "--offline=true", "--threshold=20", path]).unwrap();
    let said = format!("{}{}", stdout(&exposed), stderr(&exposed));
    if said.contains("--offline") {
        return println!("skipped: systemd-analyze is too old: {said}");
    }
    assert!(exposed.status.success(), "{said}");
}

/// The unit as a user instance can run it: all but what only the machine's own can do for it, in the folder `/mnt`.
fn unit_for_user(folder: &str, environment: &str) -> String {
    let unit = ops("tidemill@.service");
    let (unit, _hardening) = unit.split_once("NoNewPrivileges").unwrap();
    let unit = unit
        .replace("[Unit]", "[Unit]\nDefaultDependencies=no")
        .replace(
            "/usr/bin/tidemill run /etc/tidemill/%i.toml",
            "/mnt/tidemill run /mnt/p.toml",
        )
        .replace(
            "WorkingDirectory=/var/lib/tidemill",
            &format!("WorkingDirectory=/mnt/{folder}"),
        )
        .replace("WatchdogSec=60", "WatchdogSec=3\nStandardError=inherit");
    let is_systems = |line: &&str| {
        let keys = ["User=", "Group=", "StateDirectory", "Wants=", "After="];
        keys.iter().any(|key| line.starts_with(key))
    };
    let kept: Vec<&str> = unit.lines().filter(|line| !is_systems(line)).collect();
    kept.join("\n") + "\n" + environment
}

#[test]
fn systemd_starts_watches_reloads_and_stops_it() {
    let place = Place::new();
    let write = |name: &str, text: &str| std::fs::write(place.path(name), text).unwrap();
    for folder in ["units", "one", "two"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    std::fs::copy(env!("CARGO_BIN_EXE_tidemill"), place.path("tidemill")).unwrap();
    write("life.sh", include_str!("systemd_support/life.sh"));
    write("units/nothing.target", "[Unit]\nDefaultDependencies=no\n");
    write("units/tidemill.service", &unit_for_user("one", ""));
    let stuck = "Environment=FAILPOINTS=engine::before_submit=40*off->pause\n";
    write("units/stuck.service", &unit_for_user("two", stuck));
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/systemd_support/isolated.sh"
    );
    let run = Command::new("bash")
        .arg(script)
        .arg(place.path("."))
        .arg("/mnt/life.sh")
        .output();
    let run = run.unwrap();
    let said = stdout(&run);
    if run.status.code() == Some(77) {
        return println!("{said}");
    }
    let all = format!("{said}{}", stderr(&run));
    let line = |start: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(start))
            .unwrap_or_else(|| panic!("{all}"))
    };
    assert!(
        line("started ").starts_with("0 active wordcount, batches every"),
        "{all}"
    );
    assert_eq!(line("reload "), "reloaded; nothing differs", "{all}");
    assert!(line("stuck ").parse::<u32>().unwrap() >= 1, "{all}");
    assert_eq!(line("still "), "0", "{all}");
    assert_eq!(line("stopped "), "success 0", "{all}");
}

#[test]
fn the_stop_of_a_pipeline_fits_into_that_of_the_unit() {
    let unit = ops("tidemill@.service");
    let seconds = |key: &str| -> u64 {
        let value = unit
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        value.trim_start_matches('=').parse().unwrap()
    };
    let place = Place::new();
    let explained = |key: &str| {
        let output = place.run(&["check", "p.toml", "--explain", key, "--json"]);
        let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let value = told[0]["value"].as_str().unwrap();
        match (value.strip_suffix('m'), value.strip_suffix('s')) {
            (Some(minutes), _) => minutes.parse::<u64>().unwrap() * 60,
            (_, Some(seconds)) => seconds.parse::<u64>().unwrap(),
            _ => panic!("{key} = {value}"),
        }
    };
    let (timeout, checkpoint) = (explained("stop.timeout"), explained("stop.checkpoint"));
    assert!(explained("stop.receivers") < timeout);
    // Some seconds are left for the process to end in.
    assert!(timeout + checkpoint + 5 <= seconds("TimeoutStopSec"));
    assert!(seconds("WatchdogSec") > 0);
}

#[test]
fn the_port_may_be_handed_over() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // As the manager does: the socket is descriptor 3, and the variables name the process.
    let mut command = Command::new("sh");
    let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run p.toml"#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_tidemill")]);
    command.current_dir(place.path("."));
    command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    let daemon = Daemon::spawn_with(command, std::os::fd::OwnedFd::from(listener).into());
    assert_eq!(daemon.address, address.to_string());
    assert_eq!(daemon.get("/healthz").status, 200);
    daemon.stop();
}

#[test]
fn the_journal_is_told_priorities_and_nobody_else() {
    let place = Place::new();
    let script = r#"JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" run p.toml"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_tidemill")]);
    command.current_dir(place.path("."));
    command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    let daemon = Daemon::spawn(command);
    let log = daemon.log();
    assert!(log.lines().all(|line| line.starts_with("<6>")), "{log}");
    assert!(log.contains("<6>ready: wordcount"), "{log}");
    daemon.stop();

    let mut command = place.command(&["run", "p.toml"]);
    command.env("JOURNAL_STREAM", "1:1");
    let daemon = Daemon::spawn(command);
    assert!(!daemon.log().contains("<6>"), "{}", daemon.log());
    assert!(
        !daemon.log().contains('\u{1b}'),
        "no terminal, no colours: {}",
        daemon.log()
    );
    daemon.stop();
}
