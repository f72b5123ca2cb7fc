//! Names that people give: of pipelines, sources, streams, sinks and operators.

use std::fmt;
use std::sync::Arc;

use crate::tree::Node;
use crate::value::{Flaw, FromNode, text};

/// The longest name accepted, in bytes.
const MAX_NAME: usize = 100;

/// A name: small letters, digits, `_` and `-`, beginning with a letter or digit, at most 100 bytes.
///
/// So it can stand in a path, a URL, a metric's label and an environment variable without escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("a name can't be empty".into());
        }
        if name.len() > MAX_NAME {
            return Err(format!("a name can't be longer than {MAX_NAME} characters"));
        }
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = name.starts_with(letter) && name.chars().all(|c| letter(c) || "_-".contains(c));
        if good {
            return Ok(Self(name.into()));
        }
        Err(format!(
            "`{name}` can't be a name: use small letters, digits, `_` and `-`, and begin with a letter \
             or digit"
        ))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromNode for Name {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        Self::parse(text(node, "a name")?).map_err(|why| Flaw::invalid(node, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "word-count_2", "0"] {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "A",
            "a b",
            "../x",
            "-a",
            "_a",
            "ä",
            "a.b",
            &"x".repeat(101),
        ] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }
}
