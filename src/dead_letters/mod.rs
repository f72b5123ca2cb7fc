//! Dead letters: records that couldn't be processed, written beside the outputs of their batch.
//!
//! Invariant (R4): a batch's letters are committed under its identity before it takes effect, and all of them
//! at once. They are known when all that the batch's outputs read has been computed, also what an output that
//! had committed before a restart doesn't compute again. So whoever reads them sees each letter once.

mod letter;
mod office;

pub use letter::DeadLetter;

pub(crate) use office::DeadLetterOffice;
