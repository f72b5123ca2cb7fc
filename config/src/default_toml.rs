//! `default.toml`: every key with its default, rendered from the table of keys.

use std::fmt::Write as _;

use crate::key::{Key, Presence};
use crate::keys::{SectionKeys, sections};

const HEAD: &str = "\
# Every key of a tidemill pipeline with its meaning and its default.
#
# Keys that are set here have the value shown as their default, but for those marked `required`, whose
# values are examples. Keys behind a `#` are off, or follow from something else, unless they are set.
# Durations are whole numbers with ms, s, m, h or d (\"200ms\", \"1h30m\"); sizes have B, KiB, MiB, GiB or
# TiB; what other numbers count stands in brackets. A running pipeline takes new values of keys marked
# `reload` when it is asked to (SIGHUP, `tidemill reload`); all others need a restart.
#
# Every key can also be set in a drop-in (files FILE.d/*.toml, in the order of their names), by an
# environment variable such as TIDEMILL__SECTION__KEY, or by `--set section.key=value`; each goes before
# those named before it, and all before the file. `tidemill check FILE --explain` says what holds and why.
";

/// The text of `default.toml`.
pub fn default_toml() -> String {
    let mut text = HEAD.to_owned();
    for section in sections() {
        // Writing to a string can't fail.
        let _ = render(&section, &mut text);
    }
    text
}

fn render(section: &SectionKeys, out: &mut String) -> std::fmt::Result {
    let keys = || section.keys.iter().chain(section.shared);
    let header = section.section;
    writeln!(out)?;
    match section.kind {
        Some(kind) if header.ends_with(".ops") => {
            writeln!(out, "# {{ op = \"{kind}\" }}: {}", section.doc)?;
        }
        Some(kind) => writeln!(out, "# {}\n# [{header}]\n# type = \"{kind}\"", section.doc)?,
        None if header.ends_with(".ops") => {
            let shape = "It has these keys, and its own, in one { ... } of the list `ops`.";
            writeln!(out, "# {} {shape}", section.doc)?;
        }
        None if header.contains("NAME") => writeln!(out, "# {}\n# [{header}]", section.doc)?,
        None if header.is_empty() => writeln!(out, "# {}\n", section.doc)?,
        None => writeln!(out, "# {}\n[{header}]", section.doc)?,
    }
    if header.contains("NAME") {
        keys().try_for_each(|key| write_named_key(key, out))
    } else {
        keys().try_for_each(|key| write_setting(key, out))
    }
}

/// A key of a section that a pipeline has once: its meaning above it, and live if it is set.
fn write_setting(key: &Key, out: &mut String) -> std::fmt::Result {
    for line in wrap(&format!("{}{}", key.doc, notes(key)), 96) {
        writeln!(out, "# {line}")?;
    }
    let name = key.name;
    match key.presence {
        Presence::Required(example) => writeln!(out, "{name} = {example}  # required"),
        Presence::Default(default) => writeln!(out, "{name} = {default}"),
        Presence::Optional(example) => writeln!(out, "# {name} = {example}"),
        Presence::Derived { example, from } => {
            writeln!(out, "# {name} = {example}  # default: {from}")
        }
    }
}

/// A key of a section that there may be many of, in one line.
fn write_named_key(key: &Key, out: &mut String) -> std::fmt::Result {
    let name = key.name;
    let doc = format!("{}{}", key.doc, notes(key));
    match key.presence {
        Presence::Required(example) => writeln!(out, "# {name} = {example}  # required; {doc}"),
        Presence::Default(default) => writeln!(out, "# {name} = {default}  # {doc}"),
        Presence::Optional(example) => writeln!(out, "# {name} = {example}  # optional; {doc}"),
        Presence::Derived { example, from } => {
            writeln!(out, "# {name} = {example}  # default: {from}; {doc}")
        }
    }
}

/// What a number counts, and whether a reload takes it.
fn notes(key: &Key) -> String {
    let reload = if key.reloadable { "reload" } else { "" };
    let notes: Vec<&str> = [key.unit, reload]
        .into_iter()
        .filter(|note| !note.is_empty())
        .collect();
    match notes.is_empty() {
        true => String::new(),
        false => format!(" ({})", notes.join("; ")),
    }
}

/// Lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pipeline;

    /// Everything that a pipeline must have and that has no default.
    const TAIL: &str = "\n[sources.lines]\ntype = \"http\"\n[sinks.screen]\nfrom = \"lines\"\n\
                        type = \"console\"\n";

    #[test]
    fn the_file_is_the_table_of_keys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/default.toml");
        if std::env::var_os("UPDATE_DEFAULT_TOML").is_some() {
            std::fs::write(path, default_toml()).unwrap();
        }
        let file = std::fs::read_to_string(path).unwrap();
        assert!(
            file == default_toml(),
            "write default.toml anew: UPDATE_DEFAULT_TOML=1 cargo test -p tidemill-config default_toml"
        );
    }

    #[test]
    fn the_file_says_what_holds_without_it() {
        let parse = |text: &str| Pipeline::parse("f", text, &[], std::iter::empty()).unwrap();
        let from_file = parse(&(default_toml() + TAIL));
        // Only what is required, with the values of the file.
        let required: String = default_toml()
            .lines()
            .filter(|line| line.starts_with('[') || line.contains("# required"))
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let bare = parse(&(required + TAIL));
        let settings = |p: &Pipeline| {
            format!(
                "{:?}",
                (
                    (
                        &p.name,
                        p.batch_interval,
                        p.concurrent_jobs,
                        p.remember,
                        &p.checkpoint,
                        &p.wal
                    ),
                    (
                        &p.receiver,
                        &p.admin,
                        &p.backpressure,
                        &p.catch_up,
                        &p.jobs,
                        &p.stop,
                        &p.log
                    ),
                    (&p.sources[0].kind, &p.sources[0].limits, &p.sinks[0].kind),
                )
            )
        };
        assert_eq!(settings(&from_file), settings(&bare));
        assert!(from_file.warnings.is_empty(), "{:?}", from_file.warnings);
    }

    #[test]
    fn every_example_and_default_is_toml() {
        for section in sections() {
            for key in section.keys.iter().chain(section.shared) {
                let (Presence::Required(value)
                | Presence::Optional(value)
                | Presence::Default(value)
                | Presence::Derived { example: value, .. }) = key.presence;
                let text = format!("{} = {value}", key.name);
                assert!(
                    toml::de::DeTable::parse(&text).is_ok(),
                    "{}: {text}",
                    section.section
                );
            }
        }
    }
}
