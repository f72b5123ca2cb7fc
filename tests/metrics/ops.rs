//! The dashboard and the alerts name metrics that there are, and each alert says what to do.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use crate::cli_support::eventually;
use crate::everything;
use crate::scrape::Scrape;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const ALERTS: &str = "ops/prometheus/alerts.yml";
const ALERT_TESTS: &str = "ops/prometheus/alerts_test.yml";
const DASHBOARD: &str = "ops/grafana/tidemill.json";
const RUNBOOK: &str = "docs/operations.md";
const REFERENCE: &str = "docs/metrics.md";

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(tidemill|process)_[a-z_]+\b").unwrap();
    name.find_iter(text)
        .map(|found| found.as_str().to_owned())
        .collect()
}

fn alerts() -> Vec<String> {
    let rules = read(ALERTS);
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// The names of a daemon's metrics; those of a histogram without and with their ends.
fn live() -> BTreeSet<String> {
    let (_place, daemon) = everything();
    daemon.feed("1\n");
    let scrape = eventually("a batch and a checkpoint are complete", || {
        let scrape = Scrape::of(&daemon);
        let is_done = scrape.value("tidemill_records_processed_total") > 0.0
            && scrape.value("tidemill_checkpoints_written_total") > 1.0;
        is_done.then_some(scrape)
    });
    let names = scrape.names().into_iter().map(str::to_owned);
    names.collect()
}

#[test]
fn every_metric_that_is_named_is_there_and_every_one_that_is_there_is_explained() {
    let live = live();
    for file in [ALERTS, DASHBOARD] {
        for name in named(&read(file)) {
            assert!(
                live.contains(&name),
                "{file} names {name}, which isn't there"
            );
        }
    }
    let explained = named(&read(REFERENCE));
    for name in &live {
        let ends = ["_bucket", "_sum", "_count"];
        let family = ends.iter().find_map(|end| name.strip_suffix(end));
        let is_explained =
            explained.contains(name) || family.is_some_and(|family| explained.contains(family));
        assert!(is_explained, "{REFERENCE} doesn't name {name}");
    }
    for name in &explained {
        let is_live = live.contains(name) || live.contains(&format!("{name}_count"));
        // They are there only while sources are held back, and while it catches up.
        let at_times = [
            "tidemill_intake_held_back_since_seconds",
            "tidemill_catch_up_seconds",
        ];
        let is_known = is_live || at_times.contains(&name.as_str());
        assert!(is_known, "{REFERENCE} names {name}, which isn't there");
    }
}

#[test]
fn every_alert_has_a_runbook_a_test_and_a_place_that_says_so() {
    let (rules, tests, runbook) = (read(ALERTS), read(ALERT_TESTS), read(RUNBOOK));
    let alerts = alerts();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in &alerts {
        let section = runbook.split_once(&format!("\n### {alert}\n"));
        let (_, section) = section.unwrap_or_else(|| panic!("{RUNBOOK} has no section {alert}"));
        let section = section.split("\n### ").next().unwrap();
        for part in ["**What it means.**", "**What to do.**"] {
            assert!(section.contains(part), "{alert} doesn't say: {part}");
        }
        let anchor = format!("runbook: {RUNBOOK}#{}\n", alert.to_lowercase());
        assert!(rules.contains(&anchor), "{ALERTS} doesn't lead to {anchor}");
        let fires = format!("{{alertname=\"{alert}\"}}");
        assert!(
            tests.contains(&fires),
            "{ALERT_TESTS} doesn't see {alert} fire"
        );
    }
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    for section in sections.filter(|section| section.starts_with("Tidemill")) {
        assert!(alerts.iter().any(|alert| alert == section), "{section}");
    }
}

#[test]
fn the_dashboard_is_grafanas_json() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel:#}");
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_u64());
        let is_row = panel["type"] == "row";
        let targets = panel["targets"].as_array();
        assert!(is_row || !targets.unwrap().is_empty(), "{panel:#}");
    }
}
