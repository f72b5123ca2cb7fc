//! Where a token is needed, the page asks for it.

use crate::browser::{Browser, is_left_out};
use crate::cli_support::Place;

#[test]
fn the_token_is_asked_for_and_shown_to_the_stream_as_well() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let token = "a-token-of-decent-length";
    std::fs::write(place.path("token"), token).unwrap();
    let daemon = place.start(&["--set", "admin.token_file=token"]);
    let browser = Browser::start();
    browser.open(&daemon.url());
    let is_open = "return document.querySelector('#token').open";
    browser.wait_for("#token", "it asks", |text| {
        text.contains("A token is needed")
    });
    browser.type_into("#token-value", "another-token-of-its-length\n");
    browser.wait_for("#token", "it asks again", |text| {
        text.contains("isn't the right one")
    });
    browser.type_into("#token-value", &format!("{token}\n"));
    browser.wait_for("#connection", "the stream is open", |text| {
        text.contains("live")
    });
    assert_eq!(browser.run(is_open), false);
    assert_eq!(browser.text("#name"), "wordcount");
    // Within the tab it isn't asked for again; no other tab knows it.
    browser.open(&daemon.url());
    browser.wait_for("#connection", "it is live again", |text| {
        text.contains("live")
    });
    assert_eq!(browser.run(is_open), false);
    assert_eq!(browser.run("return localStorage.length"), 0);
    assert!(!daemon.log().contains(token));
}
