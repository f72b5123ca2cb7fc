//! What docs/conformance.md names is there.

use std::path::Path;

/// The third-last, second-last and last cells of a table's rows.
fn rows(page: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let row = (cells.next()?, cells.next()?, cells.next()?);
        assert_eq!(cells.next(), None, "{line}");
        Some(row)
    })
}

#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut named = 0;
    for (original, here, result) in rows(&page).filter(|row| row.0 != "the original") {
        assert!(!original.is_empty() && !result.is_empty(), "{here}");
        let tests: Vec<&str> = here.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test is named for: {original}");
        for test in tests {
            let (path, name) = test.split_once("::").unwrap_or((test, ""));
            let source = std::fs::read_to_string(root.join(path));
            let source = source.unwrap_or_else(|error| panic!("{path}, of {original}: {error}"));
            let declared = match name {
                "" => "#[test]".to_owned(),
                name => format!("fn {name}("),
            };
            assert!(
                source.contains(&declared),
                "there is no {test}, of {original}"
            );
            named += 1;
        }
    }
    assert!(named > 90, "only {named} tests are named");
}
