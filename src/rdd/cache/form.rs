//! [`Form`]: how a partition becomes bytes and is read back, where its elements can be serialised.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::object_file::{Reader, Writer};
use crate::rdd::{BoxError, Buffer, Element};

/// The two functions, without their bounds.
pub(super) struct Form<T: ?Sized + Element> {
    pub(super) write: Write<T>,
    pub(super) read: Read<T>,
}

type Write<T> = fn(&[<T as Element>::Buffer]) -> Result<Vec<u8>, BoxError>;
type Read<T> = fn(&[u8]) -> Result<Vec<<T as Element>::Buffer>, String>;

impl<T: ?Sized + Element> Clone for Form<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized + Element> Copy for Form<T> {}

impl<T: ?Sized + Element + Serialize> Form<T>
where
    T::Own: DeserializeOwned,
{
    /// An object file: checksummed, so that what is damaged is found.
    pub(super) fn of_serde() -> Self {
        Self {
            write: write::<T>,
            read: read::<T>,
        }
    }
}

fn write<T: ?Sized + Element + Serialize>(chunks: &[T::Buffer]) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    let mut out = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let mut writer = Writer::default();
    let mut failed = None;
    for chunk in chunks {
        chunk.for_each(|element| {
            if failed.is_none() {
                failed = writer.push(element, &mut out).err();
            }
        });
    }
    match failed {
        Some(error) => Err(error),
        None => writer.finish(&mut out).map(|()| bytes),
    }
}

fn read<T: ?Sized + Element>(bytes: &[u8]) -> Result<Vec<T::Buffer>, String>
where
    T::Own: DeserializeOwned,
{
    let mut reader = Reader::new(bytes)?;
    let mut chunks = Vec::new();
    loop {
        let mut chunk = T::Buffer::default();
        if !reader.next_frame(|element| chunk.push_owned(element))? {
            return Ok(chunks);
        }
        chunks.push(chunk);
    }
}
