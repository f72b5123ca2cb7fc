//! Usable on a phone, with a keyboard, in the dark.

use serde_json::Value;

use crate::browser::{Browser, is_left_out};
use crate::cli_support::{Place, eventually};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

fn focused(browser: &Browser) -> Value {
    browser.run(
        "const at = document.activeElement; return at.id || at.hash || at.textContent.slice(0, 40)",
    )
}

#[test]
fn a_phone_shows_all_without_scrolling_sideways() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("one\n");
    let browser = Browser::start();
    for width in [390, 320] {
        browser.resize(width, 800);
        browser.open(&daemon.url());
        browser.wait_for("#graph", "all is shown", |text| !text.is_empty());
        let widths =
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        assert_eq!(browser.run(widths), serde_json::json!([width, width]));
        browser.run("document.querySelector('#completed tbody a').click()");
        browser.wait_for("#batch", "the batch is shown", |text| {
            text.contains("Inputs")
        });
        assert_eq!(browser.run(widths), serde_json::json!([width, width]));
        browser.run("location.hash = '#/'");
    }
    daemon.stop();
}

/// A chart whose largest bar has so many batches that the scale's last label is at its very end.
const CHART: &str = r#"
const frame = () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
return import('/page/charts.js').then(async ({ Chart }) => {
  const chart = new Chart({ name: 'a test', format: String });
  chart.plots.style.width = '390px';
  document.querySelector('#overview').append(chart.plots);
  chart.show(Array.from({ length: 1000 }, (_, n) => ({ time: n * 1000, value: 1 })), 1000);
  await frame();
  const canvas = chart.histogram.querySelector('canvas');
  const { width, height } = canvas;
  const column = (from) => canvas.getContext('2d').getImageData(from, 0, 1, height).data;
  const isBlank = (from) => column(from).every((value) => value === 0);
  const columns = Array.from({ length: width }, (_, n) => n).filter((n) => !isBlank(n));
  chart.plots.remove();
  return [width, columns[0], columns.at(-1)];
});"#;

#[test]
fn no_label_of_a_histogram_is_cut_off() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&[]);
    let browser = Browser::start();
    for width in [1280, 390] {
        browser.resize(width, 800);
        browser.open(&daemon.url());
        browser.wait_for("#completed", "all is shown", |text| !text.is_empty());
        let drawn = browser.run(CHART);
        let [all, first, last] = [0, 1, 2].map(|n| drawn[n].as_i64().unwrap());
        assert!(first >= 1 && last < all - 1, "{width}: {drawn}");
    }
    daemon.stop();
}

#[test]
fn a_keyboard_goes_everywhere_and_keeps_its_place_while_figures_change() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&[]);
    let browser = Browser::start();
    browser.open(&daemon.url());
    browser.wait_for("#completed", "a batch is shown", |text| {
        text.contains("completed")
    });
    browser.press(TAB);
    assert_eq!(focused(&browser), "#main");
    browser.press(TAB);
    assert_eq!(focused(&browser), "name");
    browser.press(TAB);
    assert_eq!(focused(&browser), "theme");
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline), "solid");

    // Ten batches a second come in; the link that has the focus stays, and has it.
    let link = browser
        .run("const a = document.querySelector('#completed tbody a'); a.focus(); return a.hash");
    let rows = "return [...document.querySelectorAll('#completed tbody a')].findIndex((a) => a === document.activeElement)";
    eventually("five batches are above it", || {
        assert_eq!(focused(&browser), link);
        (browser.run(rows).as_i64() >= Some(5)).then_some(())
    });
    browser.press(ENTER);
    browser.wait_for("#batch", "it is opened", |text| {
        text.contains("Output operations")
    });
    assert_eq!(browser.run("return location.hash"), link);
    assert_eq!(focused(&browser), "main");

    // Every table names its columns, every chart says in words what it shows.
    let bare = "return [...document.querySelectorAll('th:not([scope]), .plots[role]:not([aria-label])')].map((e) => e.outerHTML)";
    assert_eq!(browser.run(bare), serde_json::json!([]));
    daemon.stop();
}

#[test]
fn the_theme_is_the_systems_or_ones_own() {
    if is_left_out() {
        return;
    }
    let place = Place::new();
    let daemon = place.start(&[]);
    let browser = Browser::start();
    let back = || browser.run("return getComputedStyle(document.body).backgroundColor");
    browser.prefer("prefers-color-scheme", "light");
    browser.open(&daemon.url());
    browser.wait_for("#connection", "it is live", |text| text.contains("live"));
    let light = back();
    browser.prefer("prefers-color-scheme", "dark");
    let dark = back();
    assert_ne!(light, dark);
    // auto, light, dark
    let press = || {
        browser.run("document.querySelector('#theme').click(); return document.querySelector('#theme').innerText")
    };
    assert_eq!((press(), back()), ("Theme: light".into(), light.clone()));
    browser.open(&daemon.url());
    assert_eq!(back(), light);
    assert_eq!((press(), back()), ("Theme: dark".into(), dark.clone()));
    assert_eq!((press(), back()), ("Theme: auto".into(), dark));

    let motion = "return getComputedStyle(document.querySelector('#theme')).transitionDuration";
    assert_ne!(browser.run(motion), "0s");
    browser.prefer("prefers-reduced-motion", "reduce");
    assert_eq!(browser.run(motion), "0s");
    daemon.stop();
}
