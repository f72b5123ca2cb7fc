//! What operators install: the Debian package in a copy of this machine that systemd runs, and the container's image
//! under podman.
//! Both have the binary that these tests are built with.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_tidemill");

/// Has the package made, with this revision; returns its path.
fn package(folder: &Path, revision: &str) -> PathBuf {
    let mut command = Command::new(format!("{TOP}/ops/debian/package.sh"));
    // Time matters more than room.
    command.env("TIDEMILL_DPKG_DEB", "-Zgzip -z1");
    command.env("TIDEMILL_REVISION", revision);
    let output = command.arg(BINARY).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", all(&output));
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

fn all(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output();
    found.unwrap().status.success()
}

/// Runs a script; nothing where it says that it can't run here.
fn run(script: &str, arguments: &[&str]) -> Option<String> {
    let script = format!("{TOP}/{script}");
    let output = Command::new("bash").arg(script).args(arguments).output();
    let output = output.unwrap();
    let said = all(&output);
    if output.status.code() == Some(77) {
        println!("{said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(said)
}

/// Expects that these lines were said, in this order, with others between them.
fn expect_lines(said: &str, wanted: &[&str]) {
    let mut lines = said.lines();
    for wanted in wanted {
        assert!(
            lines.any(|line| line == *wanted),
            "no `{wanted}` in\n{said}"
        );
    }
}

#[test]
fn the_package_is_installed_runs_is_upgraded_and_goes_as_asked() {
    if !is_there("dpkg-shlibdeps") {
        return println!("skipped: no dpkg-shlibdeps");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let first = package(&at("one"), "1");
    package(&at("two"), "2");
    let again = package(&at("again"), "1");
    assert!(
        fs::read(&first).unwrap() == fs::read(again).unwrap(),
        "the same binary gave two different packages"
    );
    fs::copy(
        format!("{TOP}/tests/packages_support/life.sh"),
        at("life.sh"),
    )
    .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let arguments = [
        "--machine",
        folder.path().to_str().unwrap(),
        "/packages/life.sh",
    ];
    if let Some(said) = run("tests/systemd_support/isolated.sh", &arguments) {
        let installed = format!("installed installed {version}-1, inactive");
        let upgraded = format!("upgraded installed {version}-2, active success");
        expect_lines(
            &said,
            &[
                &installed,
                "user /var/lib/tidemill:/usr/sbin/nologin",
                "state tidemill:tidemill 750",
                "configuration root:root 644",
                "manual there",
                "completions 1",
                "check 0",
                "verified",
                "runs active as tidemill",
                "ready 200",
                r#"took {"records":1}"#,
                &upgraded,
                "another process",
                "the first stopped gracefully: 1",
                "operator # An operator was here.",
                "state tidemill:tidemill 750",
                r#"took {"records":1}"#,
                "counted (be,2) (is,1) (not,1) (or,1) (question,1) (that,1) (the,1) (to,2) ",
                "while stopped: inactive",
                "removed: process gone, program gone, unit gone, configuration there, state there",
                "purged: configuration gone, one's own there, state gone, user there",
                "left ",
            ],
        );
    }
    if !is_there("lintian") {
        return println!("skipped: no lintian");
    }
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]);
    let checked = lintian.arg(first).output().unwrap();
    assert!(checked.status.success(), "{}", all(&checked));
}

#[test]
fn the_container_runs_says_how_it_is_and_goes_on_in_the_next() {
    let base = Path::new(TOP).join("target/tools/container-base.tar");
    if !base.exists() {
        return println!("skipped: no {}; `make packaging` makes it", base.display());
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for place in ["context/ops", "context/target/container"] {
        fs::create_dir_all(at(place)).unwrap();
    }
    let copies = [
        ("ops/Containerfile", "context/ops/Containerfile"),
        (".dockerignore", "context/.dockerignore"),
        ("config/examples/wordcount.toml", "pipeline.toml"),
    ];
    for (from, to) in copies {
        fs::copy(Path::new(TOP).join(from), at(to)).unwrap();
    }
    fs::copy(base, at("base.tar")).unwrap();
    fs::write(at("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(at("context/target/container/tidemill"));
    assert!(strip.arg(BINARY).status().unwrap().success());
    let Some(said) = run(
        "tests/packages_support/container.sh",
        &[folder.path().to_str().unwrap()],
    ) else {
        return;
    };
    let refused = said
        .lines()
        .find(|line| line.starts_with("without a token: 2 "));
    assert!(
        refused.is_some_and(|line| line.contains("tidemill-token")),
        "{said}"
    );
    expect_lines(
        &said,
        &[
            "built",
            "healthy 0 as 10001:10001",
            "ready 200",
            r#"took {"records":1}"#,
            "stopped 0",
            "healthy 0 as 10001:10001",
            "ready 200",
            r#"took {"records":1}"#,
            "stopped 0",
            "counted (be,2) (is,1) (not,1) (or,1) (question,1) (that,1) (the,1) (to,2) ",
        ],
    );
}
