//! [`At`]: an operator of the file, and how the nodes that it becomes are named.

use std::panic::Location;

use tidemill_config::Op;

use super::value::Shown;
use crate::dstream::DStream;
use crate::rdd::{BoxError, Element, Emitter, ErrorPolicy};

/// An operator at its place in a stream.
pub(super) struct At<'a> {
    pub(super) op: &'a Op,
    uid: String,
    /// What becomes of records that don't fit.
    policy: ErrorPolicy,
}

/// What an operator asks of a record that doesn't fit.
struct Needs(&'static str);

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl<'a> At<'a> {
    /// The `number`th operator of its name in the stream whose uids begin with `prefix`.
    pub(super) fn new(prefix: &str, op: &'a Op, number: usize, policy: ErrorPolicy) -> Self {
        let uid = match (&op.uid, number) {
            (Some(uid), _) => uid.as_str().to_owned(),
            (None, 1) => format!("{prefix}.{}", op.name),
            (None, _) => format!("{prefix}.{}#{number}", op.name),
        };
        Self { op, uid, policy }
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

    /// What `step` emits for the records that it says fit the operator, which `needs` something of them.
    /// What becomes of the others is said in the file.
    #[track_caller]
    pub(super) fn fitting<T: ?Sized + Element + Shown, U: ?Sized + Element>(
        &self,
        stream: &DStream<T>,
        needs: &'static str,
        step: impl Fn(&T, &mut Emitter<'_, '_, U>) -> bool + Send + Sync + 'static,
    ) -> DStream<U> {
        let step = move |value: &T, out: &mut Emitter<'_, '_, U>| match step(value, out) {
            true => Ok(()),
            false => Err(Needs(needs)),
        };
        stream
            .fallible("try_flat_map", Location::caller(), T::shown, step)
            .on_error(self.policy)
    }

    /// What to say when the operator doesn't work on what reaches it, which the file's check excludes.
    pub(super) fn mismatch(&self) -> BoxError {
        let (op, location) = (self.op, &self.op.location);
        format!("{location}: `{}` doesn't work on {}", op.name, op.input).into()
    }
}
