//! How results are written: to standard output, for people as tables and round figures, for programs
//! as JSON.

use std::io::{StdoutLock, Write, stdout};

use serde::Serialize;

use super::error::{CliError, Result};

/// Standard output, whose reader may go away.
pub(super) struct Output(std::io::BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(std::io::BufWriter::new(stdout().lock()))
    }

    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        writeln!(self.0, "{}", text.as_ref()).map_err(|error| CliError::writing(&error))
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.0.write_all(bytes);
        written.map_err(|error| CliError::writing(&error))
    }

    /// A value on one line.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value);
        self.line(text.map_err(|error| CliError::Failed(error.to_string()))?)
    }

    /// A value on many lines.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value);
        self.line(text.map_err(|error| CliError::Failed(error.to_string()))?)
    }

    /// Columns as wide as they need to be; numbers to the right.
    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        let width = |column: usize| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let is_number = |column: usize| {
            let mut cells = rows.iter().filter_map(|row| row.get(column));
            cells.all(|cell| {
                cell.chars()
                    .next()
                    .is_none_or(|first| first.is_ascii_digit())
            })
        };
        let columns: Vec<(usize, bool)> = (0..head.len())
            .map(|column| (width(column), is_number(column)))
            .collect();
        for row in std::iter::once(&head).chain(rows) {
            let cells =
                row.iter()
                    .zip(&columns)
                    .map(|(cell, (width, is_number))| match is_number {
                        true => format!("{cell:>width$}"),
                        false => format!("{cell:width$}"),
                    });
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Everything must be out before the process ends.
    pub(super) fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(|error| CliError::writing(&error))
    }
}

/// A JSON object whose fields stay in the order in which they are meant to be read.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Fields(Vec<(&'static str, serde_json::Value)>);

impl Fields {
    /// With one more field.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// With the fields of `other` behind.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl Fields {
    /// As a value within another object, whose order isn't kept.
    pub(super) fn to_value(&self) -> serde_json::Value {
        let fields = self.0.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }
}

impl Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// So many things, in words.
pub(super) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Bytes in the largest unit that leaves a figure above 1.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        shown = format!("{value:.1} {unit}");
    }
    shown
}

/// A length of time, given in milliseconds, in its two largest units.
pub(super) fn length(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=9 => format!("{:.1} s", ms as f64 / 1000.0),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// What a direct source wrote for itself (a plan, a position), as JSON: a version byte and MessagePack.
/// What can't be read so is shown in hexadecimal.
pub(super) fn opaque(bytes: &[u8]) -> serde_json::Value {
    let map = bytes
        .get(1..)
        .and_then(|map| crate::messagepack::read(map).ok());
    map.unwrap_or_else(|| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serde_json::Value::String(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_round() {
        assert_eq!(count(1, "segment"), "1 segment");
        assert_eq!(count(0, "segment"), "0 segments");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!(length(1234), "1.2 s");
        assert_eq!(length(61_000), "1 min 1 s");
        assert_eq!(length(90_000_000), "1 d 1 h");
    }

    #[test]
    fn fields_stay_in_their_order() {
        let line = Fields::default()
            .with("log", "driver")
            .and(Fields::default().with("a", 1));
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"log":"driver","a":1}"#
        );
    }

    #[test]
    fn what_cannot_be_read_is_shown_in_hexadecimal() {
        assert_eq!(opaque(&[1, 0x93, 1, 2, 3]), serde_json::json!([1, 2, 3]));
        assert_eq!(opaque(&[1, 0xc1]), "01c1");
        assert_eq!(opaque(&[]), "");
    }
}
