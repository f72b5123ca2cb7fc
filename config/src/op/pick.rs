//! [`Pick`]: a way into a pair or a list, such as `value.left`.

use std::fmt;

use crate::tree::Node;
use crate::value::{Flaw, FromNode, text};

/// Steps into pairs and lists, at least one: `key` and `left` are the first part of a pair, `value` and `right` the
/// second; numbers count parts of pairs and items of lists from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pick {
    written: String,
    steps: Vec<usize>,
}

impl Pick {
    /// The place to take at each step, from 0.
    pub fn steps(&self) -> &[usize] {
        &self.steps
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromNode for Pick {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let written = text(node, "a part such as \"value.left\"")?;
        let step = |name: &str| match name {
            "key" | "left" => Ok(0),
            "value" | "right" => Ok(1),
            _ => name.parse().map_err(|_| {
                let help = crate::suggest::help(name, ["key", "value", "left", "right"]);
                let known = "key, value, left, right, or a number from 0";
                let help = help.unwrap_or_else(|| format!("write {known}"));
                let reason =
                    format!("`{name}` in `{written}` is no part of a pair or list: {help}");
                Flaw::invalid(node, reason)
            }),
        };
        Ok(Self {
            steps: written.split('.').map(step).collect::<Result<_, _>>()?,
            written: written.to_owned(),
        })
    }
}
