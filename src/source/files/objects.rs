//! [`ObjectElements`]: the elements of listed object files, one partition a file, a chunk a frame.

use std::io::{self, BufReader};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::DeserializeOwned;

use tidemill_storage::Location;

use super::FileSourceOptions;
use super::folder::{Folder, location, unreadable};
use super::listing::{ListedFile, SUCCESS};
use super::store::StoreFolder;
use crate::codec::{Codec, decode};
use crate::object_file::Reader;
use crate::rdd::{
    BoxError, Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError,
};

/// How much of a file is read at once.
const PIECE: usize = 128 << 10;

/// The elements of object files.
pub(super) struct ObjectElements<T: ?Sized> {
    folder: Folder,
    files: Vec<ListedFile>,
    element: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> ObjectElements<T> {
    pub(super) fn new(folder: Folder, files: Vec<ListedFile>) -> Self {
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
        let name = self.folder.name_of(file);
        let named = |error: String| TaskError::new(unreadable(&name, &io::Error::other(error)));
        let opened = self.folder.open(file).map_err(TaskError::new)?;
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
    let unreadable = |error: io::Error| unreadable(&path.display().to_string(), &error);
    let (folder, files) = match location(path)? {
        Location::File(path) => on_disk(&path).map_err(unreadable)?,
        Location::Sled(_) => (Folder::parse(path)?, Vec::new()),
        location => in_store(&location)?.map_err(unreadable)?,
    };
    let elements = ObjectElements::new(folder, files);
    Ok(Rdd::new(elements, executor))
}

fn on_disk(path: &Path) -> io::Result<(Folder, Vec<ListedFile>)> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        let folder = Folder::Disk(path.to_owned());
        let files = all_in(&folder)?;
        return Ok((folder, files));
    }
    let name = path.file_name().unwrap_or_default();
    let file = ListedFile::new(std::os::unix::ffi::OsStrExt::as_bytes(name), &metadata);
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok((Folder::Disk(parent.to_owned()), vec![file]))
}

/// The object of this name, or else what lies below it.
fn in_store(location: &Location) -> Result<io::Result<(Folder, Vec<ListedFile>)>, BoxError> {
    let folder = Folder::Store(StoreFolder::open(location)?);
    let parent = match location.split_name() {
        Some((parent, name)) => Some((StoreFolder::open(&parent)?, name)),
        None => None,
    };
    Ok((|| {
        let files = all_in(&folder)?;
        if let Folder::Store(store) = &folder {
            refuse_half_a_batch(store, &files)?;
        }
        if !files.is_empty() {
            return Ok((folder, files));
        }
        if let Some((parent, name)) = parent
            && let Some(file) = parent.find(&name)?
        {
            return Ok((Folder::Store(parent), vec![file]));
        }
        let nothing = "there is no such object, nor any object file below that name";
        Err(io::Error::new(io::ErrorKind::NotFound, nothing))
    })())
}

/// A batch's own folder is written part by part, `_SUCCESS` last.
fn refuse_half_a_batch(folder: &StoreFolder, files: &[ListedFile]) -> io::Result<()> {
    let has_parts = files.iter().any(|file| file.name.starts_with(b"part-"));
    if has_parts && folder.find(SUCCESS)?.is_none() {
        let half = "there are parts of a batch and no _SUCCESS: it isn't whole yet";
        return Err(io::Error::other(half));
    }
    Ok(())
}

/// All object files in a folder, and in those of batches within it, in name order.
fn all_in(folder: &Folder) -> io::Result<Vec<ListedFile>> {
    let options = FileSourceOptions {
        batch_folders: true,
        ..FileSourceOptions::default()
    };
    let mut files = folder.list(&options, None)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
