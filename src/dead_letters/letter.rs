//! [`DeadLetter`]: a line of JSON.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::block::Encoding;
use crate::rdd::BoxError;
use crate::rdd::fallible::PutAside;
use crate::rdd::position::{Position, SourceRecord};
use crate::time::Time;
use crate::uid::OperatorUid;

/// A record that couldn't be processed. What isn't known is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeadLetter {
    /// The batch.
    pub batch_time: Time,
    /// The operator that failed.
    pub operator: OperatorUid,
    /// Why.
    pub error: String,
    /// The record as the operator saw it.
    pub record: serde_json::Value,
    /// The input that the record came from; unknown behind whatever brings records of several partitions
    /// together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<OperatorUid>,
    /// The block of the input, for what a receiver took in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// Which record of the block it came from, or of the partition where there is no block; from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The input's record, where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_text: Option<String>,
    /// The input's record as MessagePack, in hexadecimal digits, where it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_bytes: Option<String>,
}

impl DeadLetter {
    pub(super) fn new(batch_time: Time, aside: &PutAside) -> Self {
        let mut letter = Self {
            batch_time,
            operator: aside.operator.clone(),
            error: aside.error.clone(),
            record: aside.record.clone(),
            source: None,
            block: None,
            offset: None,
            source_text: None,
            source_bytes: None,
        };
        if let Some(Position {
            source,
            block,
            offset,
            record,
        }) = &aside.position
        {
            letter.source = Some(source.clone());
            letter.block.clone_from(block);
            letter.offset = Some(*offset);
            match record {
                Some(SourceRecord::Text(text)) => letter.source_text = Some(text.clone()),
                Some(SourceRecord::Bytes(bytes)) => letter.source_bytes = Some(hexadecimal(bytes)),
                None => {}
            }
        }
        letter
    }

    /// The input's record as it lay in a block of this encoding; `None` where that isn't known.
    pub(crate) fn source_record(&self, encoding: Encoding) -> Option<Vec<u8>> {
        match encoding {
            Encoding::Text => self.source_text.clone().map(String::into_bytes),
            Encoding::MessagePack => bytes_of(self.source_bytes.as_ref()?),
        }
    }

    /// As a line of a file.
    pub(crate) fn to_line(&self) -> Result<String, BoxError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a line of a file.
    ///
    /// # Errors
    /// When the line isn't a letter.
    ///
    /// ```
    /// use tidemill::dead_letters::DeadLetter;
    ///
    /// let line = r#"{"batchTime":1000,"operator":"numbers","error":"no digits","record":"x"}"#;
    /// let letter = DeadLetter::from_line(line)?;
    /// assert_eq!((letter.record.as_str(), letter.source), (Some("x"), None));
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn from_line(line: &str) -> Result<Self, BoxError> {
        Ok(serde_json::from_str(line)?)
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 == 1 {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
