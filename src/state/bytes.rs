//! Keys and states as bytes: MessagePack, structs as maps with field names.

use serde::Serialize;

use crate::rdd::BoxError;

/// Writes a key or a state.
pub(super) fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
    value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())?;
    Ok(())
}
