//! The page's buttons change something, once the reader has said so.

use serde_json::Value;

use crate::browser::{Browser, is_left_out};
use crate::cli_support::{Daemon, Place};

const ESCAPE: &str = "\u{E00C}";

fn click(browser: &Browser, id: &str) {
    browser.run(&format!("document.getElementById('{id}').click()"));
}

fn is_open(browser: &Browser) -> Value {
    browser.run("return document.getElementById('ask').open")
}

/// The page, opened by somebody who has shown a token.
fn signed_in(daemon: &Daemon, token: &str) -> Browser {
    let browser = Browser::start();
    browser.open(&daemon.url());
    browser.wait_for("#token", "it asks for the token", |text| {
        text.contains("A token is needed")
    });
    browser.type_into("#token-value", &format!("{token}\n"));
    browser.wait_for("#checkpoint", "the checkpoint is shown", |text| {
        text.contains("Newest")
    });
    browser
}

#[test]
fn a_checkpoint_is_cut_and_the_pipeline_stopped_once_the_reader_agrees() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let token = "a-token-of-decent-length";
    std::fs::write(place.path("token"), token).unwrap();
    let mut daemon = place.start(&[
        "--set",
        "admin.token_file=token",
        "--set",
        "checkpoint.interval=1h",
    ]);
    let shown = format!("Authorization: Bearer {token}");
    let written = || {
        let status = daemon.request("GET", "/api/v1/checkpoint", &[&shown], "");
        status.json()["written"].as_u64().unwrap()
    };
    let browser = signed_in(&daemon, token);
    let before = written();

    click(&browser, "cut");
    assert_eq!(browser.text("#ask-title"), "Cut a checkpoint?");
    // What does nothing has the focus.
    assert_eq!(browser.run("return document.activeElement.id"), "ask-no");
    browser.press(ESCAPE);
    assert_eq!(is_open(&browser), false);
    click(&browser, "cut");
    click(&browser, "ask-no");
    assert_eq!(is_open(&browser), false);
    assert_eq!(written(), before);
    click(&browser, "cut");
    click(&browser, "ask-yes");
    browser.wait_for("#steered", "the checkpoint is durable", |text| {
        text.contains("is durable")
    });
    assert_eq!(written(), before + 1);

    click(&browser, "stop");
    assert_eq!(browser.text("#ask-title"), "Stop wordcount?");
    click(&browser, "ask-no");
    browser.wait_for("#state", "it goes on", |text| text.contains("active"));
    click(&browser, "stop");
    click(&browser, "ask-yes");
    browser.wait_for("#steered", "it is told", |text| text.contains("It stops"));
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    browser.wait_for("#connection", "the page knows", |text| {
        text.contains("disconnected")
    });
}

#[test]
fn who_may_only_look_is_told_so_and_nothing_happens() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let token = "a-token-for-readers-only";
    std::fs::write(place.path("read"), token).unwrap();
    std::fs::write(place.path("operate"), "a-token-of-decent-length").unwrap();
    let daemon = place.start(&[
        "--set",
        "admin.token_file=operate",
        "--set",
        "admin.read_token_file=read",
        "--set",
        "checkpoint.interval=1h",
    ]);
    let shown = format!("Authorization: Bearer {token}");
    let told = |path: &str| daemon.request("GET", path, &[&shown], "").json();
    let browser = signed_in(&daemon, token);
    let before = told("/api/v1/checkpoint")["written"].clone();
    for button in ["cut", "stop"] {
        browser.run("document.getElementById('steered').textContent = ''");
        click(&browser, button);
        click(&browser, "ask-yes");
        let refused = browser.wait_for("#steered", "it is refused", |text| {
            text.contains("It wasn't done")
        });
        assert!(
            refused.contains(
                "this needs the operator role, and the token that is shown is the read-only one"
            ),
            "{refused}"
        );
        // The token is good for looking, so it isn't asked for again.
        assert_eq!(
            browser.run("return document.getElementById('token').open"),
            false
        );
    }
    assert_eq!(told("/api/v1/checkpoint")["written"], before);
    assert_eq!(told("/readyz")["state"], "ACTIVE");
    browser.wait_for("#state", "it goes on", |text| text.contains("active"));
    daemon.stop();
}
