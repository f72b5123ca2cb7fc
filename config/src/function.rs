//! The named functions that stand for closures in a pipeline file.

use std::fmt;

use regex::Regex;

use crate::tree::Node;
use crate::value::{Flaw, FromNode, choice, text};

choice! {
    /// Folds values into one of the same meaning.
    pub enum AggregateFunction ("function") {
        /// The sum; of numbers only.
        Sum = "sum",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// How many.
        Count = "count",
        /// The one that came first.
        First = "first",
        /// The one that came last.
        Last = "last",
    }
}

impl AggregateFunction {
    /// Whether what left a window can be taken out of the result again.
    pub const fn has_inverse(self) -> bool {
        matches!(self, Self::Sum | Self::Count)
    }
}

choice! {
    /// Folds values into a result of a type of its own.
    pub enum CombineFunction ("function") {
        /// All values, in order.
        List = "list",
        /// The different values, sorted.
        Set = "set",
        /// How many.
        Count = "count",
        /// The sum; of numbers only.
        Sum = "sum",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// The mean; of numbers only.
        Avg = "avg",
    }
}

choice! {
    /// Makes one record from one.
    pub enum MapFunction ("function") {
        /// Text without white space at its ends.
        Trim = "trim",
        /// Text in small letters.
        Lowercase = "lowercase",
        /// Text in capitals.
        Uppercase = "uppercase",
        /// The number of characters.
        Length = "length",
        /// The record as it is.
        Identity = "identity",
        /// Text as an integer.
        ParseInt = "parse_int",
        /// Text as a number.
        ParseFloat = "parse_float",
        /// The key of a pair.
        Key = "key",
        /// The value of a pair.
        Value = "value",
        /// A pair with key and value exchanged.
        Swap = "swap",
    }
}

choice! {
    /// Works on a whole partition of a batch.
    pub enum PartitionFunction ("function") {
        /// Its records in order.
        Sort = "sort",
        /// Its different records.
        Distinct = "distinct",
    }
}

choice! {
    /// Which keys a join keeps.
    pub enum JoinKind ("kind of join") {
        /// Those that both sides have.
        Inner = "inner",
        /// Those of the stream that is joined.
        Left = "left",
        /// Those of the stream that it is joined with.
        Right = "right",
        /// Those of either.
        Full = "full",
    }
}

choice! {
    /// The part of a pair that is looked at.
    pub enum PairPart ("part of a pair") {
        /// The key.
        Key = "key",
        /// The value.
        Value = "value",
    }
}

/// A regular expression that compiles.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The compiled expression.
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromNode for Pattern {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let source = text(node, "a regular expression")?;
        Regex::new(source).map(Self).map_err(|error| {
            // The crate draws the place under the pattern; its last line says what is wrong.
            let error = error.to_string();
            let why = error
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            Flaw::invalid(node, format!("`{source}` is no regular expression: {why}"))
        })
    }
}

/// A JSON pointer (RFC 6901): empty for the whole document, else `/` before each step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonPointer(String);

impl JsonPointer {
    /// The pointer as text, as `serde_json::Value::pointer` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromNode for JsonPointer {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let pointer = text(node, "a JSON pointer such as \"/user/name\"")?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let why = format!("`{pointer}` is no JSON pointer: write `/{pointer}`");
            return Err(Flaw::invalid(node, why));
        }
        let bad_escape = pointer
            .split('~')
            .skip(1)
            .any(|after| !after.starts_with('0') && !after.starts_with('1'));
        if bad_escape {
            let why = format!("`{pointer}` is no JSON pointer: `~` is written `~0`");
            return Err(Flaw::invalid(node, why));
        }
        Ok(Self(pointer.to_owned()))
    }
}
