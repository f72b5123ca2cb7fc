//! [`Writer`]: elements into frames.

use serde::Serialize;

use super::{ENCODING, FRAME_HEADER, Frame, MAX_PAYLOAD, VERSION, header};

/// Whatever went wrong.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A frame is closed when it holds this many bytes.
const FRAME_BYTES: usize = 256 << 10;

/// Writes an object file, piece by piece. The same elements become the same bytes.
pub(crate) struct Writer {
    /// What isn't handed on yet.
    pub(super) ready: Vec<u8>,
    /// Where in it the open frame begins.
    frame: usize,
    elements: u32,
    before: u64,
}

impl Default for Writer {
    fn default() -> Self {
        let mut writer = Self {
            ready: header(VERSION, ENCODING).to_vec(),
            frame: 0,
            elements: 0,
            before: 0,
        };
        writer.open_frame();
        writer
    }
}

impl Writer {
    /// Adds an element, and hands what is ready to `out` when that is worth it.
    pub(crate) fn push(
        &mut self,
        element: &(impl Serialize + ?Sized),
        out: &mut impl FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let mut serializer = rmp_serde::Serializer::new(&mut self.ready).with_struct_map();
        element.serialize(&mut serializer)?;
        self.elements += 1;
        if self.ready.len() - self.frame >= FRAME_BYTES {
            self.close_frame()?;
            out(&self.ready)?;
            self.ready.clear();
            self.open_frame();
        }
        Ok(())
    }

    /// Writes what is left, and the end.
    pub(crate) fn finish(
        mut self,
        out: &mut impl FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        if self.elements > 0 {
            self.close_frame()?;
            self.open_frame();
        }
        // The frame of no elements.
        self.close_frame()?;
        out(&self.ready)
    }

    fn open_frame(&mut self) {
        self.frame = self.ready.len();
        self.ready.resize(self.frame + FRAME_HEADER, 0);
    }

    fn close_frame(&mut self) -> Result<(), BoxError> {
        let open = self.ready.get_mut(self.frame..).unwrap_or_default();
        let Some((header, payload)) = open.split_first_chunk_mut::<FRAME_HEADER>() else {
            return Err("no frame is open".into());
        };
        if payload.len() > MAX_PAYLOAD {
            return Err(format!(
                "one of the {} elements from number {} on is too large: together they take {} bytes, and a frame of \
                 an object file holds up to 1 GiB",
                self.elements,
                self.before,
                payload.len()
            )
            .into());
        }
        let frame = Frame {
            bytes: u32::try_from(payload.len())?,
            elements: self.elements,
            before: self.before,
        };
        *header = frame.encode(payload);
        self.before += u64::from(self.elements);
        self.elements = 0;
        Ok(())
    }
}
