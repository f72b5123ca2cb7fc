//! All operators as data: name, keys, meaning and builder.

use super::OpKind;
use super::build::{self, OpReader};
use super::keep;
use crate::key::Key;

/// An operator as pipeline files know it.
pub(crate) struct OpSpec {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    /// Whether it shuffles, and so takes `partitions`.
    pub shuffles: bool,
    pub build: fn(&mut OpReader<'_>) -> Option<OpKind>,
}

impl OpSpec {
    /// All keys that it takes.
    pub fn all_keys(&self) -> [&'static [Key]; 3] {
        let shared = if self.shuffles { SHUFFLE_KEYS } else { &[] };
        [COMMON_KEYS, self.keys, shared]
    }
}

pub(crate) const COMMON_KEYS: &[Key] = &[
    Key::required("op", "an operator", "\"split\"", "What it does."),
    Key::optional(
        "uid",
        "a name",
        "\"counts\"",
        "A name by which a checkpoint finds the operator again after the file has changed.",
    ),
    Key::derived(
        "on_error",
        "fail, dead_letters or drop",
        "\"fail\"",
        "dead_letters where [dead_letters] has a url, else drop",
        "What becomes of a record that it can't work on: the batch fails, the record is written to \
         [dead_letters], or it's left out, counted and told in the log.",
    ),
];

pub(crate) const SHUFFLE_KEYS: &[Key] = &[Key::derived(
    "partitions",
    "an integer",
    "4",
    "that of [jobs]",
    "Partitions of the result.",
)];

const ON: Key = Key::derived("on", "a separator", "\",\"", "white space", "Where to cut.");

const AGGREGATE: Key = Key::required(
    "function",
    "a function",
    "\"sum\"",
    "sum, min, max, count, first or last.",
);

const LENGTH: Key = Key::required(
    "length",
    "a duration",
    "\"12s\"",
    "How far back a window reaches.",
);

const SLIDE: Key = Key::derived(
    "slide",
    "a duration",
    "\"6s\"",
    "the slide of what reaches it",
    "Time between results.",
);

const INVERSE: Key = Key::derived(
    "inverse",
    "true or false",
    "true",
    "true for count and for the sum of integers",
    "Take what leaves the window out of the last result instead of folding the whole window again.",
);

const WINDOW: &[Key] = &[LENGTH, SLIDE];
const REDUCE_WINDOW: &[Key] = &[AGGREGATE, LENGTH, SLIDE, INVERSE];

const FLAT: &str = "split: words of text, cut at `on`; or items: those of a list.";

const EXTRACT_FUNCTION: &str =
    "trim, lowercase, uppercase, length, identity, parse_int or parse_float.";

const JSON: Key = Key::optional(
    "json",
    "a JSON pointer",
    "\"/user/name\"",
    "Instead of a function: what a JSON document holds there.",
);
const REGEX: Key = Key::optional(
    "regex",
    "a regular expression",
    "\"user=([a-z]+)\"",
    "Instead of a function: what a group of the pattern matches.",
);
const GROUP: Key = Key::derived(
    "group",
    "a group's number or name",
    "1",
    "1, or 0 (the whole match) for a pattern without groups",
    "The group to take.",
);

const MAP_PICK: Key = Key::optional(
    "pick",
    "a part, or a list of two",
    "[\"key\", \"value.left\"]",
    "Instead of a function: a part of a pair or list, or a pair of two; key or left, value or right, a number from \
     0, and dots between them.",
);
const PICK: Key = Key::optional(
    "pick",
    "a part",
    "\"left\"",
    "Instead of a function: a part of the value, where that is a pair or list, as of map.",
);

const MAP: &[Key] = &[
    Key::optional(
        "function",
        "a function",
        "\"trim\"",
        "trim, lowercase, uppercase, length, identity, parse_int or parse_float; for pairs key, value or \
         swap.",
    ),
    JSON,
    REGEX,
    GROUP,
    Key::optional(
        "key_value",
        "a separator",
        "\",\"",
        "Instead of a function: a pair, cut at the first separator.",
    ),
    Key::optional(
        "json_pair",
        "two JSON pointers",
        "[\"/user\", \"/bytes\"]",
        "Instead of a function: a pair of what a JSON document holds there.",
    ),
    MAP_PICK,
];

const MAP_VALUES: &[Key] = &[
    Key::optional("function", "a function", "\"trim\"", EXTRACT_FUNCTION),
    JSON,
    REGEX,
    GROUP,
    PICK,
];

const FILTER: &[Key] = &[
    Key::optional("contains", "a string", "\"error\"", "The text holds this."),
    Key::optional(
        "starts_with",
        "a string",
        "\"GET\"",
        "The text starts with this.",
    ),
    Key::optional(
        "ends_with",
        "a string",
        "\".html\"",
        "The text ends with this.",
    ),
    Key::optional(
        "equals",
        "a string or number",
        "\"yes\"",
        "The record is this.",
    ),
    Key::optional(
        "matches",
        "a regular expression",
        "\"^[0-9]+$\"",
        "The pattern is found in it.",
    ),
    Key::optional(
        "min",
        "a number",
        "0.5",
        "The number is at least this; may go with max.",
    ),
    Key::optional("max", "a number", "10", "The number is at most this."),
    Key::optional(
        "min_length",
        "an integer",
        "1",
        "It has at least so many characters.",
    ),
    Key::optional(
        "max_length",
        "an integer",
        "80",
        "It has at most so many characters.",
    ),
    Key::default(
        "not",
        "true or false",
        "false",
        "Keep records for which the test fails.",
    ),
    Key::derived(
        "on",
        "key or value",
        "\"value\"",
        "key",
        "For pairs: what is tested.",
    ),
];

macro_rules! ops {
    ($($name:literal, $doc:literal, $keys:expr, $shuffle:ident, $build:path;)+) => {
        &[$(OpSpec {
            name: $name,
            doc: $doc,
            keys: $keys,
            shuffles: ops!(@ $shuffle),
            build: $build,
        }),+]
    };
    (@ narrow) => { false };
    (@ shuffle) => { true };
}

pub(crate) static OPS: &[OpSpec] = ops![
    "split", "Cuts text into words.", &[ON], narrow, build::split;
    "flat_map", "Several records from one.", &[
        Key::required("function", "a function", "\"split\"", FLAT), ON,
    ], narrow, build::flat_map;
    "filter", "Keeps the records for which exactly one test holds.", FILTER, narrow, build::filter;
    "map", "One record from each, in exactly one of these ways.", MAP, narrow, build::map;
    "map_values", "One value from each value, under the same key.", MAP_VALUES, narrow,
        build::map_values;
    "flat_map_values", "Several values from each value, each under the same key.", &[
        Key::default("function", "a function", "\"split\"", FLAT), ON,
    ], narrow, build::flat_map_values;
    "map_partitions", "Works on each partition of a batch as a whole.", &[
        Key::required("function", "a function", "\"sort\"", "sort or distinct."),
    ], narrow, build::map_partitions;
    "glom", "Makes one list of each partition.", &[], narrow, build::glom;
    "repartition", "Spreads the records over another number of partitions.", &[
        Key::required("partitions", "an integer", "4", "How many."),
    ], narrow, build::repartition;
    "union", "Adds the records of other sources or streams.", &[
        Key::required("with", "a name, or a list of names", "\"others\"", "Which."),
    ], narrow, build::union;
    "join", "Pairs each value with each value that another stream of pairs has under its key in a batch.", &[
        Key::required("with", "a name", "\"others\"", "Which source or stream."),
        Key::default("how", "a kind of join", "\"inner\"",
            "Which keys are kept: inner, left, right or full; a missing value is null."),
    ], shuffle, build::join;
    "cogroup", "Pairs each key with two lists: its values here, and those in another stream of pairs in the batch.", &[
        Key::required("with", "a name", "\"others\"", "Which source or stream."),
    ], shuffle, build::cogroup;
    "persist", "Keeps batches once computed, for as long as later ones read them.", &[
        Key::default("level", "a storage level", "\"MEMORY_ONLY\"",
            "Where: NONE, DISK_ONLY, MEMORY_ONLY, MEMORY_ONLY_SER, MEMORY_AND_DISK, MEMORY_AND_DISK_SER, the same \
             with _2 for a second copy, or OFF_HEAP."),
    ], narrow, keep::persist;
    "checkpoint", "Saves batches with checkpoints, so that a restart needn't compute them again.", &[
        Key::derived("interval", "a duration", "\"10s\"", "the least multiple of the slide from 10s on",
            "Time between the batches that are saved."),
    ], narrow, keep::checkpoint;
    "count", "The number of records of each batch.", &[], narrow, build::count;
    "reduce", "Folds all records of a batch into one.", &[AGGREGATE], narrow, build::reduce;
    "count_by_value", "Pairs each different record with how often it occurs.", &[], shuffle,
        build::count_by_value;
    "group_by_key", "Pairs each key with the list of its values.", &[], shuffle, build::group_by_key;
    "reduce_by_key", "Pairs each key with its values folded into one.", &[AGGREGATE], shuffle,
        build::reduce_by_key;
    "combine_by_key", "Pairs each key with its values combined.", &[
        Key::required("function", "a function", "\"avg\"", "list, set, count, sum, min, max or avg."),
    ], shuffle, build::combine_by_key;
    "update_state_by_key", "Pairs each key with all of its values so far folded into one.", &[
        AGGREGATE,
    ], shuffle, build::update_state_by_key;
    "map_with_state", "Pairs each key of the batch with all of its values so far folded into one.", &[
        AGGREGATE,
        Key::optional("timeout", "a duration", "\"10m\"", "A key that doesn't come for longer is forgotten."),
    ], shuffle, build::map_with_state;
    "top", "The greatest records of each batch, greatest first.", &[
        Key::required("n", "an integer", "10", "How many."),
        Key::derived("by", "key or value", "\"value\"", "value", "For pairs: what is compared."),
    ], narrow, build::top;
    "window", "The records of the last batches.", WINDOW, narrow, build::window;
    "count_by_window", "The number of records of a window.", WINDOW, narrow, build::count_by_window;
    "reduce_by_window", "Folds all records of a window into one.", REDUCE_WINDOW, narrow,
        build::reduce_by_window;
    "count_by_value_and_window", "count_by_value over a window.", WINDOW, shuffle,
        build::count_by_value_and_window;
    "group_by_key_and_window", "group_by_key over a window.", WINDOW, shuffle,
        build::group_by_key_and_window;
    "reduce_by_key_and_window", "reduce_by_key over a window.", REDUCE_WINDOW, shuffle,
        build::reduce_by_key_and_window;
];

/// Methods of the library that are operators in another form, and which.
pub(crate) const OTHER_FORMS: &[(&str, &str)] = &[
    ("left_outer_join", "{ op = \"join\", how = \"left\" }"),
    ("right_outer_join", "{ op = \"join\", how = \"right\" }"),
    ("full_outer_join", "{ op = \"join\", how = \"full\" }"),
    ("cache", "{ op = \"persist\" }"),
];

/// What to do without SQL.
pub(crate) const SQL: &str = "it needs the feature `sql`, which isn't there yet: use `ops` such as `map`, `filter` and \
                              `reduce_by_key`, or the library";

/// Operators that are planned, and what to use meanwhile.
pub(crate) const LATER: &[(&str, &str)] = &[
    ("transform", "`map` and `filter`"),
    ("transform_with", "`union`, `map` and `filter`"),
    ("sql", "`map`, `filter` and `reduce_by_key`"),
];
