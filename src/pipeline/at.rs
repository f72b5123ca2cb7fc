//! [`At`]: an operator of the file, and how the nodes that it becomes are named.

use tidemill_config::Op;

use super::misfits::Misfits;
use crate::dstream::DStream;
use crate::rdd::{BoxError, Element};

/// An operator at its place in a stream.
pub(super) struct At<'a> {
    pub(super) op: &'a Op,
    uid: String,
}

impl<'a> At<'a> {
    /// The `number`th operator of its name in the stream whose uids begin with `prefix`.
    pub(super) fn new(prefix: &str, op: &'a Op, number: usize) -> Self {
        let uid = match (&op.uid, number) {
            (Some(uid), _) => uid.as_str().to_owned(),
            (None, 1) => format!("{prefix}.{}", op.name),
            (None, _) => format!("{prefix}.{}#{number}", op.name),
        };
        Self { op, uid }
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// Names the stream that the operator results in.
    pub(super) fn name<T: ?Sized + Element>(&self, stream: DStream<T>) -> DStream<T> {
        stream.uid(&self.uid)
    }

    /// Names a stream on the way there.
    pub(super) fn step<T: ?Sized + Element>(&self, step: &str, stream: DStream<T>) -> DStream<T> {
        stream.uid(format!("{}.{step}", self.uid))
    }

    /// How many partitions the operator's result has.
    pub(super) fn partitions<T: ?Sized + Element>(&self, stream: &DStream<T>) -> usize {
        self.op
            .partitions
            .map_or(stream.registry().default_partitions, Into::into)
    }

    /// Where it counts records that don't fit.
    pub(super) fn misfits(&self, needs: &'static str) -> Misfits {
        Misfits::new(self.uid.as_str(), needs)
    }

    /// What to say when the operator doesn't work on what reaches it, which the file's check excludes.
    pub(super) fn mismatch(&self) -> BoxError {
        let (op, location) = (self.op, &self.op.location);
        format!("{location}: `{}` doesn't work on {}", op.name, op.input).into()
    }
}
