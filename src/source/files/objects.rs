//! [`ObjectElements`]: the elements of listed object files, one partition a file, a chunk a frame.

use std::io::{self, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::FileSourceOptions;
use super::bytes::{ListedBytes, unreadable};
use super::listing::{ListedFile, list};
use crate::codec::{Codec, decode};
use crate::object_file::Reader;
use crate::rdd::{
    BoxError, Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError,
};

/// How much of a file is read at once.
const PIECE: usize = 128 << 10;

/// The elements of object files.
pub(super) struct ObjectElements<T: ?Sized> {
    folder: PathBuf,
    files: Vec<ListedFile>,
    element: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> ObjectElements<T> {
    pub(super) fn new(folder: PathBuf, files: Vec<ListedFile>) -> Self {
        Self {
            folder,
            files,
            element: PhantomData,
        }
    }
}

impl<T: ?Sized + Element> RddNode<T> for ObjectElements<T>
where
    T::Own: DeserializeOwned,
{
    fn partitions(&self) -> usize {
        self.files.len()
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let Some(file) = self.files.get(partition) else {
            return Ok(());
        };
        let path = file.path(&self.folder);
        let named = |error: String| TaskError::new(unreadable(&path, &io::Error::other(error)));
        let opened = ListedBytes::open(&path, file).map_err(TaskError::new)?;
        let bytes = decode(
            Codec::of_name(&file.name),
            BufReader::with_capacity(PIECE, opened),
        )
        .map_err(|error| named(error.to_string()))?;
        let mut reader = Reader::new(bytes).map_err(named)?;
        let mut elements = T::Buffer::default();
        while reader
            .next_frame(|element| elements.push_owned(element))
            .map_err(named)?
        {
            sink(Chunk::Owned(&mut elements))?;
            elements.clear();
        }
        Ok(())
    }
}

/// The elements of the object file `path`, or of all in the folder `path`: a batch's, or one that holds batches'.
pub(crate) fn object_file<T: ?Sized + Element>(
    path: &Path,
    executor: &Executor,
) -> Result<Rdd<T>, BoxError>
where
    T::Own: DeserializeOwned,
{
    let unreadable = |error: io::Error| unreadable(path, &error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    let (folder, files) = if metadata.is_dir() {
        let options = FileSourceOptions {
            batch_folders: true,
            ..FileSourceOptions::default()
        };
        let mut files = list(path, &options).map_err(unreadable)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        (path, files)
    } else {
        let name = path.file_name().unwrap_or_default();
        let file = ListedFile::new(std::os::unix::ffi::OsStrExt::as_bytes(name), &metadata);
        (path.parent().unwrap_or(Path::new("")), vec![file])
    };
    let elements = ObjectElements::new(folder.to_owned(), files);
    Ok(Rdd::new(elements, executor))
}
