//! The graph as a whole: what checkpoints keep of it, and what is checked before it runs.
//!
//! Invariant: a checkpoint holds the graph's description, never its code.

mod descriptor;
mod validate;

pub use descriptor::{GraphDescriptor, OperatorDescriptor, OutputDescriptor, StateDescriptor};

pub(crate) use validate::{longest_echo, longest_memory, resolve_remember, validate};
