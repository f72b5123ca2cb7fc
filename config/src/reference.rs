//! The tables of `docs/configuration.md`, rendered from the table of keys.

use std::fmt::Write as _;

use crate::key::{Key, Presence};
use crate::keys::{SectionKeys, sections};

/// A table for each section.
pub fn reference() -> String {
    let mut text = String::new();
    for section in sections() {
        // Writing to a string can't fail.
        let _ = render(&section, &mut text);
    }
    text
}

fn render(section: &SectionKeys, out: &mut String) -> std::fmt::Result {
    let header = section.section;
    let is_operator = header.ends_with(".ops");
    match section.kind {
        Some(kind) if is_operator => writeln!(out, "\n#### `{{ op = \"{kind}\" }}`\n")?,
        Some(kind) => writeln!(out, "\n#### `type = \"{kind}\"`\n")?,
        None if is_operator => writeln!(out, "\n### Operators: `ops` of `[streams.NAME]`\n")?,
        None if header.is_empty() => writeln!(out, "\n### The top of the file\n")?,
        None => writeln!(out, "\n### `[{header}]`\n")?,
    }
    writeln!(out, "{}", section.doc)?;
    let mut keys = section.keys.iter().chain(section.shared).peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\n| key | value | default | unit | reload | meaning |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    keys.try_for_each(|key| row(key, out))
}

fn row(key: &Key, out: &mut String) -> std::fmt::Result {
    let default = match key.presence {
        Presence::Required(example) => format!("required, as in `{example}`"),
        Presence::Default(value) => format!("`{value}`"),
        Presence::Optional(example) => format!("not set; as in `{example}`"),
        Presence::Derived { from, .. } => from.to_owned(),
    };
    let reload = if key.reloadable { "yes" } else { "" };
    let cells = [&default, key.units(), reload, key.doc].map(cell);
    let [default, units, reload, doc] = cells;
    writeln!(
        out,
        "| `{}` | {} | {default} | {units} | {reload} | {doc} |",
        key.name,
        cell(key.value)
    )
}

/// Text as it may stand in a table; what looks like a link's brackets is none.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- keys: rendered from the table of keys -->\n";

    #[test]
    fn the_page_ends_with_the_table_of_keys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, _) = page.split_once(BEGIN).unwrap();
        let whole = format!("{head}{BEGIN}{}", reference());
        if std::env::var_os("UPDATE_CONFIGURATION").is_some() {
            std::fs::write(path, &whole).unwrap();
            return;
        }
        assert!(
            page == whole,
            "write docs/configuration.md anew: UPDATE_CONFIGURATION=1 cargo test -p tidemill-config --lib reference"
        );
    }

    #[test]
    fn numbers_that_count_something_say_what() {
        // An index, a seed and a factor count nothing.
        let without = ["seed"];
        for section in sections()
            .iter()
            .filter(|section| !section.section.ends_with(".ops"))
        {
            for key in section.keys.iter().chain(section.shared) {
                let is_told = !key.units().is_empty() || without.contains(&key.name);
                assert!(
                    key.value != "an integer" || is_told,
                    "[{}] {} has no unit",
                    section.section,
                    key.name
                );
            }
        }
    }
}
