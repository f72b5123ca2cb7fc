//! [`GraphDescriptor`]: a program's operators by uid, as checkpoints and status pages show them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dstream::{AnyNode, CHECKPOINTED, Registry};
use crate::state::{FIRST_VERSION, Migrations, STATE_FORMAT, Span};
use crate::time::millis;
use crate::uid::OperatorUid;

/// A program's operators and outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphDescriptor {
    /// Operators; parents come before their children.
    pub operators: Vec<OperatorDescriptor>,
    /// Output operations.
    pub outputs: Vec<OutputDescriptor>,
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDescriptor {
    /// Its stable identity.
    pub uid: OperatorUid,
    /// Its name in the library: `flat_map`, `window`, ...
    pub kind: String,
    /// What it reads.
    pub parents: Vec<OperatorUid>,
    /// Milliseconds between its datasets.
    pub slide_ms: u64,
    /// Milliseconds of its parents' past that it reads: a window's length.
    #[serde(default)]
    pub looks_back_ms: u64,
    /// Milliseconds that a batch stays in its state, where that is a window; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window_ms: u64,
    /// Whether it takes data in.
    #[serde(default)]
    pub is_input: bool,
    /// Its state, when it has one.
    #[serde(default)]
    pub state: Option<StateDescriptor>,
}

/// An operator's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDescriptor {
    /// How its entries are written.
    pub format: u32,
    /// The Rust type of its keys; tells people what changed, decides nothing.
    pub key_type: String,
    /// The Rust type of its values; tells people what changed, decides nothing.
    pub value_type: String,
    /// The version of its types, as [`DStream::state_version`](crate::DStream::state_version) sets it; 1
    /// unless set.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub version: u32,
}

fn first_version() -> u32 {
    FIRST_VERSION
}

fn is_first_version(version: &u32) -> bool {
    *version == FIRST_VERSION
}

/// An output operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDescriptor {
    /// Its stable identity: commits are made under it.
    pub uid: OperatorUid,
    /// Its kind.
    pub kind: String,
    /// What it writes.
    pub parent: OperatorUid,
}

impl OperatorDescriptor {
    /// How its state keeps a window; `None` when it's no window.
    pub(crate) fn span(&self) -> Option<Span> {
        let ms = Duration::from_millis;
        (self.window_ms > 0).then(|| Span::new(ms(self.window_ms), ms(self.slide_ms)))
    }

    /// Whether its state is datasets that were saved, and nothing of its own.
    pub(crate) fn saves_datasets(&self) -> bool {
        self.kind == CHECKPOINTED
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl GraphDescriptor {
    pub(crate) fn of(registry: &Registry) -> Self {
        let nodes = registry.nodes();
        let uid_of = |id: usize| {
            nodes
                .get(id)
                .map_or_else(|| OperatorUid::new("?"), |node| node.core().uid())
        };
        let describe = |node: &std::sync::Arc<dyn AnyNode>| {
            let core = node.core();
            OperatorDescriptor {
                uid: core.uid(),
                kind: core.kind.to_owned(),
                parents: core.parents.iter().map(|id| uid_of(*id)).collect(),
                slide_ms: millis(core.slide),
                looks_back_ms: millis(core.looks_back),
                window_ms: core
                    .state
                    .as_ref()
                    .and_then(|state| state.window())
                    .map_or(0, millis),
                is_input: core.is_input,
                state: core.state.as_ref().map(|state| {
                    let (key_type, value_type) = state.type_names();
                    StateDescriptor {
                        format: STATE_FORMAT,
                        key_type: key_type.to_owned(),
                        value_type: value_type.to_owned(),
                        version: state
                            .migrations()
                            .map_or(FIRST_VERSION, Migrations::version),
                    }
                }),
            }
        };
        let outputs = registry.outputs();
        let describe_output =
            |output: &std::sync::Arc<crate::dstream::OutputOperation>| OutputDescriptor {
                uid: output.uid.clone(),
                kind: output.kind.to_owned(),
                parent: uid_of(output.parent),
            };
        Self {
            operators: nodes.iter().map(describe).collect(),
            outputs: outputs.iter().map(describe_output).collect(),
        }
    }

    /// The operator of this uid.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let words = words.map(str::to_owned).uid("words");
    /// let second = context.batch_interval();
    /// words.window(second * 3, second).count().print();
    /// let graph = context.graph();
    /// assert!(graph.operator(&tidemill::OperatorUid::new("words")).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn operator(&self, uid: &OperatorUid) -> Option<&OperatorDescriptor> {
        self.operators.iter().find(|operator| operator.uid == *uid)
    }

    /// Whether an operator or an output has this uid.
    pub(crate) fn declares(&self, uid: &OperatorUid) -> bool {
        self.operator(uid).is_some() || self.outputs.iter().any(|output| output.uid == *uid)
    }

    /// Whether any operator reads its parents' past.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let words = words.map(str::to_owned).uid("words");
    /// let second = context.batch_interval();
    /// words.window(second * 3, second).count().print();
    /// let graph = context.graph();
    /// assert!(graph.reads_the_past());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reads_the_past(&self) -> bool {
        self.operators
            .iter()
            .any(|operator| operator.looks_back_ms > 0)
    }

    /// Whether any operator's results are of several batches, and in phase with the first.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let words = words.map(str::to_owned).uid("words");
    /// let second = context.batch_interval();
    /// words.window(second * 3, second).count().print();
    /// let graph = context.graph();
    /// assert!(graph.has_windows());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_windows(&self) -> bool {
        self.reads_the_past() || self.operators.iter().any(|operator| operator.window_ms > 0)
    }

    /// Whether any operator has state.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let words = words.map(str::to_owned).uid("words");
    /// let second = context.batch_interval();
    /// words.window(second * 3, second).count().print();
    /// let graph = context.graph();
    /// assert!(!graph.has_state());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_state(&self) -> bool {
        self.operators
            .iter()
            .any(|operator| operator.state.is_some())
    }
}
