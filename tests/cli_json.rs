//! The answers that docs/cli.md shows for `--json` are those of the commands: the same fields, of the same types.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;
#[path = "support/shape.rs"]
mod shape;

use std::collections::BTreeMap;
use std::path::Path;

use cli_support::{Daemon, MISSPELT, Place, eventually, stderr, stdout};
use serde_json::Value;
use shape::differ;

/// Each command, with the arguments that change its answer, and the answer that the page shows.
fn examples() -> BTreeMap<String, Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let text = std::fs::read_to_string(page).unwrap().leak();
    let sections = text.split("\n### tidemill ").skip(1);
    let of_command = |section: &'static str| {
        let (command, rest) = section.split_once('\n').unwrap();
        let parts: Vec<&str> = rest.split("`:\n\n```json\n").collect();
        let example = move |pair: &[&str]| {
            let (_, arguments) = pair[0].rsplit_once("\n`").unwrap();
            let (json, _) = pair[1].split_once("```").unwrap();
            let asked = format!("{command} {}", arguments.strip_suffix("--json").unwrap());
            (
                asked.trim_end().to_owned(),
                serde_json::from_str(json).unwrap(),
            )
        };
        parts.windows(2).map(example).collect::<Vec<_>>()
    };
    sections.flat_map(of_command).collect()
}

/// What is asked of a command, and its answer; of commands that answer in lines, the line that is wanted.
struct Asked {
    told: BTreeMap<String, Value>,
    live: BTreeMap<String, Value>,
    place: Place,
}

impl Asked {
    /// What a command says with `--json`.
    fn told(&self, command: &str, arguments: &[&str], code: i32) -> String {
        let whole: Vec<&str> = command
            .split(' ')
            .chain(arguments.iter().copied())
            .chain(["--json"])
            .collect();
        let done = self.place.run(&whole);
        let (found, error) = (done.status.code(), stderr(&done));
        assert_eq!(found, Some(code), "{whole:?}: {error}");
        stdout(&done)
    }

    /// Runs a command and keeps its answer.
    fn ask(&mut self, command: &str, arguments: &[&str], code: i32) {
        let text = self.told(command, arguments, code);
        let answer = serde_json::from_str(&text);
        let answer =
            answer.unwrap_or_else(|error| panic!("{command} {arguments:?}: {error}: {text}"));
        self.live.insert(command.to_owned(), answer);
    }

    /// Runs a command whose answer is lines, and keeps the first that is wanted.
    fn ask_for_line(
        &mut self,
        command: &str,
        arguments: &[&str],
        is_wanted: impl Fn(&Value) -> bool,
    ) {
        let text = self.told(command, arguments, 0);
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let wanted = lines
            .find(is_wanted)
            .unwrap_or_else(|| panic!("{command} {arguments:?}: {text}"));
        self.live.insert(command.to_owned(), wanted);
    }
}

fn batch(daemon: &Daemon) -> u64 {
    eventually("the batch is complete", || {
        let batches = "/api/v1/applications/wordcount/streaming/batches?status=completed";
        let batches = daemon.get(batches).json();
        let mut batches = batches.as_array()?.iter();
        batches.find(|batch| batch["inputSize"] != 0)?["batchId"].as_u64()
    })
}

/// What depends on how far the daemon is.
const OF_THE_MOMENT: &[&str] = &[
    ".avg",
    ".records isn't answered",
    ".state isn't",
    ".rateLimit",
    ".catchUp",
];

#[test]
fn answers_have_the_fields_that_are_documented() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let letters = "[dead_letters]\nurl = \"data/letters\"\n\n[streams.numbers]\nfrom = \"lines\"\n\
                   ops = [{ op = \"map\", function = \"parse_int\" }]\n\n\
                   [sinks.numbers]\nfrom = \"numbers\"\ntype = \"console\"\n\n";
    let text = text.replace("[sinks.screen]", &format!("{letters}[sinks.screen]"));
    std::fs::write(
        place.path("p.toml"),
        text.replace("interval = \"1s\"", "interval = \"1h\""),
    )
    .unwrap();
    let daemon = place.start(&[]);
    let url = daemon.url();
    let admin = ["--admin", url.as_str()];
    let mut asked = Asked {
        told: examples(),
        live: BTreeMap::new(),
        place,
    };
    daemon.feed("to be\nor not\n12\n");
    let time = batch(&daemon).to_string();
    asked.ask("check", &["p.toml"], 0);
    asked.ask("replay", &["p.toml", "--batch", &time], 0);
    let set = "checkpoint.interval=30s";
    asked.ask(
        &format!("check --explain checkpoint.interval --set {set}"),
        &["p.toml"],
        0,
    );
    asked.ask("check --against p.toml", &["p.toml"], 0);
    asked.ask("check --against p.toml --rehearse 1", &["p.toml"], 0);
    asked.ask(
        "checkpoint create",
        &[&admin[..], &["--name", "one"]].concat(),
        0,
    );
    asked.ask("status", &admin, 0);
    asked.ask("reload", &admin, 0);
    asked.ask("checkpoint list", &["p.toml"], 0);
    asked.ask("checkpoint show", &["p.toml"], 0);
    asked.ask("checkpoint verify", &["p.toml"], 0);
    asked.ask("wal verify", &["p.toml"], 0);
    asked.ask_for_line("wal dump", &["p.toml"], |line| {
        line["event"] == "BlockAdditionEvent"
    });
    asked.ask_for_line("dead-letters list", &["p.toml"], |_| true);
    asked.ask("dead-letters requeue", &admin, 0);
    asked.ask("checkpoint create", &admin, 0);
    asked.ask("checkpoint create", &admin, 0);
    asked.ask(
        "checkpoint forget",
        &[&admin[..], &["--name", "one"]].concat(),
        0,
    );
    asked.ask("stop", &admin, 0);
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    let segment = asked.place.segments("driver").remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    asked.ask("wal repair", &["p.toml"], 1);
    asked.ask("fsck", &["p.toml"], 1);

    if let Some(folder) = std::env::var_os("WRITE_CLI_JSON") {
        for (command, answer) in &asked.live {
            let name = command.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let path = Path::new(&folder).join(format!("{name}.json"));
            let text = serde_json::to_string_pretty(answer).unwrap();
            std::fs::write(path, text + "\n").unwrap();
        }
        return;
    }
    assert_eq!(
        asked.told.keys().collect::<Vec<_>>(),
        asked.live.keys().collect::<Vec<_>>()
    );
    let mut found = Vec::new();
    for (command, told) in &asked.told {
        differ(
            "docs/cli.md",
            command,
            told,
            &asked.live[command],
            &mut found,
        );
    }
    found.retain(|difference| !OF_THE_MOMENT.iter().any(|field| difference.contains(field)));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_wrong_pipeline_says_so_in_json() {
    let place = Place::new();
    place.misspell();
    let checked = place.run(&["check", "p.toml", "--json"]);
    assert_eq!(checked.status.code(), Some(2));
    let answer: Value = serde_json::from_str(&stdout(&checked)).unwrap();
    assert_eq!(answer["right"], false);
    let mistake = &answer["mistakes"][0];
    assert_eq!(mistake["place"], MISSPELT, "{answer:#}");
    assert!(
        mistake["problem"]
            .as_str()
            .unwrap()
            .contains("unknown source or stream `line`")
    );
    assert!(
        mistake["help"].as_str().unwrap().contains("`lines`"),
        "{answer:#}"
    );
}
