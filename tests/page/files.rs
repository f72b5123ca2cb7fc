//! What the page is made of.

use std::path::Path;

use crate::cli_support::Place;

/// Files of others, as they are in their packages.
const VENDORED: [(&str, &str); 5] = [
    ("uPlot.esm.js", "uplot/dist/uPlot.esm.js"),
    ("uPlot.min.css", "uplot/dist/uPlot.min.css"),
    ("uPlot.LICENSE", "uplot/LICENSE"),
    ("dagre.esm.js", "@dagrejs/dagre/dist/dagre.esm.js"),
    ("dagre.LICENSE", "@dagrejs/dagre/LICENSE"),
];

#[test]
fn what_is_of_others_is_what_they_published() {
    if crate::browser::is_left_out() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("target/tools/page/node_modules");
    assert!(
        packages.is_dir(),
        "{} is missing: `make browser` installs it, and TIDEMILL_WITHOUT_BROWSER=1 leaves this test out",
        packages.display()
    );
    let vendor = root.join("src/admin/page/vendor");
    for (ours, theirs) in VENDORED {
        let same = std::fs::read(vendor.join(ours)).unwrap()
            == std::fs::read(packages.join(theirs)).unwrap();
        assert!(same, "{ours} isn't {theirs}: copy it");
    }
    let count = std::fs::read_dir(&vendor).unwrap().count();
    assert_eq!(
        count,
        VENDORED.len(),
        "{} holds something else",
        vendor.display()
    );
}

#[test]
fn files_are_served_with_a_strict_policy_and_once() {
    let place = Place::new();
    let daemon = place.start(&[]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/page/main.js", "text/javascript"),
        ("/page/style.css", "text/css"),
        ("/page/vendor/uPlot.esm.js", "text/javascript"),
    ] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}");
        for wanted in [
            &format!("content-type: {kind}; charset=utf-8"),
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
        ] {
            assert!(answer.head.contains(wanted), "{path}: {}", answer.head);
        }
        let etag = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .unwrap();
        let held = format!("If-None-Match: {etag}");
        let again = daemon.request("GET", path, &[&held], "");
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
    }
    for path in [
        "/page/",
        "/page/nothing.js",
        "/page/../page.rs",
        "/page/package.json",
    ] {
        assert_eq!(daemon.get(path).status, 404, "{path}");
    }
    daemon.stop();
}
