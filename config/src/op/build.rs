//! Reads each operator from its keys.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::window::{Window, multiple};
use super::{Extract, FilterOn, Map, OpKind, Pick, Predicate};
use crate::function::{AggregateFunction, JsonPointer, MapFunction, PairPart, Pattern};
use crate::names::{Input, Names};
use crate::records::{Item, RecordKind};
use crate::section::Section;
use crate::settings::{positive, sane_count};
use crate::tree::{Node, Value};
use crate::value::{Flaw, FromNode, Many, NonEmpty, OneOrMany, choice};

/// The keys of one operator, and what reaches it.
pub(crate) struct OpReader<'a> {
    pub section: Section<'a>,
    pub names: &'a Names,
    /// The kind of records that reach it; `None` after a mistake upstream.
    pub input: Option<RecordKind>,
    /// Time between the results that reach it; `None` after a mistake upstream.
    pub slide: Option<Duration>,
    /// The batch interval, if that is good.
    pub batch: Option<Duration>,
    /// Whether kept batches have a place for a second copy.
    pub has_replica: bool,
}

pub(super) type Built = Option<OpKind>;

choice! {
    /// What `flat_map` knows.
    pub enum FlatMapFunction ("function") {
        /// Words of text, as `split`.
        Split = "split",
        /// The items of a list.
        Items = "items",
    }
}

impl OpReader<'_> {
    fn separator(&mut self, key: &str) -> Option<String> {
        self.section
            .get::<NonEmpty>(key)
            .map(|separator| separator.0)
    }

    fn aggregate(&mut self) -> Option<AggregateFunction> {
        self.section.get("function")
    }

    fn input_is_pair(&self) -> bool {
        self.input.is_some_and(RecordKind::is_pair)
    }

    /// The one other stream that it reads.
    fn other(&mut self, only_one: &str) -> Option<Input> {
        let named: OneOrMany = self.section.get("with")?;
        let with = self.names.resolve(&named, self.section.report)?;
        let with = <[Input; 1]>::try_from(with);
        if with.is_err() {
            self.section.invalid("with", only_one, None);
        }
        let [with] = with.ok()?;
        Some(with)
    }

    /// The one key of `keys` that is written; none or several are reported.
    fn exactly_one(&mut self, keys: &[&'static str]) -> Option<&'static str> {
        let mut written = keys.iter().copied().filter(|key| self.section.has(key));
        let (first, second) = (written.next(), written.next());
        match (first, second) {
            (Some(first), None) => Some(first),
            (Some(first), Some(second)) => {
                let reason = format!("can't go with `{first}`: write one of {}", keys.join(", "));
                self.section.invalid(second, reason, None);
                None
            }
            (None, _) => {
                let reason = format!("needs one of {}", keys.join(", "));
                self.section.invalid("op", reason, None);
                None
            }
        }
    }

    fn read_window(&mut self) -> Option<Window> {
        let unit = self.slide;
        let batch = self.batch;
        let check = |what: &'static str| {
            move |duration: &Duration| match (unit, batch) {
                (Some(unit), Some(batch)) => multiple(what, *duration, unit, batch),
                _ => positive(duration),
            }
        };
        let length = self.section.get_if::<Duration>("length", check("length"));
        let slide = self.section.get_if::<Duration>("slide", check("slide"));
        let slide = if self.section.has("slide") {
            slide
        } else {
            unit
        };
        let window = Window {
            length: length?,
            slide: slide?,
        };
        if window.slide > window.length {
            self.section.warn(
                "slide",
                "longer than the window, so some records are in none",
            );
        }
        Some(window)
    }

    /// Whether a windowed fold goes on from its last result. Sums of fractions would gather rounding
    /// errors that way, and windows with gaps between them share nothing.
    fn inverse(
        &mut self,
        function: Option<AggregateFunction>,
        window: Option<Window>,
    ) -> Option<bool> {
        let value = match self.input {
            Some(RecordKind::Single(item)) => item,
            Some(RecordKind::Pair { value, .. }) => value,
            None => Item::Any,
        };
        let written = self.section.get::<bool>("inverse");
        let (function, window) = (function?, window?);
        let gaps = window.slide > window.length;
        if written == Some(true) && !function.has_inverse() {
            let reason = format!("`{function}` has no inverse: only sum and count have");
            self.section.invalid("inverse", reason, None);
        } else if written == Some(true) && gaps {
            self.section.invalid(
                "inverse",
                "windows with gaps between them share nothing",
                None,
            );
        }
        let exact = function == AggregateFunction::Count || value == Item::Integer;
        Some(written.unwrap_or(function.has_inverse() && exact && !gaps))
    }

    /// Several from one: words, which `split` makes, or items.
    fn flat(
        &mut self,
        function: FlatMapFunction,
        split: fn(Option<String>) -> OpKind,
    ) -> Option<OpKind> {
        let on = self.separator("on");
        match function {
            FlatMapFunction::Split => Some(split(on)),
            FlatMapFunction::Items if self.section.has("on") => {
                self.section.invalid("on", "only goes with `split`", None);
                None
            }
            FlatMapFunction::Items => Some(OpKind::Items),
        }
    }

    fn extract(&mut self, way: &str, function: Option<MapFunction>) -> Option<Extract> {
        if self.section.has("group") && way != "regex" {
            self.section
                .invalid("group", "only goes with `regex`", None);
        }
        match way {
            "json" => self.section.get("json").map(Extract::Json),
            "pick" => self.section.get("pick").map(Extract::Pick),
            "regex" => self.regex(),
            _ => function.map(Extract::Function),
        }
    }

    fn regex(&mut self) -> Option<Extract> {
        let pattern: Option<Pattern> = self.section.get("regex");
        let group: Option<Group> = self.section.get("group");
        let pattern = pattern?;
        let names = || pattern.regex().capture_names();
        let highest = pattern.regex().captures_len() - 1;
        let index = match &group {
            None if self.section.has("group") => return None,
            None => Some(highest.min(1)),
            Some(Group::Number(number)) => Some(*number).filter(|number| *number <= highest),
            Some(Group::Name(name)) => names().position(|known| known == Some(name.as_str())),
        };
        if index.is_none() {
            let known: Vec<&str> = names().flatten().collect();
            let named = if known.is_empty() {
                String::new()
            } else {
                format!(", and those named {}", known.join(", "))
            };
            let reason = format!("`{pattern}` has the groups 0 to {highest}{named}");
            self.section.invalid("group", reason, None);
        }
        Some(Extract::Regex {
            group: index?,
            pattern,
        })
    }
}

/// A group of a pattern.
enum Group {
    Number(usize),
    Name(String),
}

impl FromNode for Group {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match &node.value {
            Value::String(name) => Ok(Self::Name(name.clone())),
            Value::Integer(number) => usize::try_from(*number)
                .map(Self::Number)
                .map_err(|_| Flaw::wrong_type(node, "a group's number or name")),
            _ => Err(Flaw::wrong_type(node, "a group's number or name")),
        }
    }
}

/// Text or a number to compare with.
enum Operand {
    Text(String),
    Number(f64),
}

impl FromNode for Operand {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match &node.value {
            Value::String(text) => Ok(Self::Text(text.clone())),
            Value::Integer(_) | Value::Float(_) => f64::from_node(node).map(Self::Number),
            _ => Err(Flaw::wrong_type(node, "a string or a number")),
        }
    }
}

pub(super) fn split(op: &mut OpReader<'_>) -> Built {
    Some(OpKind::Split {
        on: op.separator("on"),
    })
}

pub(super) fn flat_map(op: &mut OpReader<'_>) -> Built {
    let function = op.section.get::<FlatMapFunction>("function")?;
    op.flat(function, |on| OpKind::Split { on })
}

pub(super) fn filter(op: &mut OpReader<'_>) -> Built {
    let negate = op.section.get("not");
    let part = op.section.get::<PairPart>("on");
    let on = match part {
        Some(PairPart::Key) => FilterOn::Key,
        Some(PairPart::Value) => FilterOn::Value,
        None if op.input_is_pair() => FilterOn::Key,
        None => FilterOn::Record,
    };
    let test = predicate(op);
    Some(OpKind::Filter {
        test: test?,
        negate: negate?,
        on,
    })
}

fn predicate(op: &mut OpReader<'_>) -> Option<Predicate> {
    // Two bounds of one range are one test.
    let range = if op.section.has("min") { "min" } else { "max" };
    let length = if op.section.has("min_length") {
        "min_length"
    } else {
        "max_length"
    };
    let tests = [
        "contains",
        "starts_with",
        "ends_with",
        "equals",
        "matches",
        range,
        length,
    ];
    let test = op.exactly_one(&tests)?;
    let section = &mut op.section;
    match test {
        "contains" => section.get(test).map(Predicate::Contains),
        "starts_with" => section.get(test).map(Predicate::StartsWith),
        "ends_with" => section.get(test).map(Predicate::EndsWith),
        "matches" => section.get(test).map(Predicate::Matches),
        "equals" => section.get(test).map(|operand| match operand {
            Operand::Text(text) => Predicate::Equals(text),
            Operand::Number(number) => Predicate::EqualsNumber(number),
        }),
        "min" | "max" => {
            let (min, max) = (section.get::<f64>("min"), section.get::<f64>("max"));
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                section.invalid("max", format!("less than `min`, which is {min}"), None);
            }
            Some(Predicate::Range { min, max })
        }
        _ => {
            let (min, max) = (
                section.get::<u64>("min_length"),
                section.get::<u64>("max_length"),
            );
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                section.invalid(
                    "max_length",
                    format!("less than `min_length`, which is {min}"),
                    None,
                );
            }
            Some(Predicate::Length { min, max })
        }
    }
}

pub(super) fn map(op: &mut OpReader<'_>) -> Built {
    let way = op.exactly_one(&[
        "function",
        "json",
        "regex",
        "key_value",
        "json_pair",
        "pick",
    ])?;
    let map = match way {
        "key_value" => op
            .separator(way)
            .map(|separator| Map::KeyValue { separator }),
        "json_pair" => json_pair(op),
        "pick" => pick(op),
        _ => match op.section.get::<MapFunction>("function") {
            Some(MapFunction::Key) => Some(Map::Key),
            Some(MapFunction::Value) => Some(Map::Value),
            Some(MapFunction::Swap) => Some(Map::Swap),
            function => op.extract(way, function).map(Map::Extract),
        },
    };
    map.map(OpKind::Map)
}

fn json_pair(op: &mut OpReader<'_>) -> Option<Map> {
    let pointers: Vec<JsonPointer> = op.section.get("json_pair")?;
    let [key, value] = two(op, "json_pair", "pointers", pointers)?;
    Some(Map::JsonPair { key, value })
}

fn pick(op: &mut OpReader<'_>) -> Option<Map> {
    let Many(mut picks) = op.section.get::<Many<Pick>>("pick")?;
    if picks.len() == 1 {
        return picks.pop().map(Map::Pick);
    }
    let [key, value] = two(op, "pick", "parts", picks)?;
    Some(Map::PickPair { key, value })
}

/// A key's and a value's, or what is wrong with their number.
fn two<T>(op: &mut OpReader<'_>, name: &str, what: &str, found: Vec<T>) -> Option<[T; 2]> {
    let found: Result<[T; 2], _> = found.try_into();
    if let Err(found) = &found {
        let reason = format!("expected two {what}, key and value, found {}", found.len());
        op.section.invalid(name, reason, None);
    }
    found.ok()
}

pub(super) fn map_values(op: &mut OpReader<'_>) -> Built {
    let way = op.exactly_one(&["function", "json", "regex", "pick"])?;
    let function = op
        .section
        .get_if::<MapFunction>("function", |function| match function {
            MapFunction::Key | MapFunction::Value | MapFunction::Swap => Err(format!(
                "`{function}` works on pairs, not on values: use it with `map`"
            )),
            _ => Ok(()),
        });
    op.extract(way, function).map(OpKind::MapValues)
}

pub(super) fn flat_map_values(op: &mut OpReader<'_>) -> Built {
    let function = op.section.get::<FlatMapFunction>("function")?;
    op.flat(function, |on| OpKind::FlatMapValues { on })
}

pub(super) fn map_partitions(op: &mut OpReader<'_>) -> Built {
    op.section
        .get("function")
        .map(|function| OpKind::MapPartitions { function })
}

pub(super) fn glom(_: &mut OpReader<'_>) -> Built {
    Some(OpKind::Glom)
}

pub(super) fn repartition(op: &mut OpReader<'_>) -> Built {
    op.section
        .get_if::<NonZeroUsize>("partitions", sane_count)
        .map(|partitions| OpKind::Repartition { partitions })
}

pub(super) fn union(op: &mut OpReader<'_>) -> Built {
    let named: OneOrMany = op.section.get("with")?;
    op.names
        .resolve(&named, op.section.report)
        .map(|with| OpKind::Union { with })
}

pub(super) fn join(op: &mut OpReader<'_>) -> Built {
    let how = op.section.get("how");
    let with = op.other("a join reads one other stream: write one join after the other");
    Some(OpKind::Join {
        with: with?,
        how: how?,
    })
}

pub(super) fn cogroup(op: &mut OpReader<'_>) -> Built {
    op.other("a cogroup reads one other stream")
        .map(|with| OpKind::Cogroup { with })
}

pub(super) fn count(_: &mut OpReader<'_>) -> Built {
    Some(OpKind::Count)
}

pub(super) fn reduce(op: &mut OpReader<'_>) -> Built {
    op.aggregate().map(|function| OpKind::Reduce { function })
}

pub(super) fn count_by_value(_: &mut OpReader<'_>) -> Built {
    Some(OpKind::CountByValue)
}

pub(super) fn group_by_key(_: &mut OpReader<'_>) -> Built {
    Some(OpKind::GroupByKey)
}

pub(super) fn reduce_by_key(op: &mut OpReader<'_>) -> Built {
    op.aggregate()
        .map(|function| OpKind::ReduceByKey { function })
}

pub(super) fn combine_by_key(op: &mut OpReader<'_>) -> Built {
    op.section
        .get("function")
        .map(|function| OpKind::CombineByKey { function })
}

pub(super) fn update_state_by_key(op: &mut OpReader<'_>) -> Built {
    op.aggregate()
        .map(|function| OpKind::UpdateStateByKey { function })
}

pub(super) fn map_with_state(op: &mut OpReader<'_>) -> Built {
    let function = op.aggregate();
    let timeout = op.section.get_if("timeout", positive);
    Some(OpKind::MapWithState {
        function: function?,
        timeout,
    })
}

pub(super) fn top(op: &mut OpReader<'_>) -> Built {
    let n = op.section.get("n");
    let written = op.section.get("by");
    let by = written.or_else(|| op.input_is_pair().then_some(PairPart::Value));
    Some(OpKind::Top { n: n?, by })
}

pub(super) fn window(op: &mut OpReader<'_>) -> Built {
    op.read_window().map(|window| OpKind::Window { window })
}

pub(super) fn count_by_window(op: &mut OpReader<'_>) -> Built {
    op.read_window()
        .map(|window| OpKind::CountByWindow { window })
}

pub(super) fn reduce_by_window(op: &mut OpReader<'_>) -> Built {
    let (function, window) = (op.aggregate(), op.read_window());
    let inverse = op.inverse(function, window);
    Some(OpKind::ReduceByWindow {
        function: function?,
        window: window?,
        inverse: inverse?,
    })
}

pub(super) fn count_by_value_and_window(op: &mut OpReader<'_>) -> Built {
    op.read_window()
        .map(|window| OpKind::CountByValueAndWindow { window })
}

pub(super) fn group_by_key_and_window(op: &mut OpReader<'_>) -> Built {
    op.read_window()
        .map(|window| OpKind::GroupByKeyAndWindow { window })
}

pub(super) fn reduce_by_key_and_window(op: &mut OpReader<'_>) -> Built {
    let (function, window) = (op.aggregate(), op.read_window());
    let inverse = op.inverse(function, window);
    Some(OpKind::ReduceByKeyAndWindow {
        function: function?,
        window: window?,
        inverse: inverse?,
    })
}
