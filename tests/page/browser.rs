//! [`Browser`]: headless Chromium, driven by WebDriver, whose requests are plain JSON over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli_support::eventually;

/// Whether tests with a browser are left out.
pub fn is_left_out() -> bool {
    let left_out = std::env::var_os("TIDEMILL_WITHOUT_BROWSER").is_some();
    if left_out {
        eprintln!("left out: TIDEMILL_WITHOUT_BROWSER is set");
    }
    left_out
}

/// A browser with one window, and a profile of its own.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A window of a desktop's size.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let driver = Command::new("chromedriver")
            // What a browser that is ended leaves behind goes with the profile.
            .env("TMPDIR", profile.path())
            .args(["--port=0", "--log-level=WARNING"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = driver.unwrap_or_else(|error| {
            panic!(
                "chromedriver: {error}; `make browser` installs it, and TIDEMILL_WITHOUT_BROWSER=1 leaves these \
                 tests out"
            )
        });
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || said.for_each(drop));
        let mut browser = Self {
            driver,
            port: port.unwrap(),
            session: String::new(),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1280,900", profile,
        ]});
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.try_ask(method, path, body);
        let value = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(value.get("error").is_none(), "{method} {path}: {value:#}");
        value
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let line = line.to_ascii_lowercase();
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or_default();
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["value"].take())
    }

    fn of_session(&self, path: &str, body: Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), &body)
    }

    pub fn open(&self, url: &str) {
        self.of_session("/url", json!({ "url": url }));
    }

    /// What a function body returns.
    pub fn run(&self, script: &str) -> Value {
        self.of_session("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Types into what has the focus; see WebDriver for keys such as `\u{E004}` (tab).
    pub fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ]}]);
        self.of_session("/actions", json!({ "actions": actions }));
    }

    /// Types a text into the field that `selector` finds.
    pub fn type_into(&self, selector: &str, text: &str) {
        let found = self.of_session(
            "/element",
            json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().unwrap().values().next().unwrap();
        self.of_session(
            &format!("/element/{}/value", id.as_str().unwrap()),
            json!({ "text": text }),
        );
    }

    /// A command of Chromium's own protocol.
    pub fn command(&self, name: &str, parameters: Value) -> Value {
        self.of_session(
            "/goog/cdp/execute",
            json!({ "cmd": name, "params": parameters }),
        )
    }

    pub fn resize(&self, width: u32, height: u32) {
        let is_phone = width < 500;
        self.command(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone }),
        );
    }

    /// Has the page believe what the reader's system prefers, such as `prefers-color-scheme`.
    pub fn prefer(&self, feature: &str, value: &str) {
        self.command(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": feature, "value": value }] }),
        );
    }

    /// The text that is to be seen below an element.
    pub fn text(&self, selector: &str) -> String {
        let script = format!(
            "return document.querySelector({})?.innerText ?? ''",
            json!(selector)
        );
        self.run(&script).as_str().unwrap().to_owned()
    }

    /// Waits until the text below an element is as wanted.
    pub fn wait_for(&self, selector: &str, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let last = std::cell::RefCell::new(String::new());
        let shown = scopeguard(|| eprintln!("{selector} shows: {}", last.borrow()));
        let found = eventually(what, || {
            *last.borrow_mut() = self.text(selector);
            is_there(&last.borrow()).then(|| last.borrow().clone())
        });
        shown.forget();
        found
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.of_session("/se/log", json!({ "type": kind }));
        log.as_array().unwrap().clone()
    }

    /// What the console says of mistakes since it was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.log("browser").into_iter();
        let bad = log.filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that were asked for since this was last called.
    pub fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").into_iter();
        let messages = entries.filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?.to_owned();
            is_request.then_some(url)
        });
        messages.collect()
    }

    /// The whole page as a picture (PNG).
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.command("Page.captureScreenshot", json!({ "format": "png" }));
        from_base64(picture["data"].as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; killing the driver alone would leave it behind.
        let _ = self.try_ask("DELETE", &self.session, &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Runs a function when a test gives up.
struct OnPanic<F: Fn()>(Option<F>);

fn scopeguard<F: Fn()>(function: F) -> OnPanic<F> {
    OnPanic(Some(function))
}

impl<F: Fn()> OnPanic<F> {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if let Some(function) = &self.0 {
            function();
        }
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
