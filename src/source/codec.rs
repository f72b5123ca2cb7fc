//! How direct sources write plans and positions: a version byte, then a MessagePack map with field
//! names. A newer version than this program knows is refused and left as it is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::messagepack;
use crate::rdd::BoxError;

/// The version in front of every plan and position.
pub(crate) const VERSION: u8 = 1;

/// Writes a plan or a position.
///
/// # Errors
/// When serde refuses, which the types used here give no reason for.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, BoxError> {
    let mut bytes = vec![VERSION];
    value.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
    Ok(bytes)
}

/// Writes a position. One that couldn't be written would be empty, which [`decode`] refuses.
pub(super) fn encode_position(value: &impl Serialize) -> Vec<u8> {
    encode(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a source's position can't be written");
        Vec::new()
    })
}

/// Reads what [`encode`] wrote; `what` names it in errors.
///
/// # Errors
/// When it is of another version or damaged.
pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, BoxError> {
    match bytes.split_first() {
        Some((&VERSION, map)) => {
            messagepack::read(map).map_err(|error| format!("{what} can't be read: {error}").into())
        }
        Some((version, _)) => Err(format!(
            "{what} has format version {version}; this program reads version {VERSION}: run the \
             version of tidemill that wrote it, or a newer one"
        )
        .into()),
        None => Err(format!("{what} is empty").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_and_damage_are_refused() {
        let bytes = encode(&(1u8, "a")).unwrap();
        assert_eq!(
            decode::<(u8, String)>("a plan", &bytes).unwrap(),
            (1, "a".to_owned())
        );
        let of = |bytes: &[u8]| {
            decode::<(u8, String)>("a plan", bytes)
                .unwrap_err()
                .to_string()
        };
        assert!(of(&[9, 1]).contains("format version 9"), "{}", of(&[9, 1]));
        assert!(of(&bytes[..3]).contains("can't be read"));
        assert_eq!(of(&[]), "a plan is empty");
    }
}
