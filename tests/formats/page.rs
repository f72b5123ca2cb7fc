//! [`Page`]: the page, cut into sections, tables and dumps.

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The whole page.
pub struct Page {
    pub sections: Vec<Section>,
}

/// What is below one heading, up to the next.
#[derive(Default)]
pub struct Section {
    pub title: String,
    pub tables: Vec<Table>,
    pub dumps: Vec<Dump>,
}

/// A table's cells; code marks are left out.
#[derive(Default)]
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// An annotated golden file.
pub struct Dump {
    pub file: String,
    pub bytes: Vec<u8>,
}

impl Page {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(root().join("docs/formats.md")).unwrap();
        let mut sections = vec![Section::default()];
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with("##") {
                sections.push(Section {
                    title: line.trim_start_matches('#').trim().to_owned(),
                    ..Section::default()
                });
            }
            let section = sections.last_mut().unwrap();
            if let Some(file) = line.strip_prefix("```dump ") {
                let body = lines.by_ref().take_while(|line| *line != "```");
                section.dumps.push(dump(file, body));
            } else if line.starts_with('|') {
                let mut table = Table {
                    head: cells(line),
                    rows: Vec::new(),
                };
                assert!(lines.next().unwrap().starts_with("|-"), "{line}");
                while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                    table.rows.push(cells(row));
                    assert_eq!(table.rows.last().unwrap().len(), table.head.len(), "{row}");
                }
                section.tables.push(table);
            }
        }
        Self { sections }
    }

    /// The section of this title.
    pub fn section(&self, title: &str) -> &Section {
        let found = self.sections.iter().find(|section| section.title == title);
        found.unwrap_or_else(|| panic!("docs/formats.md has no section `{title}`"))
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().replace('`', ""))
        .collect()
}

/// Each line: offset, up to sixteen bytes, note.
fn dump<'a>(file: &str, lines: impl Iterator<Item = &'a str>) -> Dump {
    let mut bytes = Vec::new();
    for line in lines {
        let (offset, rest) = line.split_at(4);
        let offset = usize::from_str_radix(offset, 16).unwrap();
        assert_eq!(offset, bytes.len(), "{file}: {line}");
        let columns = rest.get(..49).unwrap_or(rest);
        let pairs = columns.split_whitespace();
        bytes.extend(pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
    }
    Dump {
        file: file.to_owned(),
        bytes,
    }
}

/// All files below a folder of the repository.
pub fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A file's path within the repository.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}
