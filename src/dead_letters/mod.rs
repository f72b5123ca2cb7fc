//! Dead letters: records that couldn't be processed, written beside the outputs of their batch.
//!
//! Invariant (R4): a batch's letters are committed under its identity before it takes effect, and all of them
//! at once. They are known when all that the batch's outputs read has been computed, also what an output that
//! had committed before a restart doesn't compute again. So whoever reads them sees each letter once.

mod letter;
mod office;
mod reader;

pub use letter::DeadLetter;
pub use reader::read;

pub(crate) use office::DeadLetterOffice;

/// How the folders' names begin and end, below the place of the letters.
const STEM: &str = "letters";
const SUFFIX: &str = "jsonl";

/// The prefix of the folders below `url`.
fn prefix(url: &str) -> String {
    format!("{}/{STEM}", url.trim_end_matches('/'))
}
