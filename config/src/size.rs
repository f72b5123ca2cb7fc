//! Sizes as people write them: `"64MiB"`, `"1GB"`, or a plain number of bytes.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Binary units from coarse to fine; what [`ByteSize`] is written in.
const BINARY: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];
/// Decimal units and the byte itself; read only.
const DECIMAL: [(&str, u64); 5] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, or the most that this machine can address.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads a size such as `64MiB`, `16 KiB`, `1GB` or `4096`; units in any case.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the text.
    ///
    /// ```
    /// use tidemill_config::ByteSize;
    ///
    /// assert_eq!(ByteSize::parse("16 KiB"), Ok(ByteSize::new(16_384)));
    /// assert!(ByteSize::parse("many").unwrap_err().contains("64MiB"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let unit = unit.trim_start();
        if number.is_empty() {
            return Err(format!(
                "`{text}` is no size: write a whole number and a unit, as in 64MiB"
            ));
        }
        let factor = if unit.is_empty() {
            1
        } else {
            let known = BINARY
                .iter()
                .chain(&DECIMAL)
                .find(|(n, _)| n.eq_ignore_ascii_case(unit));
            match known {
                Some((_, factor)) => *factor,
                None => {
                    return Err(format!(
                        "`{unit}` in `{text}` is no unit of size: use B, KiB, MiB, GiB or TiB"
                    ));
                }
            }
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is more than 2^64 bytes"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY
            .iter()
            .find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit))
        {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_units_in_any_case() {
        let bytes = |text| ByteSize::parse(text).unwrap().bytes();
        assert_eq!(bytes("64MiB"), 64 << 20);
        assert_eq!(bytes("16 kib"), 16 << 10);
        assert_eq!(bytes("1GB"), 1_000_000_000);
        assert_eq!(bytes("7B"), 7);
        assert_eq!(bytes("4096"), 4096);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(ByteSize::parse("").unwrap_err().contains("64MiB"));
        assert!(ByteSize::parse("64Mb/s").unwrap_err().contains("`Mb/s`"));
        assert!(ByteSize::parse("1.5GiB").unwrap_err().contains("no unit"));
        assert!(
            ByteSize::parse("99999999999TiB")
                .unwrap_err()
                .contains("2^64")
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: u64) {
            let size = ByteSize::new(bytes);
            prop_assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = ByteSize::parse(&text);
        }
    }
}
