//! Typed configuration of a tidemill pipeline.
//!
//! A pipeline file (TOML), the drop-ins beside it (`FILE.d/*.toml`), environment variables
//! (`TIDEMILL__SECTION__KEY`) and `--set KEY=VALUE` are laid over each other and over the defaults, in this order,
//! and become a [`Pipeline`], or [`ConfigErrors`]: every mistake there is, each with file, line and column (or the
//! name of the variable or argument), what was expected, and the nearest valid name. Nothing but these files is
//! opened to find them.
//!
//! How it goes, one module a step:
//!
//! - `layers`: the texts of all layers;
//! - `tree`: a TOML text as a tree in which every value has a [`Location`], and drop-ins laid over it;
//! - `overlay`: environment and arguments over these, in the same tree;
//! - `section`, `value`: reading typed values from it, against the lists of [`Key`]s in [`keys`];
//! - `settings`, `source`, `stream`, `op`, `sink`: the sections;
//! - `names`, `order`, `records`: what refers to what, in which order, and what kind of records flows;
//! - `pipeline`: the whole;
//! - `setting`, `spelling`, `change`: each key's effective value and where it came from; what differs between two
//!   pipelines, and whether one can become the other while it runs.
//!
//! Invariant: a [`Pipeline`] that exists is valid. Names in it resolve, streams are in an order in which
//! they can be built, every operator suits the records that reach it, windows are multiples of what
//! reaches them. The engine need check none of it again.

mod address;
mod change;
mod default_toml;
mod duration;
mod error;
mod function;
pub mod key;
pub mod keys;
mod layers;
mod location;
mod name;
mod names;
mod op;
mod order;
mod overlay;
mod pipeline;
mod records;
mod reference;
mod secret;
mod section;
mod setting;
mod settings;
mod sink;
mod size;
mod source;
mod spelling;
mod store_url;
mod stream;
mod suggest;
mod tree;
mod typed;
mod value;

pub use address::HostPort;
pub use change::Change;
pub use default_toml::default_toml;
pub use duration::{MAX_DURATION, format_duration, parse_duration};
pub use error::{ConfigError, ConfigErrors, Problem, Warning};
pub use function::{
    AggregateFunction, CombineFunction, JoinKind, JsonPointer, MapFunction, PairPart,
    PartitionFunction, Pattern,
};
pub use key::Key;
pub use layers::Layers;
pub use location::{Layer, Location};
pub use name::Name;
pub use names::Input;
pub use op::{Extract, FilterOn, KeepLevel, Map, OnError, Op, OpKind, Pick, Predicate, Window};
pub use overlay::ENVIRONMENT_PREFIX;
pub use pipeline::Pipeline;
pub use records::{Item, RecordKind};
pub use reference::reference;
pub use secret::{Secret, redact};
pub use setting::{Overridden, Setting};
pub use settings::{
    Admin, Backpressure, CatchUp, Checkpoint, DeadLetters, Http, Jobs, Log, LogFormat, Memory, Pid,
    Receiver, State, Stop, Storage, Telemetry, Tls, Wal,
};
pub use sink::{Codec, FileFormat, Sink, SinkKind};
pub use size::ByteSize;
pub use source::{Limits, OnSilence, Silence, Source, SourceKind};
pub use store_url::StoreUrl;
pub use stream::Stream;
