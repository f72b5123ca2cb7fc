//! A watched folder in an object store: what is in it, and an object's bytes, as they were when it was listed.
//!
//! There are no folders there, only names with `/` in them. An object appears whole; what a sink writes for a batch
//! is several, and whole when `_SUCCESS` is there, which is written last.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tidemill_storage::{Location, Objects, RemoteOptions, RetryPolicy, open_objects_with};

use super::listing::{ListedFile, SUCCESS, is_ignored};
use super::{FileSourceOptions, Remember};
use crate::rdd::BoxError;

/// How much of an object one request reads.
const PIECE: usize = 8 << 20;

/// For how long a request is tried again. The next batch lists anew, and a task is run again: there is no need to
/// hold up other sources' batches for longer.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// A watched folder in an object store.
#[derive(Debug, Clone)]
pub(super) struct StoreFolder {
    objects: Arc<dyn Objects>,
    /// The folder below the store's root; empty for the root itself.
    within: String,
    /// The folder, for people.
    shown: String,
}

impl StoreFolder {
    /// The folder `within` of `objects`, which people know as `shown`.
    pub(super) fn new(objects: Arc<dyn Objects>, within: &str, shown: String) -> Self {
        Self {
            objects,
            within: within.trim_matches('/').to_owned(),
            shown,
        }
    }

    /// The folder that is a location. The store isn't asked for anything yet.
    pub(super) fn open(location: &Location) -> Result<Self, BoxError> {
        let options = RemoteOptions {
            retry: RetryPolicy {
                give_up_after: GIVE_UP_AFTER,
                ..RetryPolicy::default()
            },
            ..RemoteOptions::default()
        };
        let objects = open_objects_with(location, &options)?;
        Ok(Self::new(objects, "", location.to_string()))
    }

    /// A file of it, for people.
    pub(super) fn name_of(&self, file: &ListedFile) -> String {
        format!("{}/{}", self.shown, String::from_utf8_lossy(&file.name))
    }

    /// The name of an object in this folder below the store's root.
    fn full_name(&self, name: &str) -> String {
        match self.within.as_str() {
            "" => name.to_owned(),
            within => format!("{within}/{name}"),
        }
    }

    /// The objects that count as files, in name order; with [`Remember::GreatestName`] those behind `after`.
    pub(super) fn list(
        &self,
        options: &FileSourceOptions,
        after: Option<&[u8]>,
    ) -> io::Result<Vec<ListedFile>> {
        let after = after.map(String::from_utf8_lossy);
        // Of a folder that was read in part its `_SUCCESS` has to be seen again.
        let from = after.as_deref().map(|name| match name.split_once('/') {
            Some((folder, _)) => self.full_name(folder),
            None => self.full_name(name),
        });
        let entries = self
            .objects
            .list_entries(&self.within, options.batch_folders, from.as_deref())
            .map_err(io::Error::other)?;
        let named = |name: &str| match self.within.len() {
            0 => name.to_owned(),
            within => name.get(within + 1..).unwrap_or_default().to_owned(),
        };
        let names: Vec<String> = entries.iter().map(|entry| named(&entry.name)).collect();
        let whole: HashSet<&str> = names
            .iter()
            .filter_map(|name| name.split_once('/'))
            .filter(|(_, file)| *file == SUCCESS)
            .map(|(folder, _)| folder)
            .collect();
        let wanted = |file: &str| {
            let fits = options.pattern.as_ref();
            !is_ignored(file.as_bytes()) && fits.is_none_or(|pattern| pattern.matches(file))
        };
        let mut files = Vec::new();
        for (name, entry) in names.iter().zip(&entries) {
            let (folder, file) = match name.split_once('/') {
                Some((folder, file)) => (Some(folder), file),
                None => (None, name.as_str()),
            };
            if file.contains('/') || !wanted(file) {
                continue;
            }
            match folder {
                Some(folder) if is_ignored(folder.as_bytes()) => continue,
                Some(folder) if !whole.contains(folder) => {
                    if options.remember == Remember::GreatestName {
                        let folder = format!("{}/{folder}", self.shown);
                        tracing::warn!(
                            folder,
                            "has no _SUCCESS yet: what is behind it is read when it has"
                        );
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            files.push(ListedFile::of_object(name, entry));
        }
        Ok(files)
    }

    /// What is known of one object; `None` when there is none of this name.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<ListedFile>> {
        let name = self.full_name(name);
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let entries = self
            .objects
            .list_entries(folder, false, None)
            .map_err(io::Error::other)?;
        let found = entries.iter().find(|entry| entry.name == name);
        Ok(found.map(|entry| ListedFile::of_object(file, entry)))
    }

    /// The bytes of a listed object.
    pub(super) fn bytes_of(&self, file: &ListedFile) -> ObjectBytes {
        ObjectBytes {
            objects: Arc::clone(&self.objects),
            name: self.full_name(&String::from_utf8_lossy(&file.name)),
            listed: file.clone(),
            offset: 0,
            piece: Bytes::new(),
        }
    }
}

/// An object as it was listed, read piece by piece. It is an error when it has become another.
pub(super) struct ObjectBytes {
    objects: Arc<dyn Objects>,
    name: String,
    listed: ListedFile,
    /// Where the next piece begins.
    offset: u64,
    /// What was got and not handed on.
    piece: Bytes,
}

impl ObjectBytes {
    fn next_piece(&self) -> Result<Bytes, BoxError> {
        let rest = self.listed.length - self.offset;
        let len = usize::try_from(rest).map_or(PIECE, |rest| rest.min(PIECE));
        let found = self
            .objects
            .get_range_tagged(&self.name, self.offset, len)?;
        let Some((bytes, tag)) = found else {
            return Err("it is gone, and a batch is to read it".into());
        };
        let is_other = matches!((&self.listed.tag, &tag), (Some(a), Some(b)) if a != b);
        if is_other || bytes.len() != len {
            return Err("it isn't the object any more that a batch is to read".into());
        }
        Ok(bytes)
    }
}

impl Read for ObjectBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.offset < self.listed.length && !buffer.is_empty() {
            let offset = self.offset;
            let at = |error: BoxError| io::Error::other(format!("at offset {offset}: {error}"));
            self.piece = self.next_piece().map_err(at)?;
            self.offset += self.piece.len() as u64;
        }
        let count = self.piece.len().min(buffer.len());
        if let Some(buffer) = buffer.get_mut(..count) {
            self.piece.copy_to_slice(buffer);
        }
        Ok(count)
    }
}
