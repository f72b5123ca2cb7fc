//! A TOML document as a tree in which each key and value knows where it was written.
//!
//! `toml`'s own tree borrows the text and carries byte offsets; overlays have neither. This one owns its
//! values and carries [`Location`]s, so that files, environment and `--set` can be laid over each other
//! and a later error still names the layer it came from. Tables keep the order of the file.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::error::{Problem, Report};
use crate::{Layer, Location};

/// The deepest nesting accepted. The deepest key there is has five steps; the limit keeps recursion over
/// the tree harmless whatever a file holds.
pub(crate) const MAX_DEPTH: usize = 24;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub value: Value,
    pub at: Location,
    /// The text of an overlay's value: `--set name=007` means the string where a string is expected.
    pub raw: Option<String>,
    /// What a lower layer has there.
    pub over: Option<Box<Node>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Any TOML value that no key takes: dates, and numbers out of range. Holds its description.
    Other(String),
    Array(Vec<Node>),
    Table(Table),
}

impl Node {
    pub fn new(value: Value, at: Location) -> Self {
        Self {
            value,
            at,
            raw: None,
            over: None,
        }
    }

    /// Takes the place of a lower layer's value, which is kept to be told.
    pub fn replace(target: &mut Self, by: Self) {
        let below = std::mem::replace(target, by);
        target.over = Some(Box::new(below));
    }

    /// What the value is, for messages: "the integer 5".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::String(text) if text.chars().count() > 40 => "a long string".into(),
            Value::String(text) => format!("the string {text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Boolean(value) => format!("`{value}`"),
            Value::Other(what) => what.clone(),
            Value::Array(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }

    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The string, or an overlay's text where it happened to look like something else.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Other(_) => {
                self.raw.as_deref()
            }
            Value::Array(_) | Value::Table(_) => None,
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub at: Location,
    pub node: Node,
}

/// Keys in the order of the file; no key twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
}

impl Table {
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Lays another layer's table over this one: tables are put together key by key, and anything else takes
    /// the place of what is there.
    pub fn lay_over(&mut self, upper: Self) {
        for Entry { key, at, node } in upper.entries {
            let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) else {
                self.entries.push(Entry { key, at, node });
                continue;
            };
            match (&mut entry.node.value, node.value) {
                (Value::Table(below), Value::Table(above)) => below.lay_over(above),
                (_, value) => {
                    entry.at = at;
                    Node::replace(&mut entry.node, Node { value, ..node });
                }
            }
        }
    }

    /// The entry of a key, made from `make` if there is none.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> Entry) -> Option<&mut Entry> {
        let index = match self.entries.iter().position(|entry| entry.key == key) {
            Some(index) => index,
            None => {
                self.entries.push(make());
                self.entries.len() - 1
            }
        };
        self.entries.get_mut(index)
    }
}

/// Parses a file; mistakes of syntax go to the report, all that the parser can find.
pub(crate) fn parse_file(layer: Layer, file: &Arc<str>, text: &str, report: &mut Report) -> Table {
    let lines = Lines::new(layer, file.clone(), text);
    let locate = |offset| lines.locate(offset);
    let (document, errors) = DeTable::parse_recoverable(text);
    let is_good = errors.is_empty();
    for error in errors {
        let at = error
            .span()
            .map_or_else(|| lines.locate(0), |span| lines.locate(span.start));
        report.error(&at, Problem::Syntax(error.message().to_owned()), None);
    }
    if !is_good {
        return Table::default();
    }
    let builder = Builder {
        locate: &locate,
        depth: 0,
    };
    match builder.table(document.get_ref()) {
        Ok(table) => table,
        Err(at) => {
            report.error(&at, too_deep(), None);
            Table::default()
        }
    }
}

/// Reads an overlay's or a default's value: a TOML value if it is one, else the text as a string.
pub(crate) fn parse_value(text: &str, at: &Location) -> Node {
    let locate = |_| at.clone();
    let builder = Builder {
        locate: &locate,
        depth: 0,
    };
    let parsed = DeValue::parse(text)
        .ok()
        .and_then(|value| builder.node(value.get_ref(), 0).ok());
    let mut node = parsed.unwrap_or_else(|| Node::new(Value::String(text.to_owned()), at.clone()));
    node.raw = Some(text.to_owned());
    node
}

fn too_deep() -> Problem {
    Problem::Syntax(format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Copies `toml`'s tree. Fails with the location of what is nested too deeply.
struct Builder<'a> {
    locate: &'a dyn Fn(usize) -> Location,
    depth: usize,
}

impl Builder<'_> {
    fn deeper(&self, at: usize) -> Result<Self, Location> {
        if self.depth >= MAX_DEPTH {
            return Err((self.locate)(at));
        }
        Ok(Self {
            locate: self.locate,
            depth: self.depth + 1,
        })
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Table, Location> {
        // `toml` sorts by key; the order of the file is the order of the keys' offsets.
        let mut keyed: Vec<_> = table.iter().collect();
        keyed.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(keyed.len());
        for (key, value) in keyed {
            let start = key.span().start;
            entries.push(Entry {
                key: key.get_ref().to_string(),
                at: (self.locate)(start),
                node: self
                    .deeper(start)?
                    .node(value.get_ref(), value.span().start)?,
            });
        }
        Ok(Table { entries })
    }

    fn node(&self, value: &DeValue<'_>, start: usize) -> Result<Node, Location> {
        let value = match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(
                    |_| Value::Other(format!("the out-of-range integer {number}")),
                    Value::Integer,
                ),
            DeValue::Float(number) => number.as_str().parse().map_or_else(
                |_| Value::Other(format!("the out-of-range number {number}")),
                Value::Float,
            ),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(value) => Value::Other(format!("the date {value}")),
            DeValue::Array(items) => {
                let inner = self.deeper(start)?;
                let nodes = items
                    .iter()
                    .map(|item| inner.node(item.get_ref(), item.span().start));
                Value::Array(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Table(self.table(table)?),
        };
        Ok(Node::new(value, (self.locate)(start)))
    }
}

/// Turns byte offsets into lines and columns.
struct Lines<'a> {
    layer: Layer,
    file: Arc<str>,
    text: &'a str,
    /// Offset of each line's first byte.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(layer: Layer, file: Arc<str>, text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            layer,
            file,
            text,
            starts,
        }
    }

    fn locate(&self, offset: usize) -> Location {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self
            .text
            .get(start..offset)
            .map_or(0, |text| text.chars().count());
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location::new(
            self.layer,
            self.file.clone(),
            count(line),
            count(before + 1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let lines = Lines::new(Layer::File, "f".into(), "é = 1\nb = 2\n");
        let at = |offset| lines.locate(offset).to_string();
        assert_eq!(at(0), "f:1:1");
        assert_eq!(at(3), "f:1:3"); // `é` has two bytes
        assert_eq!(at(7), "f:2:1");
        assert_eq!(at(13), "f:3:1");
        assert_eq!(at(999), "f:3:1");
    }

    #[test]
    fn tables_keep_the_order_of_the_file() {
        let mut report = Report::default();
        let table = parse_file(
            Layer::File,
            &"f".into(),
            "[z]\n[a]\n[m.x]\n[m.b]\n",
            &mut report,
        );
        let keys: Vec<_> = table.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "m"]);
        assert_eq!(report.into_errors().to_string(), "");
    }

    #[test]
    fn all_syntax_errors_are_found() {
        let mut report = Report::default();
        parse_file(
            Layer::File,
            &"f".into(),
            "a = \nb = 1\nc = [1,\n",
            &mut report,
        );
        let text = report.into_errors().to_string();
        assert!(text.contains("f:1:5: not valid TOML"), "{text}");
        assert!(text.lines().count() > 1, "{text}");
    }

    #[test]
    fn an_overlay_value_is_toml_or_else_text() {
        let at = Location::whole(Layer::Argument, "--set x");
        assert!(matches!(parse_value("5", &at).value, Value::Integer(5)));
        assert!(matches!(
            parse_value("true", &at).value,
            Value::Boolean(true)
        ));
        assert!(matches!(parse_value("[1, 2]", &at).value, Value::Array(_)));
        for text in ["10s", "127.0.0.1:80", "", "a b", "\"open"] {
            assert_eq!(parse_value(text, &at).as_str(), Some(text));
        }
        assert_eq!(parse_value("007", &at).as_str(), Some("007"));
        assert_eq!(parse_value("7", &at).as_str(), Some("7"));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        // The parser has a limit of its own, which is higher.
        for (depth, message) in [(MAX_DEPTH + 1, "nested deeper"), (50_000, "not valid TOML")] {
            let mut report = Report::default();
            let key = vec!["a"; depth].join(".");
            parse_file(Layer::File, &"f".into(), &format!("{key} = 1"), &mut report);
            let text = report.into_errors().to_string();
            assert!(text.contains(message), "{depth}: {text}");
        }
    }
}
