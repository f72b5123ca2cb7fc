//! What files hold: the formats that [`Files`](super::Files) are written in.

mod csv;
mod json;
mod objects;
mod sequence;
#[cfg(test)]
mod tests;
mod text;

pub use csv::Csv;
pub use json::JsonLines;
pub use objects::Objects;
pub use sequence::{SequenceFile, Writable};
pub use text::Text;

use std::io::Write;

use super::PartWriter;
use crate::rdd::BoxError;

/// How much is gathered before it's written or compressed.
const WRITE_BYTES: usize = 1 << 20;

/// Hands on what is gathered, once it's worth it.
fn hand_on(gathered: &mut Vec<u8>, out: &mut PartWriter<'_>) -> Result<(), BoxError> {
    if gathered.len() >= WRITE_BYTES {
        out.write_all(gathered)?;
        gathered.clear();
    }
    Ok(())
}
