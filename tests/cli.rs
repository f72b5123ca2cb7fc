//! The command line, with the real binary: what it prints, writes and exits with.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::io::Write;
use std::net::TcpListener;

use cli_support::{MISSPELT, Place, eventually, stderr, stdout};
use serde_json::Value;

const COUNTS: [&str; 3] = ["(be,2)", "(or,1)", "(to,2)"];

#[test]
fn posted_lines_are_counted_and_can_be_looked_at_live_and_after() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be or\nto be\n");
    eventually("the counts are written", || {
        (place.output_lines() == COUNTS).then_some(())
    });

    let created = place.run(&["checkpoint", "create", "--admin", &daemon.url()]);
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    look(&place);
    daemon.stop();
    look(&place);
}

/// What works beside a live driver and without one.
fn look(place: &Place) {
    let list = place.run(&["checkpoint", "list", "p.toml", "--json"]);
    let list: Value = serde_json::from_str(&stdout(&list)).unwrap();
    assert!(list["checkpoints"].as_array().unwrap().len() >= 2, "{list}");
    assert_eq!(list["checkpoints"][0]["epoch"], 1);
    let table = stdout(&place.run(&["checkpoint", "list", "sled:data/checkpoint"]));
    assert!(table.starts_with("ID"), "{table}");

    let verified = place.run(&["checkpoint", "verify", "p.toml"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    let show = place.run(&["checkpoint", "show", "p.toml", "--json"]);
    let show: Value = serde_json::from_str(&stdout(&show)).unwrap();
    assert_eq!(show["application"], "wordcount");
    assert_eq!(show["batchInterval"], 100);
    let text = stdout(&place.run(&["checkpoint", "show", "p.toml"]));
    assert!(text.contains("counts.count_by_value"), "{text}");

    for location in ["p.toml", "file:data/wal", "data/wal"] {
        let dump = place.run(&["wal", "dump", location]);
        assert_eq!(dump.status.code(), Some(0), "{}", stderr(&dump));
        let entries: Vec<Value> = stdout(&dump)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |log: &'static str| entries.iter().filter(move |entry| entry["log"] == log);
        let added: Vec<&Value> = of("driver")
            .filter(|entry| entry["event"] == "BlockAdditionEvent")
            .collect();
        assert_eq!((added.len(), &added[0]["records"]), (1, &Value::from(2)));
        assert!(of("driver").any(|entry| entry["blocks"]["lines"][0] == added[0]["block"]));
        assert!(of("blocks").any(|entry| entry["block"] == added[0]["block"]));
        assert!(
            of("driver")
                .map(|entry| entry["sequence"].as_u64().unwrap())
                .is_sorted()
        );
    }
    let verified = place.run(&["wal", "verify", "p.toml"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
}

#[test]
fn a_second_driver_is_refused_and_told_who_is_first() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let same_port = format!(
        "admin.listen={}",
        daemon.url().trim_start_matches("http://")
    );
    let same_port = ["run", "p.toml", "--set", same_port.as_str()];
    for arguments in [
        &["run", "p.toml"][..],
        &["run", "p.toml", "--fresh"],
        &same_port,
    ] {
        let refused = place.run(arguments);
        assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
        let text = stderr(&refused);
        assert!(text.contains("`wordcount` (process "), "{text}");
        assert!(text.contains(&daemon.url()), "{text}");
    }
    daemon.feed("still here\n");
    daemon.stop();
}

#[test]
fn a_wrong_pipeline_is_refused_with_its_place_before_anything_is_written() {
    let place = Place::new();
    place.misspell();
    for command in ["run", "check"] {
        let refused = place.run(&[command, "p.toml"]);
        assert_eq!(refused.status.code(), Some(2));
        let text = stderr(&refused);
        assert!(
            text.contains(&format!("{MISSPELT}: unknown source or stream `line`")),
            "{text}"
        );
        assert!(text.contains("did you mean `lines`?"), "{text}");
    }
    assert_eq!(place.names(), ["p.toml"]);
    for arguments in [
        &["frobnicate"][..],
        &["run"],
        &["checkpoint", "list", "nowhere"],
    ] {
        assert_eq!(place.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(place.run(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_location_that_no_build_has_is_refused_at_its_place() {
    let place = Place::new();
    for (key, value) in [
        ("checkpoint.url", "hdfs://nn/x"),
        ("sinks.files.prefix", "hdfs://nn/y"),
    ] {
        let set = format!("{key}={value}");
        let refused = place.run(&["check", "p.toml", "--set", &set]);
        assert_eq!(refused.status.code(), Some(2));
        let text = stderr(&refused);
        for part in ["--set", key, value, "isn't supported"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn a_sink_that_cannot_be_written_is_told_with_its_place() {
    let place = Place::new();
    std::fs::write(place.path("file"), "in the way").unwrap();
    let failed = place.run(&["run", "p.toml", "--set", "sinks.files.prefix=file/out"]);
    assert_eq!(failed.status.code(), Some(1));
    let text = stderr(&failed);
    assert!(
        text.contains("p.toml:") && text.contains("sink `files`: "),
        "{text}"
    );
    assert!(!text.contains("src/"), "{text}");
}

#[test]
fn a_taken_port_is_found_out_before_anything_is_written() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("admin.listen={}", taken.local_addr().unwrap());
    let refused = place.run(&["run", "p.toml", "--set", &listen]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("can't listen on"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn a_fresh_start_moves_the_old_life_aside() {
    let place = Place::new();
    place.start(&[]).stop();
    let mut daemon = place.start(&["--fresh"]);
    daemon.wait_for_log("moved data/checkpoint aside");
    daemon.stop();
    let names = std::fs::read_dir(place.path("data")).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for folder in ["checkpoint.superseded-", "wal.superseded-"] {
        assert_eq!(
            names.iter().filter(|name| name.starts_with(folder)).count(),
            1,
            "{names:?}"
        );
    }
    let show = place.run(&["checkpoint", "list", "p.toml", "--json"]);
    let show: Value = serde_json::from_str(&stdout(&show)).unwrap();
    assert_eq!(show["checkpoints"][0]["epoch"], 1);
}

#[test]
fn check_tells_the_graph_and_the_guarantees() {
    let place = Place::new();
    let checked = place.run(&["check", "p.toml", "--set", "wal.receiver=false"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let text = stdout(&checked);
    for part in [
        "lines  (http)",
        "└─ counts.split  (flat_map)",
        "▶ screen  (print)",
        "lines → files   at most once",
        "lines → screen  best effort",
        "wal.receiver = false",
    ] {
        assert!(text.contains(part), "{part} isn't in:\n{text}");
    }
    assert!(stdout(&place.run(&["check", "p.toml"])).contains("lines → files   exactly once"));
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn status_and_stop_reach_the_daemon() {
    let place = Place::new();
    let mut daemon = place.start(&[]);
    daemon.feed("one\n");
    let status = || {
        let status = place.run(&["status", "--json", "--admin", &daemon.url()]);
        serde_json::from_str::<Value>(&stdout(&status)).unwrap()
    };
    eventually("the batch is complete", || {
        (status()["statistics"]["numProcessedRecords"] == 1).then_some(())
    });
    assert_eq!(status()["ready"], true);
    let text = stdout(&place.run(&["status", "--admin", &daemon.url()]));
    assert!(text.starts_with("wordcount: active, ready"), "{text}");
    assert!(text.contains("1 processed"), "{text}");

    let stopped = place.run(&["stop", "--admin", &daemon.url()]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    let gone = place.run(&["status", "--admin", &daemon.url()]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        stderr(&gone).contains("is the pipeline running"),
        "{}",
        stderr(&gone)
    );

    let mut daemon = place.start(&[]);
    let stopped = place.run(&["stop", "--now", "--admin", &daemon.url()]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

/// Makes every batch fail that has records or not: its folder's place is taken by a file.
fn break_output(place: &Place) {
    let _ = std::fs::remove_dir_all(place.path("out"));
    // A batch that is just being written may make the folder again.
    eventually("the output is broken", || {
        let _ = std::fs::remove_dir_all(place.path("out"));
        std::fs::write(place.path("out"), "in the way").ok()
    });
}

#[test]
fn a_second_signal_stops_at_once_and_a_stop_that_takes_too_long_says_so() {
    let place = Place::new();
    let failing = [
        "--set",
        "jobs.max_failures=1",
        "--set",
        "jobs.retry_delay=10ms",
        "--set",
        "sources.lines.silent_after=1s",
    ];
    let mut daemon = place.start(&failing);
    break_output(&place);
    daemon.wait_for_log("the batch failed and is tried on");
    // It is logged, and noted then.
    let not_ready = eventually("it isn't ready", || {
        Some(daemon.get("/readyz")).filter(|answer| answer.status == 503)
    });
    assert!(
        not_ready.json()["reasons"][0]
            .as_str()
            .unwrap()
            .contains("fails")
    );
    assert_eq!(daemon.get("/healthz").status, 200);
    // What else is to be looked at is told as well.
    eventually("it warns of the silent source", || {
        let not_ready = daemon.get("/readyz");
        assert_eq!(not_ready.status, 503, "{}", not_ready.body);
        let warning = not_ready.json()["warnings"][0].clone();
        let is_silent = |text: &str| text.starts_with("the source `lines` has been silent");
        warning.as_str().is_some_and(is_silent).then_some(())
    });
    let status = stdout(&place.run(&["status", "--admin", &daemon.url()]));
    assert!(status.contains("NOT READY"), "{status}");
    assert!(
        status.contains("WARNING     the source `lines`"),
        "{status}"
    );
    daemon.signal("TERM");
    daemon.wait_for_log("stopping gracefully");
    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(130), "{}", daemon.log());

    let mut arguments = failing.to_vec();
    arguments.extend(["--set", "stop.timeout=200ms"]);
    let checked = std::fs::remove_file(place.path("out"));
    checked.unwrap();
    let mut daemon = place.start(&arguments);
    break_output(&place);
    daemon.wait_for_log("the batch failed and is tried on");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    eventually("the log says why", || {
        daemon.log().contains("stop.timeout").then_some(())
    });

    // Nothing was lost either way: what failed is done now.
    std::fs::remove_file(place.path("out")).unwrap();
    let daemon = place.start(&[]);
    eventually("it is ready", || {
        (daemon.get("/readyz").status == 200).then_some(())
    });
    daemon.stop();
}

#[test]
fn damage_is_told_from_a_torn_tail() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("one\n");
    eventually("it is counted", || {
        (place.output_lines() == ["(one,1)"]).then_some(())
    });
    daemon.stop();
    let segment = place.segments("driver").pop().unwrap();
    let whole = std::fs::read(&segment).unwrap();

    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&segment)
        .unwrap();
    file.write_all(&[7; 5]).unwrap();
    let torn = place.run(&["wal", "verify", "p.toml"]);
    assert_eq!(torn.status.code(), Some(0), "{}", stderr(&torn));
    assert!(stdout(&torn).contains("harmless"), "{}", stdout(&torn));

    let mut damaged = whole;
    damaged[60] ^= 1;
    std::fs::write(&segment, damaged).unwrap();
    let found = place.run(&["wal", "verify", "p.toml", "--json"]);
    assert_eq!(found.status.code(), Some(1));
    let report: Value = serde_json::from_str(&stdout(&found)).unwrap();
    assert_eq!(
        report["driver"]["findings"].as_array().unwrap().len(),
        1,
        "{report}"
    );
    assert_eq!(
        report["blocks"]["findings"].as_array().unwrap().len(),
        0,
        "{report}"
    );
    assert_eq!(place.run(&["wal", "dump", "p.toml"]).status.code(), Some(1));
    assert_eq!(place.run(&["run", "p.toml"]).status.code(), Some(1));
}

#[test]
fn settings_are_explained() {
    let place = Place::new();
    std::fs::create_dir(place.path("p.toml.d")).unwrap();
    let drop_in = "[checkpoint]\ninterval = \"5000ms\"\n\n[receiver]\nmax_rate = 2000\n";
    std::fs::write(place.path("p.toml.d/50-site.toml"), drop_in).unwrap();
    let check = |more: &[&str]| {
        let mut arguments = vec!["check", "p.toml", "--set", "checkpoint.retain=3"];
        arguments.extend(more);
        let mut command = place.command(&arguments);
        command.env("TIDEMILL__RECEIVER__MAX_RATE", "3000");
        command.output().unwrap()
    };
    for (more, expected) in [
        (
            &["--explain", "checkpoint"][..],
            "\
KEY                  VALUE                   UNIT         FROM
checkpoint.url       \"sled:data/checkpoint\"               p.toml:5:7
checkpoint.interval  \"5s\"                                 p.toml.d/50-site.toml:2:12
                                                            instead of \"1s\" at p.toml:6:12
checkpoint.retain    3                       checkpoints  --set checkpoint.retain
checkpoint.renames   -                                    not set
checkpoint.drop      -                                    not set
",
        ),
        (
            &["--explain", "receiver.max_rate"],
            "\
receiver.max_rate = 3000
  Records a second and source, at most. A source may set its own.

  from        environment TIDEMILL__RECEIVER__MAX_RATE
  instead of  2000 at p.toml.d/50-site.toml:5:12
  type        an integer (records/s)
  reload      a running pipeline takes a new value
",
        ),
        (
            &["--explain", "sinks.screen.uid"],
            "\
sinks.screen.uid is not set
  A name by which a checkpoint finds the sink again after the file has changed.

  type        a name
  reload      needs a restart
",
        ),
    ] {
        let shown = check(more);
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
        assert_eq!(stdout(&shown), expected);
    }
    let laid_over = "\
laid over p.toml:
  checkpoint.interval = \"5s\"  (p.toml.d/50-site.toml:2:12, instead of \"1s\" at p.toml:6:12)
  checkpoint.retain = 3  (--set checkpoint.retain)
  receiver.max_rate = 3000  (environment TIDEMILL__RECEIVER__MAX_RATE, instead of 2000 at \
                     p.toml.d/50-site.toml:5:12)

";
    let plain = stdout(&check(&[]));
    assert!(plain.contains(laid_over), "{plain}");

    let all = check(&["--explain", "--json"]);
    let all: Value = serde_json::from_str(&stdout(&all)).unwrap();
    let all = all.as_array().unwrap();
    let of = |key: &str| all.iter().find(|setting| setting["key"] == key).unwrap();
    let interval = of("checkpoint.interval");
    assert_eq!(interval["value"], "5s");
    assert_eq!(interval["from"]["layer"], "drop-in");
    assert_eq!(interval["from"]["line"], 2);
    assert_eq!(interval["insteadOf"][0]["value"], "1s");
    assert_eq!(interval["insteadOf"][0]["from"]["layer"], "file");
    assert_eq!(of("receiver.max_rate")["value"], 3000);
    assert_eq!(of("wal.url")["value"], "file:data/wal");
    assert_eq!(of("stop.timeout")["from"]["layer"], "default");
    assert_eq!(of("receiver.queue")["reloadable"], false);

    let refused = check(&["--explain", "checkpoint.intervall"]);
    assert_eq!(refused.status.code(), Some(2));
    let told =
        "there is no key `checkpoint.intervall` in p.toml; did you mean `checkpoint.interval`?";
    assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
    assert_eq!(place.names(), ["p.toml", "p.toml.d"]);
}
