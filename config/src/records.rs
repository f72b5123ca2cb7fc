//! The kind of records that flows between operators, known before anything runs.
//!
//! A pure function, [`output`], says for each operator what it makes of its input, or what it would need
//! instead. So `reduce_by_key` on lines is a mistake in the file and not a failed batch at night.

use std::fmt;

use crate::function::{AggregateFunction, CombineFunction, MapFunction};
use crate::op::{Extract, FilterOn, Map, OpKind, Pick, Predicate};

/// What a record, a key or a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// Any of these, a list, or what a JSON document holds: known at run time only.
    Any,
}

impl Item {
    /// Whether it may be text.
    pub const fn may_be_text(self) -> bool {
        matches!(self, Self::Text | Self::Any)
    }

    /// Whether it may be a number.
    pub const fn may_be_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Any)
    }

    /// What both may be.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Text, Self::Text) => Self::Text,
            (Self::Integer, Self::Integer) => Self::Integer,
            (Self::Float, Self::Float) => Self::Float,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integers",
            Self::Float => "numbers",
            Self::Any => "values",
        })
    }
}

/// The kind of a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Single records.
    Single(Item),
    /// Pairs.
    Pair {
        /// What the keys are.
        key: Item,
        /// What the values are.
        value: Item,
    },
}

impl RecordKind {
    /// Lines, which is what every source gives.
    pub const TEXT: Self = Self::Single(Item::Text);

    /// Whether records are pairs.
    pub const fn is_pair(self) -> bool {
        matches!(self, Self::Pair { .. })
    }

    /// The kind of a union; `None` for pairs with single records.
    pub(crate) fn union(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Single(a), Self::Single(b)) => Some(Self::Single(a.or(b))),
            (Self::Pair { key: k, value: v }, Self::Pair { key, value }) => Some(Self::Pair {
                key: k.or(key),
                value: v.or(value),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(item) => write!(f, "{item}"),
            Self::Pair { key, value } => write!(f, "pairs of {key} and {value}"),
        }
    }
}

/// What an operator would need, and how to get it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub needs: &'static str,
    pub help: &'static str,
}

const NO_PAIRS: Mismatch = Mismatch {
    needs: "pairs",
    help: "put count_by_value, or map with key_value or json_pair, before it",
};
const NO_TEXT: Mismatch = Mismatch {
    needs: "text",
    help: "put it before the operator that makes numbers of the text",
};
const NO_PARTS: Mismatch = Mismatch {
    needs: "pairs or lists in it",
    help: "join, cogroup, group_by_key and glom make such values",
};
const NO_SUCH_PART: Mismatch = Mismatch {
    needs: "a part that isn't there",
    help: "begin the pick with key or value",
};
const NO_NUMBERS: Mismatch = Mismatch {
    needs: "numbers",
    help: "put map or map_values with function = \"parse_int\" or \"parse_float\" before it",
};
const NO_SINGLES: Mismatch = Mismatch {
    needs: "single records",
    help: "use the operator's form for pairs, such as map_values or reduce_by_key, or put map with \
           function = \"key\" or \"value\" before it",
};

type Checked<T> = Result<T, Mismatch>;

fn pair(input: RecordKind) -> Checked<(Item, Item)> {
    match input {
        RecordKind::Pair { key, value } => Ok((key, value)),
        RecordKind::Single(_) => Err(NO_PAIRS),
    }
}

fn single(input: RecordKind) -> Checked<Item> {
    match input {
        RecordKind::Single(item) => Ok(item),
        RecordKind::Pair { .. } => Err(NO_SINGLES),
    }
}

fn text(item: Item) -> Checked<Item> {
    if item.may_be_text() {
        Ok(Item::Text)
    } else {
        Err(NO_TEXT)
    }
}

fn number(item: Item) -> Checked<Item> {
    if item.may_be_number() {
        Ok(item)
    } else {
        Err(NO_NUMBERS)
    }
}

/// What comes of a join, whose kept keys are those of `ours`, with pairs of `theirs`.
pub(crate) fn joined(ours: RecordKind, theirs: RecordKind) -> Checked<RecordKind> {
    let ((key, _), (their_key, _)) = (pair(ours)?, pair(theirs)?);
    Ok(RecordKind::Pair {
        key: key.or(their_key),
        value: Item::Any,
    })
}

/// The kind of records an operator makes. Other inputs, of unions and joins, are checked by the caller.
pub(crate) fn output(op: &OpKind, input: RecordKind) -> Checked<RecordKind> {
    use RecordKind::{Pair, Single};
    match op {
        OpKind::Split { .. } => single(input).and_then(text).map(Single),
        OpKind::Filter { test, on, .. } => filter(test, *on, input).map(|()| input),
        OpKind::Map(map) => mapped(map, input),
        OpKind::MapValues(extract) => {
            let (key, value) = pair(input)?;
            Ok(Pair {
                key,
                value: extracted(extract, value)?,
            })
        }
        OpKind::FlatMapValues { .. } => {
            let (key, value) = pair(input)?;
            Ok(Pair {
                key,
                value: text(value)?,
            })
        }
        OpKind::Count | OpKind::CountByWindow { .. } => Ok(Single(Item::Integer)),
        OpKind::Reduce { function } | OpKind::ReduceByWindow { function, .. } => {
            aggregated(*function, single(input)?).map(Single)
        }
        OpKind::CountByValue | OpKind::CountByValueAndWindow { .. } => {
            let key = match input {
                Single(item) => item,
                Pair { .. } => Item::Any,
            };
            Ok(Pair {
                key,
                value: Item::Integer,
            })
        }
        OpKind::Glom => Ok(Single(Item::Any)),
        OpKind::Items => items(input),
        OpKind::MapPartitions { .. }
        | OpKind::Persist { .. }
        | OpKind::Checkpoint { .. }
        | OpKind::Repartition { .. }
        | OpKind::Union { .. }
        | OpKind::Window { .. } => Ok(input),
        OpKind::GroupByKey
        | OpKind::GroupByKeyAndWindow { .. }
        | OpKind::Join { .. }
        | OpKind::Cogroup { .. } => Ok(Pair {
            key: pair(input)?.0,
            value: Item::Any,
        }),
        OpKind::ReduceByKey { function }
        | OpKind::ReduceByKeyAndWindow { function, .. }
        | OpKind::UpdateStateByKey { function }
        | OpKind::MapWithState { function, .. } => {
            let (key, value) = pair(input)?;
            Ok(Pair {
                key,
                value: aggregated(*function, value)?,
            })
        }
        OpKind::CombineByKey { function } => {
            let (key, value) = pair(input)?;
            Ok(Pair {
                key,
                value: combined(*function, value)?,
            })
        }
        OpKind::Top { by: Some(_), .. } => pair(input).map(|_| input),
        OpKind::Top { by: None, .. } => single(input).map(|_| input),
    }
}

fn aggregated(function: AggregateFunction, value: Item) -> Checked<Item> {
    match function {
        AggregateFunction::Count => Ok(Item::Integer),
        AggregateFunction::Sum => number(value),
        AggregateFunction::Min
        | AggregateFunction::Max
        | AggregateFunction::First
        | AggregateFunction::Last => Ok(value),
    }
}

fn combined(function: CombineFunction, value: Item) -> Checked<Item> {
    match function {
        CombineFunction::List | CombineFunction::Set => Ok(Item::Any),
        CombineFunction::Count => Ok(Item::Integer),
        CombineFunction::Sum => number(value),
        CombineFunction::Min | CombineFunction::Max => Ok(value),
        CombineFunction::Avg => number(value).map(|_| Item::Float),
    }
}

fn filter(test: &Predicate, on: FilterOn, input: RecordKind) -> Checked<()> {
    let item = match on {
        FilterOn::Record => single(input)?,
        FilterOn::Key => pair(input)?.0,
        FilterOn::Value => pair(input)?.1,
    };
    match test {
        Predicate::Range { .. } | Predicate::EqualsNumber(_) => number(item).map(|_| ()),
        _ => text(item).map(|_| ()),
    }
}

fn mapped(map: &Map, input: RecordKind) -> Checked<RecordKind> {
    use RecordKind::{Pair, Single};
    match map {
        Map::Extract(Extract::Function(MapFunction::Identity)) => Ok(input),
        Map::Extract(extract) => extracted(extract, single(input)?).map(Single),
        Map::Key => Ok(Single(pair(input)?.0)),
        Map::Value => Ok(Single(pair(input)?.1)),
        Map::Pick(pick) => picked(pick, input).map(Single),
        Map::PickPair { key, value } => Ok(Pair {
            key: picked(key, input)?,
            value: picked(value, input)?,
        }),
        Map::Swap => pair(input).map(|(key, value)| Pair {
            key: value,
            value: key,
        }),
        Map::KeyValue { .. } => text(single(input)?).map(|_| Pair {
            key: Item::Text,
            value: Item::Text,
        }),
        Map::JsonPair { .. } => text(single(input)?).map(|_| Pair {
            key: Item::Any,
            value: Item::Any,
        }),
    }
}

/// What is at a place of a record.
fn picked(pick: &Pick, input: RecordKind) -> Checked<Item> {
    match (input, pick.steps()) {
        (RecordKind::Pair { key, .. }, [0]) => Ok(key),
        (RecordKind::Pair { value, .. }, [1]) => Ok(value),
        (RecordKind::Pair { key, .. }, [0, ..]) => composed(key),
        (RecordKind::Pair { value, .. }, [1, ..]) => composed(value),
        (RecordKind::Pair { .. }, _) => Err(NO_SUCH_PART),
        (RecordKind::Single(item), _) => composed(item),
    }
}

/// The items of lists.
fn items(input: RecordKind) -> Checked<RecordKind> {
    Ok(match input {
        RecordKind::Single(item) => RecordKind::Single(composed(item)?),
        RecordKind::Pair { key, value } => RecordKind::Pair {
            key,
            value: composed(value)?,
        },
    })
}

/// What a part of an item is, which has to be one of several.
fn composed(item: Item) -> Checked<Item> {
    match item {
        Item::Any => Ok(Item::Any),
        _ => Err(NO_PARTS),
    }
}

fn extracted(extract: &Extract, item: Item) -> Checked<Item> {
    match extract {
        Extract::Json(_) => text(item).map(|_| Item::Any),
        Extract::Pick(_) => composed(item),
        Extract::Regex { .. } => text(item),
        Extract::Function(function) => match function {
            MapFunction::Trim | MapFunction::Lowercase | MapFunction::Uppercase => text(item),
            MapFunction::Length | MapFunction::ParseInt => text(item).map(|_| Item::Integer),
            MapFunction::ParseFloat => text(item).map(|_| Item::Float),
            MapFunction::Identity => Ok(item),
            MapFunction::Key | MapFunction::Value | MapFunction::Swap => Err(NO_PAIRS),
        },
    }
}
