//! schemathesis, which makes requests out of the document, against a live daemon: no answer of 500 and up, and none
//! that the document doesn't describe; what is wrong is refused, and what is right isn't.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli_support::Place;
use crate::completed_batch;

const MISSING: &str = "schemathesis can't be run: `make schemathesis` brings it, and TIDEMILL_WITHOUT_SCHEMATHESIS=1 \
                       leaves its test out";

/// How many requests are made up for each operation.
const EXAMPLES: u32 = 10;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tool: that of `make schemathesis`, or one that is installed.
fn schemathesis() -> Command {
    let own = root().join("target/tools/schemathesis/bin/schemathesis");
    let tool = if own.exists() {
        own
    } else {
        PathBuf::from("schemathesis")
    };
    Command::new(tool)
}

/// A number that a run may be given by its environment.
fn given(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

#[test]
fn whatever_is_asked_the_answer_is_documented() {
    if std::env::var_os("TIDEMILL_WITHOUT_SCHEMATHESIS").is_some() {
        eprintln!("left out: TIDEMILL_WITHOUT_SCHEMATHESIS is set");
        return;
    }
    let place = Place::new();
    let token = "a-token-of-decent-length";
    std::fs::write(place.path("token"), token).unwrap();
    let daemon = place.start(&["--set", "admin.token_file=token"]);
    let header = format!("Authorization: Bearer {token}");
    let fed = daemon.request("POST", "/ingest/lines", &[&header], "to be\n");
    assert_eq!(fed.status, 200, "{}", fed.body);
    let batch = completed_batch(&daemon, &[&header]);
    let seed = given("TIDEMILL_SEED", 1).to_string();
    let examples = given("TIDEMILL_API_EXAMPLES", EXAMPLES).to_string();
    eprintln!("TIDEMILL_SEED={seed} TIDEMILL_API_EXAMPLES={examples}");
    for config in ["schemathesis.toml", "schemathesis_there.toml"] {
        let mut tool = schemathesis();
        tool.arg("--config-file")
            .arg(root().join("tests/openapi").join(config))
            // One thread: in two, Python 3.11 now and then mistakes the depth at which it parses.
            .args(["--no-color", "run", "--workers", "1"])
            .args(["--seed", &seed, "--max-examples", &examples])
            .args(["--header", &header])
            .arg(format!("{}/api/v1/openapi.json", daemon.url()))
            .env("BATCH", &batch)
            // It leaves a folder where it is run.
            .current_dir(place.path("."));
        let run = tool.output();
        let run = run.unwrap_or_else(|error| panic!("{MISSING}: {error}"));
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(run.status.success(), "{config}: {said}\n{}", daemon.log());
        eprintln!("{config}: {said}");
    }
    daemon.stop();
}
