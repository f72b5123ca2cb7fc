//! From nodes of the tree to Rust's types, with what was expected when it can't be done.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Problem;
use crate::tree::{Node, Table, Value};
use crate::{ByteSize, Location, parse_duration, suggest};

/// Why a node isn't the value that was asked for, and where exactly.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub at: Location,
    pub kind: FlawKind,
}

#[derive(Debug)]
pub(crate) enum FlawKind {
    WrongType {
        expected: String,
        found: String,
    },
    Invalid {
        reason: String,
        help: Option<String>,
    },
    Unknown {
        what: &'static str,
        name: String,
        help: Option<String>,
    },
}

impl Flaw {
    pub fn wrong_type(node: &Node, expected: impl Into<String>) -> Self {
        let kind = FlawKind::WrongType {
            expected: expected.into(),
            found: node.describe(),
        };
        Self {
            at: node.at.clone(),
            kind,
        }
    }

    pub fn invalid(node: &Node, reason: impl Into<String>) -> Self {
        Self {
            at: node.at.clone(),
            kind: FlawKind::Invalid {
                reason: reason.into(),
                help: None,
            },
        }
    }

    pub fn unknown(node: &Node, what: &'static str, name: &str, valid: &[&str]) -> Self {
        let help = suggest::help(name, valid.iter().copied());
        Self {
            at: node.at.clone(),
            kind: FlawKind::Unknown {
                what,
                name: name.to_owned(),
                help,
            },
        }
    }

    /// The problem, for the key it was found under, and its help.
    pub fn into_problem(self, key: String) -> (Location, Problem, Option<String>) {
        match self.kind {
            FlawKind::WrongType { expected, found } => (
                self.at,
                Problem::WrongType {
                    key,
                    expected,
                    found,
                },
                None,
            ),
            FlawKind::Invalid { reason, help } => (self.at, Problem::Invalid { key, reason }, help),
            FlawKind::Unknown { what, name, help } => {
                let place = format!(" in `{key}`");
                (self.at, Problem::Unknown { what, name, place }, help)
            }
        }
    }
}

/// What can be read from a node.
pub(crate) trait FromNode: Sized {
    fn from_node(node: &Node) -> Result<Self, Flaw>;
}

/// The node's string, or what was expected.
pub(crate) fn text<'a>(node: &'a Node, expected: &str) -> Result<&'a str, Flaw> {
    node.as_str()
        .ok_or_else(|| Flaw::wrong_type(node, expected))
}

impl FromNode for String {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        text(node, "a string").map(str::to_owned)
    }
}

/// A string of at least one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NonEmpty(pub String);

impl FromNode for NonEmpty {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match text(node, "a string")? {
            "" => Err(Flaw::invalid(node, "can't be empty")),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl FromNode for PathBuf {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match text(node, "a path")? {
            "" => Err(Flaw::invalid(node, "a path can't be empty")),
            text if text.contains('\0') => Err(Flaw::invalid(node, "a path can't hold a NUL")),
            text => Ok(Self::from(text)),
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match node.value {
            Value::Boolean(value) => Ok(value),
            _ => Err(Flaw::wrong_type(node, "true or false")),
        }
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let expected = "an integer, 0 or more";
        match node.value {
            Value::Integer(number) => {
                Self::try_from(number).map_err(|_| Flaw::wrong_type(node, expected))
            }
            _ => Err(Flaw::wrong_type(node, expected)),
        }
    }
}

impl FromNode for NonZeroU64 {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let number = u64::from_node(node).ok().and_then(Self::new);
        number.ok_or_else(|| Flaw::wrong_type(node, "an integer, 1 or more"))
    }
}

impl FromNode for NonZeroUsize {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let number = NonZeroU64::from_node(node)?;
        Self::try_from(number).map_err(|_| Flaw::wrong_type(node, "a smaller integer"))
    }
}

impl FromNode for f64 {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match node.value {
            // Integers above 2^53 lose their last bits; no threshold is that fine.
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(number) => Ok(number as Self),
            Value::Float(number) if !number.is_nan() => Ok(number),
            _ => Err(Flaw::wrong_type(node, "a number")),
        }
    }
}

impl FromNode for Duration {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match &node.value {
            Value::String(text) => parse_duration(text).map_err(|why| Flaw::invalid(node, why)),
            _ => Err(Flaw::wrong_type(node, "a duration such as \"10s\"")),
        }
    }
}

impl FromNode for ByteSize {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match &node.value {
            Value::String(text) => Self::parse(text).map_err(|why| Flaw::invalid(node, why)),
            _ => u64::from_node(node)
                .map(Self::new)
                .map_err(|_| Flaw::wrong_type(node, "a size such as \"64MiB\"")),
        }
    }
}

/// The table behind a node, copied out for a section of its own.
pub(crate) fn table<'a>(node: &'a Node, expected: &str) -> Result<&'a Table, Flaw> {
    node.as_table()
        .ok_or_else(|| Flaw::wrong_type(node, expected))
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let items = node
            .as_array()
            .ok_or_else(|| Flaw::wrong_type(node, "a list"))?;
        items.iter().map(T::from_node).collect()
    }
}

/// A value or a list of them.
pub(crate) struct Many<T>(pub Vec<T>);

impl<T: FromNode> FromNode for Many<T> {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match node.as_array() {
            Some(_) => Vec::from_node(node).map(Self),
            None => T::from_node(node).map(|one| Self(vec![one])),
        }
    }
}

/// A table of strings by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strings(pub BTreeMap<String, String>);

impl FromNode for Strings {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let entries = table(node, "a table of strings, as in { \"old\" = \"new\" }")?.iter();
        let pair = |entry: &crate::tree::Entry| {
            let NonEmpty(value) = NonEmpty::from_node(&entry.node)?;
            Ok((entry.key.clone(), value))
        };
        entries.map(pair).collect::<Result<_, Flaw>>().map(Self)
    }
}

/// Names a value or a list of them where one is the common case: `from = "a"`, `from = ["a", "b"]`.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany(pub Vec<(String, Location)>);

impl FromNode for OneOrMany {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let one = |node: &Node| {
            text(node, "a name, or a list of names").map(|name| (name.to_owned(), node.at.clone()))
        };
        let Some(items) = node.as_array() else {
            return Ok(Self(vec![one(node)?]));
        };
        if items.is_empty() {
            return Err(Flaw::invalid(node, "the list can't be empty"));
        }
        Ok(Self(items.iter().map(one).collect::<Result<_, _>>()?))
    }
}

/// Declares an enum whose variants have names in pipeline files.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident ($what:literal) {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $name {
            /// All names, as a pipeline file spells them.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name, as a pipeline file spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::value::FromNode for $name {
            fn from_node(node: &$crate::tree::Node) -> Result<Self, $crate::value::Flaw> {
                match $crate::value::text(node, concat!("the name of a ", $what))? {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::value::Flaw::unknown(node, $what, other, Self::NAMES)),
                }
            }
        }
    };
}
pub(crate) use choice;
