//! Sources: where streams come from.
//!
//! Two kinds. A *receiver* takes data in as it comes and stores it in blocks. A *direct source* is asked
//! for each batch what it should read, a plan, which is logged with the batch's allocation; it can read
//! a plan again at any time, so it needs no log of its own.

mod codec;
mod direct;
mod files;
mod http;
mod info;
#[cfg(test)]
mod pacing_tests;
mod queue;
mod rate;
mod socket;
#[cfg(test)]
mod testing;

pub use direct::{DirectSource, Planned, Waiting};
pub use files::{FileSource, FileSourceOptions, Glob, Remember};
pub use http::{HttpSource, Ingest, IngestError, ingest_router};
pub use info::{Acknowledged, SourceInfo};
pub use queue::{QueueHandle, QueueSource};
pub use rate::{RateOptions, RateSource};
pub use socket::{Converter, Lines, SocketOptions, SocketReceiver};

pub use crate::server::HttpLimits;

pub(crate) use codec::VERSION as CODEC_VERSION;
pub(crate) use direct::{AnyDirectSource, Erased};
pub(crate) use files::object_file;
pub(crate) use http::{IngestAnswer, is_ingest};
