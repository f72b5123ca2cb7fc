//! Reads letters back.

use std::collections::BTreeMap;
use std::path::Path;

use tidemill_storage::{Disk, LocalDisk, Objects, open_objects};

use super::{DeadLetter, STEM, SUFFIX, prefix};
use crate::rdd::BoxError;
use crate::sink::{PartPlace, SUCCESS};
use crate::time::Time;

/// The one file of a batch's letters.
const PART: &str = "part-00000";

/// The letters below `url`, as [`Builder::dead_letters`](crate::Builder::dead_letters) was given it, by batch.
/// Batches that are being written are left out. May be called beside a running program.
///
/// # Errors
/// When the place can't be read, or a line of it isn't a letter: says which.
///
/// ```
/// let folder = std::env::temp_dir().join("tidemill-doc-no-letters").display().to_string();
/// assert!(tidemill::dead_letters::read(&folder)?.is_empty());
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
pub fn read(url: &str) -> Result<BTreeMap<Time, Vec<DeadLetter>>, BoxError> {
    let texts = match PartPlace::parse(&prefix(url))? {
        PartPlace::Disk(path) => on_disk(Path::new(&path))?,
        PartPlace::Objects { root, stem } => in_objects(&*open_objects(&root)?, &stem)?,
    };
    let mut letters = BTreeMap::new();
    for (time, (place, text)) in texts {
        let text = std::str::from_utf8(&text).map_err(|error| format!("{place}: {error}"))?;
        let read = |(number, line): (usize, &str)| {
            DeadLetter::from_line(line).map_err(|error| -> BoxError {
                format!(
                    "{place}, line {}: it isn't a dead letter: {error}",
                    number + 1
                )
                .into()
            })
        };
        let of_batch = text.lines().enumerate().map(read);
        letters.insert(time, of_batch.collect::<Result<_, _>>()?);
    }
    Ok(letters)
}

/// The batch that a folder holds the letters of.
fn time_of(name: &str, stem: &str) -> Option<Time> {
    let digits = name.strip_prefix(stem)?.strip_prefix('-')?;
    let digits = digits.strip_suffix(SUFFIX)?.strip_suffix('.')?;
    digits.parse().ok().map(Time::from_millis)
}

/// Each batch's file, and its name for messages.
type Texts = BTreeMap<Time, (String, Vec<u8>)>;

fn on_disk(prefix: &Path) -> Result<Texts, BoxError> {
    let folder = prefix.parent().unwrap_or(Path::new("."));
    let entries = match LocalDisk.read_dir(folder) {
        Err(error) if error.is_not_found() => return Ok(Texts::new()),
        other => other?,
    };
    let mut texts = Texts::new();
    for entry in entries.into_iter().filter(|entry| entry.metadata.is_dir) {
        let path = folder.join(&entry.name);
        // The folder appears whole, by its name.
        if let Some(time) = time_of(&entry.name, STEM)
            && LocalDisk.metadata(&path.join(SUCCESS))?.is_some()
        {
            let part = path.join(PART);
            let text =
                std::fs::read(&part).map_err(|error| format!("{}: {error}", part.display()))?;
            texts.insert(time, (part.display().to_string(), text));
        }
    }
    Ok(texts)
}

fn in_objects(objects: &dyn Objects, stem: &str) -> Result<Texts, BoxError> {
    let mut texts = Texts::new();
    for (name, _) in objects.list("")? {
        let Some(folder) = name
            .strip_suffix(SUCCESS)
            .and_then(|name| name.strip_suffix('/'))
        else {
            continue;
        };
        let Some(time) = time_of(folder, stem) else {
            continue;
        };
        let part = format!("{folder}/{PART}");
        let text = objects
            .get(&part)?
            .ok_or_else(|| format!("{part} is gone, though {name} says that the batch is whole"))?;
        texts.insert(time, (part, text.to_vec()));
    }
    Ok(texts)
}
