//! What is wrong can't be overlooked.

use crate::browser::{Browser, is_left_out};
use crate::cli_support::{Daemon, Place, eventually};
use crate::overview::is_clean;

fn alarm(browser: &Browser, daemon: &Daemon, wanted: &str) -> String {
    browser.open(&daemon.url());
    let shown = browser.wait_for("#alarms", wanted, |text| text.contains(wanted));
    let title = browser.run("return document.title");
    assert!(title.as_str().unwrap().starts_with('⚠'), "{title}");
    shown
}

/// A source that nobody answers: a port that was free a moment ago.
pub fn failing_source() -> Vec<String> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    vec![
        "--set".to_owned(),
        format!(
            "sources.feed={{type=\"socket\",address=\"{address}\",reconnect_delay=\"50ms\",reconnect_delay_max=\"200ms\"}}"
        ),
        "--set".to_owned(),
        "sinks.nowhere={from=\"feed\",type=\"discard\"}".to_owned(),
    ]
}

/// Lets the first checkpoint through and holds the next.
pub fn without_checkpoints(place: &Place) -> Daemon {
    let mut command = place.command(&["run", "p.toml"]);
    command.env("FAILPOINTS", "engine::before_checkpoint_write=1*off->pause");
    Daemon::spawn(command)
}

#[test]
fn a_failing_receiver_is_shown_with_its_error() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let source = failing_source();
    let daemon = place.start(&source.iter().map(String::as_str).collect::<Vec<_>>());
    let browser = Browser::start();
    let shown = alarm(&browser, &daemon, "The receiver of feed fails");
    assert!(shown.contains("Connection refused"), "{shown}");
    let source = browser.text("#sources .failing");
    for wanted in ["feed", "restarting", "Last error at", "restart"] {
        assert!(source.contains(wanted), "{source}");
    }
    assert_eq!(browser.text("#sources-count"), "1 of 2 receivers active");
    is_clean(&browser, &daemon);
    daemon.stop();
}

#[test]
fn a_stale_checkpoint_is_shown_with_its_age() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = without_checkpoints(&place);
    let browser = Browser::start();
    let shown = alarm(&browser, &daemon, "The newest checkpoint is");
    assert!(shown.contains("one is due every 1 s"), "{shown}");
    let panel = browser.text("#checkpoint");
    assert!(
        panel.contains("stale") && panel.contains("since"),
        "{panel}"
    );
    let told = daemon.get("/api/v1/checkpoint").json();
    assert_eq!(told["isStale"], true);
    assert!(told["inFlight"].is_u64(), "{told}");
}

#[test]
fn a_failing_batch_says_why_and_is_through_in_the_end() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&["--set", "jobs.max_failures=1"]);
    let (out, aside) = (place.path("out"), place.path("aside"));
    eventually("there is no folder to write to", || {
        let _ = std::fs::rename(&out, &aside);
        std::fs::write(&out, "in the way").ok()
    });
    let browser = Browser::start();
    alarm(&browser, &daemon, "Not ready: the batch at");
    assert_eq!(browser.text("#state"), "active, not ready");
    let row = browser.wait_for("#active .failing", "the batch is marked", |text| {
        !text.is_empty()
    });
    assert!(row.contains("failed"), "{row}");
    browser.run("document.querySelector('#active .failing a').click()");
    let page = browser.wait_for("#batch", "its page says why", |text| {
        text.contains("It fails and is tried on")
    });
    assert!(page.contains("files"), "{page}");
    // It is tried again and again; the reason is the same, and stays where it is to be read.
    browser.run(
        "window.alarm = document.querySelector('#batch .alarm'); window.before = document.querySelector('#batch').innerText",
    );
    eventually("the batch has been tried again", || {
        let is_same = "return window.before === document.querySelector('#batch').innerText";
        (browser.run(is_same) == false).then_some(())
    });
    assert_eq!(
        browser.run("return window.alarm === document.querySelector('#batch .alarm')"),
        true
    );

    std::fs::remove_file(&out).unwrap();
    std::fs::rename(&aside, &out).unwrap();
    browser.wait_for("#batch h2", "it is through", |text| {
        text.contains("completed")
    });
    browser.wait_for("#alarms", "nothing is wrong any more", str::is_empty);
    daemon.stop();
}
