//! [`Listed`]: what a `text_files` sink holds, as names.

use std::collections::{BTreeMap, BTreeSet};

use tidemill_config::Sink;
use tidemill_storage::{Disk, ErrorKind, LocalDisk, Location, open_objects};

use crate::rdd::BoxError;
use crate::sink::{PartPlace, folder_of_hidden};
use crate::time::Time;

/// A sink's folders: the files of each batch, and what was left behind unfinished.
#[derive(Debug, Default)]
pub(in crate::cli::fsck) struct Listed {
    pub(super) folder: String,
    pub(super) batches: BTreeMap<Time, (String, BTreeSet<String>)>,
    pub(super) staging: Vec<(Time, String)>,
    pub(super) is_objects: bool,
}

impl Listed {
    /// How many batches' folders there are.
    pub(in crate::cli::fsck) fn len(&self) -> usize {
        self.batches.len()
    }
}

/// Lists what a sink holds; `None` for sinks that hold nothing that can be listed.
pub(in crate::cli::fsck) fn list(sink: &Sink) -> Result<Option<Listed>, tidemill_storage::Error> {
    let Some((prefix, suffix)) = sink.kind.place() else {
        return Ok(None);
    };
    let refuse = |error: BoxError| {
        tidemill_storage::Error::new("list", prefix, ErrorKind::Unsupported, error)
    };
    let mut listed = Listed::default();
    let (names, base) = match PartPlace::parse(prefix).map_err(refuse)? {
        PartPlace::Disk(path) => {
            let (folder, base) = path.rsplit_once('/').unwrap_or((".", &path));
            folder.clone_into(&mut listed.folder);
            (files(folder)?, base.to_owned())
        }
        PartPlace::Objects { root, stem } => {
            listed.folder = root.to_string();
            listed.is_objects = true;
            (objects(&root)?, stem)
        }
    };
    for (name, files) in names {
        if let Some(staged) = folder_of_hidden(&name) {
            if let Some(time) = time_of(staged, &base, suffix) {
                listed.staging.push((time, name));
            }
        } else if let Some(time) = time_of(&name, &base, suffix) {
            listed.batches.insert(time, (name, files));
        }
    }
    Ok(Some(listed))
}

/// The batch that a folder is named by.
fn time_of(name: &str, base: &str, suffix: Option<&str>) -> Option<Time> {
    let rest = name.strip_prefix(base)?.strip_prefix('-')?;
    let digits = match suffix {
        Some(suffix) => rest.strip_suffix(suffix)?.strip_suffix('.')?,
        None => rest,
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_plain)
        .map(Time::from_millis)
}

type Names = BTreeMap<String, BTreeSet<String>>;

fn files(folder: &str) -> Result<Names, tidemill_storage::Error> {
    let folder = std::path::Path::new(folder);
    let entries = match LocalDisk.read_dir(folder) {
        Err(error) if error.is_not_found() => return Ok(Names::new()),
        other => other?,
    };
    let mut names = Names::new();
    for entry in entries.into_iter().filter(|entry| entry.metadata.is_dir) {
        let within = match LocalDisk.read_dir(&folder.join(&entry.name)) {
            // Removed or renamed since it was listed.
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        names.insert(
            entry.name,
            within.into_iter().map(|file| file.name).collect(),
        );
    }
    Ok(names)
}

fn objects(location: &Location) -> Result<Names, tidemill_storage::Error> {
    let mut names = Names::new();
    for (name, _) in open_objects(location)?.list("")? {
        if let Some((folder, file)) = name.split_once('/') {
            names
                .entry(folder.to_owned())
                .or_default()
                .insert(file.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_by_their_names() {
        let time = |name, suffix| time_of(name, "counts", suffix);
        assert_eq!(
            time("counts-1000.txt", Some("txt")),
            Some(Time::from_millis(1000))
        );
        assert_eq!(time("counts-1000", None), Some(Time::from_millis(1000)));
        for other in [
            "counts-1000",
            "counts-x.txt",
            "counts-.txt",
            "count-1000.txt",
            "counts--1.txt",
        ] {
            assert_eq!(time(other, Some("txt")), None, "{other}");
        }
    }
}
