//! [`Converter`]: makes records of a connection's bytes.

use bytes::BytesMut;

use crate::rdd::{BoxError, Data};

/// Makes records of the bytes of a connection, whatever pieces they come in.
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use tidemill::rdd::BoxError;
/// use tidemill::source::Converter;
///
/// /// Numbers of four bytes, the highest first.
/// struct Numbers;
///
/// impl Converter for Numbers {
///     type Record = u32;
///
///     fn convert(&mut self, buffer: &mut BytesMut) -> Result<Option<u32>, BoxError> {
///         Ok(if buffer.len() < 4 { None } else { Some(buffer.get_u32()) })
///     }
/// }
///
/// // Six bytes have come: a number, and half of one.
/// let mut buffer = BytesMut::from(&[0, 0, 0, 7, 0, 0][..]);
/// Numbers.start();
/// assert_eq!(Numbers.convert(&mut buffer)?, Some(7));
/// assert_eq!(Numbers.convert(&mut buffer)?, None);
/// // And no more come.
/// assert!(Numbers.finish(&mut buffer).is_err());
/// # Ok::<(), BoxError>(())
/// ```
pub trait Converter: Send + 'static {
    /// What it makes.
    type Record: Data;

    /// Called when a connection has been made: nothing of the one before goes on.
    fn start(&mut self) {}

    /// Takes the bytes of the next record off the front of `buffer` and returns it; `None` when not all
    /// of them are there yet. It may take bytes and return `None`, to skip them.
    ///
    /// # Errors
    /// The connection is given up, and made again.
    fn convert(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Record>, BoxError>;

    /// As [`Converter::convert`], when no more bytes come: a last record that nothing ends.
    ///
    /// # Errors
    /// Shown as the reason why the connection ended.
    fn finish(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Record>, BoxError> {
        match self.convert(buffer)? {
            None if !buffer.is_empty() => {
                Err(format!("{} bytes at the end are no whole record", buffer.len()).into())
            }
            record => Ok(record),
        }
    }
}

/// Moves all records out of `buffer`; those before an error, too.
pub(super) fn convert_all<C: Converter>(
    converter: &mut C,
    buffer: &mut BytesMut,
    has_ended: bool,
    records: &mut Vec<C::Record>,
) -> Result<(), BoxError> {
    while let Some(record) = converter.convert(buffer)? {
        records.push(record);
    }
    if has_ended {
        while !buffer.is_empty() {
            match converter.finish(buffer)? {
                Some(record) => records.push(record),
                None => break,
            }
        }
    }
    Ok(())
}
