//! [`Reader`]: frames back into elements, each frame checked before any element of it is handed on.

use std::io::{self, Cursor, Read};

use serde::de::DeserializeOwned;

use super::{ENCODING, FRAME_HEADER, Frame, HEADER, MAGIC, MAX_PAYLOAD, VERSION, checksum, header};

/// Reads an object file from its beginning to its end.
pub(crate) struct Reader<R> {
    file: R,
    /// Bytes read so far.
    offset: u64,
    elements: u64,
    payload: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// When it is no object file, or one of a later release.
    pub(crate) fn new(file: R) -> Result<Self, String> {
        let mut reader = Self {
            file,
            offset: 0,
            elements: 0,
            payload: Vec::new(),
        };
        let found: [u8; HEADER] = reader.array("the header")?;
        if found.first_chunk() != Some(&MAGIC) {
            return Err(
                "it is no object file: it doesn't begin with TIDEOBJS; object files are written by \
                 save_as_object_files"
                    .to_owned(),
            );
        }
        let version = u16_at(&found, 8);
        let encoding = u16_at(&found, 10);
        if found != header(version, encoding) {
            return Err("its header is damaged".to_owned());
        }
        match (version, encoding) {
            (VERSION, ENCODING) => Ok(reader),
            (VERSION, _) | (0, _) => Err(format!(
                "its header names version {version} and encoding {encoding}, which don't exist"
            )),
            _ => Err(format!(
                "it has format version {version}; this release reads version {VERSION}: use the release that \
                 wrote it, or a newer one"
            )),
        }
    }

    /// Hands the next frame's elements to `take`; `false` when there are no more.
    ///
    /// # Errors
    /// When the frame isn't as it was written, or its elements are of another type.
    pub(crate) fn next_frame<T: DeserializeOwned>(
        &mut self,
        mut take: impl FnMut(T),
    ) -> Result<bool, String> {
        let Some(elements) = self.read_frame()? else {
            return Ok(false);
        };
        let mut payload = rmp_serde::Deserializer::new(Cursor::new(self.payload.as_slice()));
        for number in 0..elements {
            let element = T::deserialize(&mut payload).map_err(|error| {
                format!(
                    "element {} can't be read as `{}`: {error}; read it as the type that was written",
                    self.elements + u64::from(number),
                    std::any::type_name::<T>()
                )
            })?;
            take(element);
        }
        if payload.position() != self.payload.len() as u64 {
            return Err(format!(
                "the frame that ends at offset {} holds more than the {elements} elements that it names, read as \
                 `{}`; read it as the type that was written",
                self.offset,
                std::any::type_name::<T>()
            ));
        }
        self.elements += u64::from(elements);
        Ok(true)
    }

    /// How many elements the next frame has; `None` for the end.
    fn read_frame(&mut self) -> Result<Option<u32>, String> {
        let at = self.offset;
        let damaged = |what: &str| format!("the frame at offset {at} is damaged: {what}");
        let header: [u8; FRAME_HEADER] = self.array("a frame")?;
        let frame = Frame {
            bytes: u32_at(&header, 0),
            elements: u32_at(&header, 4),
            before: u64::from(u32_at(&header, 8)) | u64::from(u32_at(&header, 12)) << 32,
        };
        let bytes = u64::from(frame.bytes);
        if bytes > MAX_PAYLOAD as u64 {
            return Err(damaged("it names more bytes than a frame may have"));
        }
        self.payload.clear();
        let mut payload = self.file.by_ref().take(bytes);
        let read = payload.read_to_end(&mut self.payload).map_err(told)? as u64;
        self.offset += read;
        if read < bytes {
            return Err(self.ends("a frame's elements"));
        }
        if header != frame.encode(&self.payload) {
            let found = checksum(&frame.numbers(), &self.payload);
            return Err(damaged(&format!(
                "its checksum is {:08x}, and {found:08x} is that of its bytes",
                u32_at(&header, 16)
            )));
        }
        if frame.before != self.elements || (frame.elements == 0) != (frame.bytes == 0) {
            return Err(damaged("it doesn't belong behind the one before"));
        }
        if frame.elements > 0 {
            return Ok(Some(frame.elements));
        }
        match self.file.read(&mut [0]).map_err(told)? {
            0 => Ok(None),
            _ => Err(format!(
                "there is more behind its end at offset {}",
                self.offset
            )),
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {
                self.offset += N as u64;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.ends(what)),
            Err(error) => Err(told(error)),
        }
    }

    fn ends(&self, what: &str) -> String {
        format!(
            "it ends in the middle of {what}, behind offset {}",
            self.offset
        )
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    u16::from_le_bytes(found.copied().unwrap_or_default())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    u32::from_le_bytes(found.copied().unwrap_or_default())
}
