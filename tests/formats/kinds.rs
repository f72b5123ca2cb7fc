//! The table of kinds is whole: every magic and every version of the sources is in it.

use std::collections::BTreeSet;

use tidemill::formats;

use crate::page::{Page, files_below, relative};

/// Begins with, version, said in.
type Kind = (String, String, String);

/// What the sources say, outside of their tests.
fn said() -> BTreeSet<Kind> {
    let mut said = BTreeSet::new();
    for folder in ["src", "storage/src", "wal/src", "checkpoint/src"] {
        for path in files_below(folder) {
            let Ok(source) = std::fs::read_to_string(&path) else {
                continue;
            };
            let source = source.split("\nmod tests {").next().unwrap();
            if path.ends_with("tests.rs") || path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let magics: Vec<usize> = source
                .match_indices("*b\"")
                .map(|(at, _)| at + 3)
                .filter(|at| source[*at..].find('"') == Some(8))
                .collect();
            for at in &magics {
                let version = number_behind(&source[*at..], &["version: ", "VERSION: u16 = "]);
                said.insert((
                    source[*at..at + 8].to_owned(),
                    version.expect("a magic is followed by its version"),
                    relative(&path),
                ));
            }
            let constants = ["const FORMAT: ", "const VERSION: ", "const STATE_FORMAT: "];
            let is_constant = |line: &&str| constants.iter().any(|known| line.contains(known));
            if magics.is_empty()
                && let Some(line) = source.lines().find(is_constant)
            {
                let (_, value) = line.split_once(" = ").unwrap();
                let value = value.trim_matches(['"', ';']).to_owned();
                said.insert((String::new(), value, relative(&path)));
            }
        }
    }
    said
}

fn number_behind(source: &str, names: &[&str]) -> Option<String> {
    let at = names
        .iter()
        .filter_map(|name| source.find(name).map(|at| at + name.len()))
        .min()?;
    let digits = source[at..].split(|c: char| !c.is_ascii_digit()).next()?;
    Some(digits.to_owned())
}

#[test]
fn every_magic_and_version_of_the_sources_is_in_the_table() {
    let page = Page::read();
    let table = &page.section("Kinds").tables[0];
    assert_eq!(table.head, ["kind", "begins with", "version", "said in"]);
    let listed: BTreeSet<Kind> = table
        .rows
        .iter()
        .map(|row| (row[1].clone(), row[2].clone(), row[3].clone()))
        .collect();
    assert_eq!(listed.len(), table.rows.len(), "a kind is listed twice");
    assert_eq!(listed, said());
}

#[test]
fn every_kind_has_its_section() {
    let page = Page::read();
    for row in &page.section("Kinds").tables[0].rows {
        let (_, link) = row[0].split_once("](#").unwrap();
        let anchor = link.trim_end_matches(')');
        let has_anchor = |title: &str| title.to_lowercase().replace(' ', "-") == anchor;
        let found = page
            .sections
            .iter()
            .find(|section| has_anchor(&section.title));
        let section = found.unwrap_or_else(|| panic!("no section for {}", row[0]));
        let is_described = !section.tables.is_empty() || section.title == "State entries";
        assert!(is_described, "{} has no table", section.title);
    }
}

#[test]
fn kinds_of_entries_and_logs_are_those_of_the_code() {
    let page = Page::read();
    let kinds = &page.section("Driver log").tables[0].rows;
    let code = formats::EVENT_KINDS.map(|(kind, event)| vec![kind.to_string(), event.to_owned()]);
    assert_eq!(kinds, &code);
    assert_eq!((formats::LOG_KINDS, formats::BLOCK_ENTRY), ([1, 2], 1));
}
