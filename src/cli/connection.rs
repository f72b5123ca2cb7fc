//! [`Connection`]: to the admin address, with TLS or without.

use std::io::{Read, Write};

/// A connection, in whatever way it is made.
pub(super) trait Connection: Read + Write {}
impl<C: Read + Write> Connection for C {}
