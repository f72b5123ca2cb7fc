//! Prometheus' own tool, on what a daemon tells and on the alert rules.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli_support::eventually;
use crate::everything;
use crate::scrape::Scrape;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tool: that of `make promtool`, or one that is installed. `None` when it is to be left out.
fn promtool() -> Option<Command> {
    if std::env::var_os("TIDEMILL_WITHOUT_PROMTOOL").is_some() {
        eprintln!("left out: TIDEMILL_WITHOUT_PROMTOOL is set");
        return None;
    }
    let own = root().join("target/tools/promtool/usr/bin/promtool");
    let tool = if own.exists() {
        own
    } else {
        PathBuf::from("promtool")
    };
    Some(Command::new(tool))
}

const MISSING: &str = "promtool can't be run: `make promtool` brings it, and TIDEMILL_WITHOUT_PROMTOOL=1 leaves its \
                       tests out";

fn succeeds(mut command: Command, input: &str) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{MISSING}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let Some(mut tool) = promtool() else { return };
    let (_place, daemon) = everything();
    daemon.feed("1\n");
    eventually("the batch is complete", || {
        let scrape = Scrape::of(&daemon);
        (scrape.value("tidemill_records_processed_total") > 0.0).then_some(())
    });
    tool.args(["check", "metrics"]);
    succeeds(tool, &daemon.get("/metrics").body);
}

#[test]
fn the_alert_rules_are_good_and_fire_when_they_should() {
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let Some(mut tool) = promtool() else { return };
        tool.args(arguments)
            .current_dir(root().join("ops/prometheus"));
        succeeds(tool, "");
    }
}
