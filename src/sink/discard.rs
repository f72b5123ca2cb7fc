//! [`Discard`]: computes a batch and keeps nothing of it; for measuring.

use super::{BatchIdentity, Guarantee, Sink};
use crate::rdd::{BoxError, Element, Rdd};

/// Computes every element and lets it go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl<T: ?Sized + Element> Sink<T> for Discard {
    fn kind(&self) -> &'static str {
        "discard"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn commit(&self, _batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        rdd.count()?;
        Ok(())
    }
}
