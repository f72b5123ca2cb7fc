//! The operators of a stream, under the names of the DStream methods.
//!
//! What an operator is lives here; `table` lists them as data with their keys, `build` reads each
//! from its keys, and `records` says what each makes of its input. To add one, add an entry to
//! the table, a variant here, and an arm there.

mod build;
mod keep;
mod pick;
mod table;
pub(crate) mod window;

use std::num::NonZeroUsize;
use std::time::Duration;

pub use keep::KeepLevel;
pub use pick::Pick;
pub use window::Window;

pub(crate) use build::OpReader;
pub(crate) use table::{COMMON_KEYS, LATER, OPS, OTHER_FORMS, OpSpec, SHUFFLE_KEYS, SQL};

use crate::function::{
    AggregateFunction, CombineFunction, JoinKind, JsonPointer, MapFunction, PairPart,
    PartitionFunction, Pattern,
};
use crate::value::choice;
use crate::{Input, Location, Name, RecordKind};

/// One operator of a stream, checked against what reaches it.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// Its name in the file: the value of `op`.
    pub name: &'static str,
    /// A name set by hand, by which a checkpoint finds the operator again when the file has changed.
    pub uid: Option<Name>,
    /// Partitions of its result, if it shuffles and the file says so.
    pub partitions: Option<NonZeroUsize>,
    /// What becomes of records that it can't work on, if the file says so.
    pub on_error: Option<OnError>,
    /// The kind of records it takes.
    pub input: RecordKind,
    /// The kind of records it makes.
    pub output: RecordKind,
    /// Time between its results, a multiple of the batch interval.
    pub slide: Duration,
    /// Where it is written.
    pub location: Location,
}

choice! {
    /// What becomes of a record that an operator can't work on.
    pub enum OnError ("policy") {
        /// The batch fails.
        Fail = "fail",
        /// The record is written to the dead letters.
        DeadLetters = "dead_letters",
        /// The record is left out, counted and told.
        Drop = "drop",
    }
}

/// What an operator does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OpKind {
    /// Text into words; `None`: at white space, without empty ones.
    Split {
        /// The separator, never empty.
        on: Option<String>,
    },
    /// Records for which a test holds.
    Filter {
        /// The test.
        test: Predicate,
        /// Whether the test must fail instead.
        negate: bool,
        /// What is tested.
        on: FilterOn,
    },
    /// One record from each.
    Map(Map),
    /// One value from each value, under the same key.
    MapValues(Extract),
    /// Words from each value, each under the same key; `None`: at white space.
    FlatMapValues {
        /// The separator, never empty.
        on: Option<String>,
    },
    /// The items of lists: of each record, or of each value under the same key.
    Items,
    /// The number of records.
    Count,
    /// All records folded into one.
    Reduce {
        /// How.
        function: AggregateFunction,
    },
    /// Each different record with how often it occurs.
    CountByValue,
    /// Each partition as one list.
    Glom,
    /// Each partition as a whole.
    MapPartitions {
        /// What is done with it.
        function: PartitionFunction,
    },
    /// Each key with the list of its values.
    GroupByKey,
    /// Each key with its values folded into one.
    ReduceByKey {
        /// How.
        function: AggregateFunction,
    },
    /// Each key with its values combined.
    CombineByKey {
        /// How.
        function: CombineFunction,
    },
    /// The same records in another number of partitions.
    Repartition {
        /// How many.
        partitions: NonZeroUsize,
    },
    /// The records of other inputs, too.
    Union {
        /// Which; at least one.
        with: Vec<Input>,
    },
    /// Each value of a key with each value that another stream has under it in the same batch.
    Join {
        /// The other stream.
        with: Input,
        /// Which keys are kept.
        how: JoinKind,
    },
    /// Each key with the lists of its values here and in another stream, in the same batch.
    Cogroup {
        /// The other stream.
        with: Input,
    },
    /// The same records, kept for those that read them again.
    Persist {
        /// Where.
        level: KeepLevel,
    },
    /// The same records, saved in checkpoints.
    Checkpoint {
        /// Time between the batches that are saved; `None`: at least 10 s.
        interval: Option<Duration>,
    },
    /// The records of the last `length`, every `slide`.
    Window {
        /// Length and slide.
        window: Window,
    },
    /// The number of records of a window.
    CountByWindow {
        /// Length and slide.
        window: Window,
    },
    /// All records of a window folded into one.
    ReduceByWindow {
        /// How.
        function: AggregateFunction,
        /// Length and slide.
        window: Window,
        /// Whether what leaves the window is taken out of the last result.
        inverse: bool,
    },
    /// Each different record of a window with how often it occurs.
    CountByValueAndWindow {
        /// Length and slide.
        window: Window,
    },
    /// Each key with the list of its values in a window.
    GroupByKeyAndWindow {
        /// Length and slide.
        window: Window,
    },
    /// Each key with its values in a window folded into one.
    ReduceByKeyAndWindow {
        /// How.
        function: AggregateFunction,
        /// Length and slide.
        window: Window,
        /// Whether what leaves the window is taken out of the last result.
        inverse: bool,
    },
    /// Each key with all of its values so far folded into one.
    UpdateStateByKey {
        /// How.
        function: AggregateFunction,
    },
    /// Each key of the batch with all of its values so far folded into one.
    MapWithState {
        /// How.
        function: AggregateFunction,
        /// How long a key is kept that doesn't come; for ever, if `None`.
        timeout: Option<Duration>,
    },
    /// The greatest records of each batch, greatest first.
    Top {
        /// How many.
        n: NonZeroUsize,
        /// What of a pair is compared; `None` for single records.
        by: Option<PairPart>,
    },
}

impl OpKind {
    /// The window, for those that have one.
    pub const fn window(&self) -> Option<Window> {
        match self {
            Self::Window { window }
            | Self::CountByWindow { window }
            | Self::ReduceByWindow { window, .. }
            | Self::CountByValueAndWindow { window }
            | Self::GroupByKeyAndWindow { window }
            | Self::ReduceByKeyAndWindow { window, .. } => Some(*window),
            _ => None,
        }
    }

    /// What it reads besides the stream that it is in.
    pub fn other_inputs(&self) -> &[Input] {
        match self {
            Self::Union { with } => with,
            Self::Join { with, .. } | Self::Cogroup { with } => std::slice::from_ref(with),
            _ => &[],
        }
    }

    /// Whether results depend on earlier batches, so that these must be recovered.
    pub const fn is_stateful(&self) -> bool {
        matches!(
            self,
            Self::UpdateStateByKey { .. } | Self::MapWithState { .. }
        ) || self.window().is_some()
    }
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilterOn {
    /// A single record.
    Record,
    /// The key of a pair.
    Key,
    /// The value of a pair.
    Value,
}

/// What a filter asks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Predicate {
    /// The text holds this.
    Contains(String),
    /// The text starts with this.
    StartsWith(String),
    /// The text ends with this.
    EndsWith(String),
    /// The text is this.
    Equals(String),
    /// The number is this.
    EqualsNumber(f64),
    /// The pattern is found in the text.
    Matches(Pattern),
    /// The number is within these bounds, inclusive; at least one is set.
    Range {
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
    /// The text has a number of characters within these bounds, inclusive; at least one is set.
    Length {
        /// The least.
        min: Option<u64>,
        /// The greatest.
        max: Option<u64>,
    },
}

/// How a record is made from another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Map {
    /// From a single record.
    Extract(Extract),
    /// The key of a pair.
    Key,
    /// The value of a pair.
    Value,
    /// A pair with key and value exchanged.
    Swap,
    /// A pair from text, cut at the first separator.
    KeyValue {
        /// The separator, never empty.
        separator: String,
    },
    /// A part of a pair or list.
    Pick(Pick),
    /// A pair of two parts.
    PickPair {
        /// The key.
        key: Pick,
        /// The value.
        value: Pick,
    },
    /// A pair from two places of a JSON document.
    JsonPair {
        /// Where the key is.
        key: JsonPointer,
        /// Where the value is.
        value: JsonPointer,
    },
}

/// How a value is made from another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Extract {
    /// By a named function; never [`MapFunction::Key`], [`MapFunction::Value`] or [`MapFunction::Swap`].
    Function(MapFunction),
    /// What a JSON document holds at this place.
    Json(JsonPointer),
    /// A part of a pair or list.
    Pick(Pick),
    /// What a group of a pattern matches.
    Regex {
        /// The pattern.
        pattern: Pattern,
        /// The group, which the pattern has; 0 is the whole match.
        group: usize,
    },
}
