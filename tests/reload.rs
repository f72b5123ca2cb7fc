//! Reloading: what a running daemon takes over, what it refuses, and that a mistake changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use cli_support::{Daemon, Place, eventually, stderr, stdout};
use serde_json::{Value, json};

/// A drop-in of the pipeline; without a text it goes.
fn drop_in(place: &Place, name: &str, text: &str) {
    let folder = place.path("p.toml.d");
    std::fs::create_dir_all(&folder).unwrap();
    match text {
        "" => std::fs::remove_file(folder.join(name)).unwrap(),
        text => std::fs::write(folder.join(name), text).unwrap(),
    }
}

/// What `tidemill reload` exits with, prints and says.
fn reload(place: &Place, daemon: &Daemon, more: &[&str]) -> (Option<i32>, String, String) {
    let url = daemon.url();
    let mut arguments = vec!["reload", "--admin", url.as_str()];
    arguments.extend(more);
    let output = place.run(&arguments);
    (output.status.code(), stdout(&output), stderr(&output))
}

fn rate_limit(daemon: &Daemon) -> Value {
    let path = "/api/v1/applications/wordcount/streaming/receivers";
    daemon.get(path).json()[0]["rateLimit"].clone()
}

#[test]
fn rates_change_while_it_runs() {
    let place = Place::new();
    let mut daemon = place.start(&["--set", "jobs.retry_delay=50ms"]);
    assert_eq!(rate_limit(&daemon), Value::Null);
    let (code, out, _) = reload(&place, &daemon, &[]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "reloaded; nothing differs from what runs\n")
    );

    drop_in(&place, "10-rate.toml", "[receiver]\nmax_rate = 1\n");
    let (code, out, err) = reload(&place, &daemon, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        out,
        "reloaded\n  receiver.max_rate  none → 1  (p.toml.d/10-rate.toml:2:12)\n  \
         sources.lines.max_rate  none → 1  (default: that of [receiver])\n"
    );
    assert_eq!(rate_limit(&daemon), 1.0);
    // A post is taken whole, and what comes behind waits for the debt: an hour at this rate.
    daemon.feed(&"a\n".repeat(3600));
    assert_eq!(daemon.post("/ingest/lines", "b\n").status, 429);
    let audited = daemon.log();
    assert!(
        audited.contains("reloaded: receiver.max_rate none → 1"),
        "{audited}"
    );

    // The source's own limit goes before that of all.
    drop_in(
        &place,
        "20-lines.toml",
        "[sources.lines]\nmax_rate = 500000\n",
    );
    daemon.signal("HUP");
    daemon.wait_for_log("sources.lines.max_rate 1 → 500000");
    assert_eq!(rate_limit(&daemon), 500_000.0);
    eventually("the debt is paid", || {
        (daemon.post("/ingest/lines", "b\n").status == 200).then_some(())
    });

    // A checkpoint holds the text that is in force.
    let created = place.run(&["checkpoint", "create", "--admin", &daemon.url()]);
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    let shown = stdout(&place.run(&["checkpoint", "show", "p.toml", "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let program = shown["program"].as_str().unwrap();
    assert!(
        program.contains("20-lines.toml ----\n[sources.lines]\nmax_rate = 500000\n"),
        "{program}"
    );

    drop_in(&place, "10-rate.toml", "");
    drop_in(&place, "20-lines.toml", "");
    let (code, out, _) = reload(&place, &daemon, &["--json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0));
    let changed = json!([
        {"key": "receiver.max_rate", "running": 1, "new": null, "from": "not set"},
        {"key": "sources.lines.max_rate", "running": 500_000, "new": null,
         "from": "default: that of [receiver]"},
    ]);
    assert_eq!(answer["changed"], changed);
    assert_eq!(rate_limit(&daemon), Value::Null);
    daemon.feed("c\n");
    daemon.stop();
}

#[test]
fn the_log_level_retention_and_the_stop_change_while_it_runs() {
    let place = Place::new();
    let daemon = place.start(&["--set", "checkpoint.interval=1h"]);
    let kept = || {
        let list = stdout(&place.run(&["checkpoint", "list", "p.toml", "--json"]));
        let list: Value = serde_json::from_str(&list).unwrap();
        list["checkpoints"].as_array().unwrap().len()
    };
    let cut = || {
        let created = place.run(&["checkpoint", "create", "--admin", &daemon.url()]);
        assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    };
    (0..4).for_each(|_| cut());
    assert_eq!(kept(), 2);
    assert!(!daemon.log().contains("DEBUG"));
    let text = "checkpoint.retain = 4\nlog.level = 'debug'\nstop.timeout = '3s'\nstorage.reserve = '1MiB'\n";
    drop_in(&place, "1.toml", text);
    let (code, out, err) = reload(&place, &daemon, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("stop.timeout  \"1m\" → \"3s\"  (p.toml.d/1.toml:3:16)"),
        "{out}"
    );
    (0..5).for_each(|_| cut());
    assert_eq!(kept(), 4);
    assert_eq!(
        daemon.get("/api/v1/wal").json()["space"]["reserve"],
        1 << 20
    );
    eventually("it logs more", || {
        daemon.log().contains("DEBUG").then_some(())
    });
    // `--set` goes before any drop-in.
    drop_in(&place, "1.toml", "checkpoint.interval = '100ms'\n");
    let (code, _, err) = reload(&place, &daemon, &[]);
    assert_eq!(code, Some(0), "{err}");
    (0..3).for_each(|_| cut());
    assert_eq!(kept(), 2);
    daemon.stop();
}

#[test]
fn the_checkpoint_interval_changes_while_it_runs() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let slow = text.replace("interval = \"1s\"", "interval = \"1h\"");
    std::fs::write(place.path("p.toml"), slow).unwrap();
    let daemon = place.start(&[]);
    let written = || {
        daemon.get("/api/v1/checkpoint").json()["written"]
            .as_u64()
            .unwrap()
    };
    let before = written();
    std::fs::write(
        place.path("p.toml"),
        text.replace("interval = \"1s\"", "interval = \"200ms\""),
    )
    .unwrap();
    let (code, out, err) = reload(&place, &daemon, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("checkpoint.interval  \"1h\" → \"200ms\""),
        "{out}"
    );
    eventually("checkpoints are cut", || {
        (written() > before + 2).then_some(())
    });
    daemon.stop();
}

#[test]
fn what_needs_a_restart_is_refused_and_nothing_changes() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let text = "batch_interval = '200ms'\nreceiver.max_rate = 7\nsinks.more = { from = 'counts', type = 'discard' }\n";
    drop_in(&place, "1.toml", text);
    let (code, out, err) = reload(&place, &daemon, &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    for part in [
        "nothing was reloaded: this needs a restart\n",
        "  batch_interval  \"100ms\" → \"200ms\"  (p.toml.d/1.toml:1:18)\n    batch times follow from it",
        "  receiver.block_interval  \"100ms\" → \"200ms\"",
        "  sinks.more  none → \"there\"  (added)\n    the graph is fixed while it runs",
    ] {
        assert!(err.contains(part), "{part}\n--- in ---\n{err}");
    }
    assert!(!err.contains("max_rate"), "{err}");
    let answer = daemon.post("/api/v1/reload", "");
    assert_eq!(answer.status, 409);
    assert!(
        answer.head.contains("application/problem+json"),
        "{}",
        answer.head
    );
    let problem = answer.json();
    assert_eq!(
        problem["refused"][0],
        json!({
            "key": "batch_interval", "running": "100ms", "new": "200ms", "from": "p.toml.d/1.toml:1:18",
            "needsRestart": "batch times follow from it, and windows are counted in it",
        })
    );
    assert_eq!(rate_limit(&daemon), Value::Null);
    // Without the part that needs one, the rest is taken.
    drop_in(&place, "1.toml", "receiver.max_rate = 7\n");
    let (code, _, err) = reload(&place, &daemon, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(rate_limit(&daemon), 7.0);
    daemon.stop();
}

#[test]
fn a_mistake_changes_nothing_and_is_told_with_its_place() {
    let place = Place::new();
    let mut daemon = place.start(&[]);
    for (text, told) in [
        (
            "receiver.max_rate = \n",
            "p.toml.d/1.toml:1:21: not valid TOML",
        ),
        (
            "receiver.max_rate = 5\n[stop]\ntimout = '1s'\n",
            "p.toml.d/1.toml:3:1: unknown key `timout` in [stop]\n  help: did you mean `timeout`?",
        ),
        (
            "receiver.max_rate = 5\nadmin.token_file = 'nowhere'\n",
            "the token file nowhere: No such file",
        ),
        (
            "receiver.max_rate = 5\nadmin.token_file = 'credential:token'\n",
            "`admin.token_file`: `credential:token` needs a service manager",
        ),
    ] {
        drop_in(&place, "1.toml", text);
        let (code, out, err) = reload(&place, &daemon, &[]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(told), "{told}\n--- in ---\n{err}");
        let answer = daemon.post("/api/v1/reload", "");
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.json()["reasons"][0].as_str().unwrap().contains(told));
        assert_eq!(rate_limit(&daemon), Value::Null);
    }
    daemon.wait_for_log("not reloaded, nothing is changed");
    daemon.feed("still here\n");
    daemon.stop();
}

#[test]
fn a_token_is_read_again() {
    let place = Place::new();
    let (old, new) = ("old-0123456789abcdef", "new-0123456789abcdef");
    let keep = |token: &str| std::fs::write(place.path("token"), token).unwrap();
    keep(old);
    let daemon = place.start(&["--set", "admin.token_file=token"]);
    let status = |method: &str, path: &str, token: &str| {
        let header = format!("Authorization: Bearer {token}");
        daemon.request(method, path, &[&header], "").status
    };
    keep("short");
    assert_eq!(status("POST", "/api/v1/reload", old), 422);
    assert_eq!(status("GET", "/api/v1/graph", old), 200);
    keep(new);
    assert_eq!(status("GET", "/api/v1/graph", new), 401);
    assert_eq!(status("POST", "/api/v1/reload", new), 401);
    assert_eq!(status("POST", "/api/v1/reload", old), 200);
    assert_eq!(status("GET", "/api/v1/graph", old), 401);
    assert_eq!(status("GET", "/api/v1/graph", new), 200);
    daemon.stop();
}

#[test]
fn the_service_manager_follows_a_reload() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let next = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = place.command(&["run", "p.toml"]);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let daemon = Daemon::spawn(command);
    // Whatever else is told on the way.
    let until = |start: &str| {
        eventually(start, || {
            Some(next()).filter(|told| told.starts_with(start))
        })
    };
    until("READY=1");
    drop_in(&place, "1.toml", "batch_interval = '1s'\n");
    daemon.signal("HUP");
    let reloading = until("RELOADING=1\n");
    let usec = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(usec.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    // It runs on with what it had: that is ready, and the status says what was refused.
    let ready = until("READY=1");
    assert!(
        ready.contains("STATUS=not reloaded, nothing is changed: batch_interval"),
        "{ready}"
    );
    daemon.stop();
}
