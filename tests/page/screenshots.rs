//! The pictures in `docs/img`: `make screenshots` makes them anew.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::alarms::{failing_source, without_checkpoints};
use crate::browser::Browser;
use crate::cli_support::{Daemon, Place};

/// The most that a picture may take, in bytes.
const MOST: usize = 150 << 10;

fn save(browser: &Browser, name: &str) {
    // The stream goes on; what was asked for must have been painted.
    sleep(Duration::from_millis(1500));
    let picture = browser.picture();
    assert!(picture.len() < MOST, "{name}: {} bytes", picture.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}

/// Posts lines, more and fewer in turn, for as many rounds.
fn feed(daemon: &Daemon, rounds: u64) {
    for round in 0..rounds {
        let wave = (round as f64 / 9.0).sin() * 40.0 + 60.0;
        let lines = wave as u64 + round * 7919 % 23;
        let text = "to be or not to be that is the question\n".repeat(lines as usize);
        daemon.feed(&text);
        sleep(Duration::from_millis(90));
    }
}

fn show(browser: &Browser, daemon: &Daemon, theme: &str) {
    browser.prefer("prefers-color-scheme", theme);
    browser.open(&daemon.url());
    browser.wait_for("#connection", "it is live", |text| text.contains("live"));
}

#[test]
#[ignore = "writes docs/img: `make screenshots`"]
fn pictures_for_the_guide() {
    let browser = Browser::start();
    browser.command("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
    let place = Place::new();
    let totals = [
        "--set",
        "batch_interval=\"200ms\"",
        "--set",
        "checkpoint.interval=\"2s\"",
        "--set",
        "streams.totals={from=\"counts\",ops=[{op=\"update_state_by_key\",function=\"sum\"}]}",
        "--set",
        "sinks.totals={from=\"totals\",type=\"discard\"}",
        "--set",
        "sources.ticks={type=\"rate\",records_per_second=150}",
        "--set",
        "sinks.ticks={from=\"ticks\",type=\"discard\"}",
    ];
    let daemon = place.start(&totals);
    feed(&daemon, 150);
    for theme in ["light", "dark"] {
        browser.resize(1120, 860);
        show(&browser, &daemon, theme);
        save(&browser, &format!("overview-{theme}"));
        browser.run("document.querySelector('#completed-title').scrollIntoView()");
        save(&browser, &format!("batches-{theme}"));
        browser.run("document.querySelector('#checkpoint-title').scrollIntoView()");
        save(&browser, &format!("panels-{theme}"));
        browser.run("document.querySelectorAll('#completed tbody a')[3].click()");
        browser.wait_for("#batch", "it is shown", |text| text.contains("Inputs"));
        save(&browser, &format!("batch-{theme}"));
        browser.resize(390, 844);
        show(&browser, &daemon, theme);
        save(&browser, &format!("phone-{theme}"));
    }
    daemon.stop();

    let place = Place::new();
    let source = failing_source();
    let daemon = place.start(&source.iter().map(String::as_str).collect::<Vec<_>>());
    feed(&daemon, 40);
    browser.resize(1120, 860);
    for theme in ["light", "dark"] {
        show(&browser, &daemon, theme);
        save(&browser, &format!("failing-receiver-{theme}"));
        browser.run("document.querySelector('#sources-title').scrollIntoView()");
        save(&browser, &format!("sources-{theme}"));
    }
    daemon.stop();

    let place = Place::new();
    let daemon = without_checkpoints(&place);
    feed(&daemon, 40);
    for theme in ["light", "dark"] {
        show(&browser, &daemon, theme);
        browser.wait_for("#alarms", "it is stale", |text| {
            text.contains("newest checkpoint")
        });
        save(&browser, &format!("stale-checkpoint-{theme}"));
    }
}
