//! The overview follows a running pipeline, and each batch has a page.

use crate::browser::{Browser, is_left_out};
use crate::cli_support::{Daemon, Place, eventually};

/// Batches that a busy machine keeps up with.
const SLOWLY: [&str; 2] = ["--set", "batch_interval=\"500ms\""];

/// Nothing but the daemon was asked for anything, and the console has nothing to say.
pub fn is_clean(browser: &Browser, daemon: &Daemon) {
    assert_eq!(browser.complaints(), [""; 0]);
    let requested = browser.requested();
    assert!(!requested.is_empty());
    for url in requested {
        // The new window's own page is the browser's.
        let is_own = ["data:", "chrome:", &daemon.url()]
            .iter()
            .any(|start| url.starts_with(start));
        assert!(is_own, "{url}");
    }
}

/// The row of the completed batch with so many records, once there is one: its link's address.
fn batch_with(browser: &Browser, records: u64) -> String {
    let script = format!(
        "document.querySelector('#more:not([hidden])')?.click();
         const rows = [...document.querySelectorAll('#completed tbody tr')];
         return rows.find((row) => row.cells[1].innerText === '{records}')?.querySelector('a').hash ?? null"
    );
    eventually("the batch is shown", || {
        browser.run(&script).as_str().map(str::to_owned)
    })
}

#[test]
fn a_batch_is_followed_live_and_has_a_page() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&SLOWLY);
    let browser = Browser::start();
    browser.open(&daemon.url());
    browser.wait_for("#connection", "the stream is open", |text| {
        text.contains("live")
    });
    browser.wait_for("#name", "the name is shown", |text| text == "wordcount");
    browser.wait_for("#alarms", "nothing is wrong", str::is_empty);
    assert_eq!(browser.text("#state"), "active");
    browser.requested();

    // From here on only the stream tells of batches: seven lines come at once into one batch.
    daemon.feed("to be\nor not\nto be\nthat is\nthe\nquestion\n!\n");
    let hash = batch_with(&browser, 7);
    browser.wait_for("#summary", "records are counted", |text| {
        text.contains("7 records")
    });
    let label =
        "return document.querySelector('#timelines .plots[aria-label]').getAttribute('aria-label')";
    let label = browser.run(label);
    let label = label.as_str().unwrap();
    assert!(
        label.starts_with("Input rate: last ") && label.contains("highest 14 records/s"),
        "{label}"
    );
    assert!(
        browser
            .text("#sources")
            .contains("lines posted to /ingest/lines")
    );
    let graph = "return document.querySelectorAll('#graph .box').length";
    assert_eq!(browser.run(graph), 5);
    let rate = "const lines = document.querySelectorAll('#graph .box.operator .line');
        return [...lines].some((line) => /^[1-9].* records\\/s$/.test(line.textContent))";
    eventually("an operator's rate is drawn", || {
        daemon.feed("to be or not to be\n");
        (browser.run(rate) == true).then_some(())
    });
    for panel in ["#checkpoint", "#wal"] {
        assert!(!browser.text(panel).is_empty(), "{panel}");
    }

    browser.run(&format!(
        "document.querySelector('a[href=\"{hash}\"]').click()"
    ));
    let shown = browser.wait_for("#batch", "the batch's page is there", |text| {
        text.contains("Output operations")
    });
    for wanted in [
        "completed",
        "save_as_text_files",
        "print",
        "lines",
        "7 records",
        "done",
    ] {
        assert!(shown.contains(wanted), "{wanted} isn't in {shown}");
    }
    let back = "document.querySelector('#batch nav a').click(); return location.hash";
    assert_eq!(browser.run(back), "#/");
    browser.open(&format!("{}/#/batch/1", daemon.url()));
    browser.wait_for("#batch", "it says that there is no such batch", |text| {
        text.contains("isn't known")
    });
    // The browser reports the refused request itself.
    browser.complaints().iter().for_each(|complaint| {
        assert!(complaint.contains("batches/1"), "{complaint}");
    });
    is_clean(&browser, &daemon);
    daemon.stop();
}

#[test]
fn a_pipeline_that_is_gone_is_no_live_one_and_comes_back_with_its_history() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&SLOWLY);
    daemon.feed("one\ntwo\nthree\n");
    let browser = Browser::start();
    browser.open(&daemon.url());
    let hash = batch_with(&browser, 3);
    assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    let address = daemon.address.clone();
    daemon.signal("KILL");
    drop(daemon);
    browser.wait_for("#alarms", "it is told", |text| {
        text.contains("Disconnected since")
    });
    let faded = "return document.body.classList.contains('old')";
    assert_eq!(browser.run(faded), true);

    let daemon = place.start(&[
        SLOWLY[0],
        SLOWLY[1],
        "--set",
        &format!("admin.listen={address}"),
    ]);
    browser.wait_for("#connection", "it is live again", |text| {
        text.contains("live")
    });
    assert_eq!(batch_with(&browser, 3), hash);
    browser.wait_for("#checkpoint", "the next epoch is shown", |text| {
        text.contains("Epoch\n2")
    });
    daemon.stop();
}
