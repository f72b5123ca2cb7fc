//! [`OutputPlace`]: where a trial's outputs are, on this machine's disk or in a bucket.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use tidemill_storage::{Objects, RemoteOptions, open_objects_with};

use super::object_servers::Bucket;

/// A place that `text_files` writes to.
#[derive(Debug, Clone)]
pub enum OutputPlace {
    /// A folder.
    Folder(PathBuf),
    /// A folder of a bucket.
    Bucket {
        objects: Arc<dyn Objects>,
        url: String,
        folder: String,
    },
}

impl OutputPlace {
    /// A folder of the application of this name in a bucket.
    pub fn bucket(bucket: &Bucket, application: &str, folder: &str) -> Self {
        let url = format!("{}/{application}", bucket.url);
        let options = RemoteOptions {
            variables: bucket.variables.clone(),
            ..RemoteOptions::default()
        };
        let objects = open_objects_with(&url.parse().unwrap(), &options).unwrap();
        Self::Bucket {
            objects,
            url,
            folder: folder.to_owned(),
        }
    }

    /// The names of what is in it: batches' folders, and what else there may be. In a bucket a driver that
    /// was succeeded in the middle of a commit leaves what it had begun, hidden: that isn't named.
    pub fn names(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Folder(folder) => entries(folder),
            Self::Bucket { .. } => {
                let keys = self.keys("")?;
                let first = |key: &String| key.split('/').next().unwrap_or_default().to_owned();
                let mut names: Vec<String> = keys.iter().map(first).collect();
                names.dedup();
                names.retain(|name| !name.starts_with('.'));
                Ok(names)
            }
        }
    }

    /// Whether the batch of this name is to be seen. A folder is renamed into place whole; in a bucket the
    /// last object says that all are there.
    pub fn is_in_place(&self, name: &str) -> Result<bool, String> {
        match self {
            Self::Folder(_) => Ok(true),
            Self::Bucket { .. } => Ok(self.files(name)?.iter().any(|file| file == "_SUCCESS")),
        }
    }

    /// The files of a batch, in name order.
    pub fn files(&self, name: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Folder(folder) => entries(&folder.join(name)),
            Self::Bucket { .. } => self.keys(name),
        }
    }

    /// A file's text.
    pub fn read(&self, name: &str, file: &str) -> Result<String, String> {
        match self {
            Self::Folder(folder) => std::fs::read(folder.join(name).join(file))
                .and_then(|bytes| text_of(file, &bytes))
                .map_err(|error| format!("{}: {error}", self.path(name))),
            Self::Bucket {
                objects, folder, ..
            } => {
                let key = format!("{folder}/{name}/{file}");
                let found = objects.get(&key).map_err(|error| error.to_string())?;
                let bytes = found.ok_or_else(|| format!("{key} is gone"))?;
                text_of(file, &bytes).map_err(|error| format!("{key}: {error}"))
            }
        }
    }

    /// What to call a batch in a message.
    pub fn path(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Bucket { url, folder, .. } => format!("{url}/{folder}/{name}"),
        }
    }

    /// The keys in a folder within this one, without its name, in name order.
    fn keys(&self, within: &str) -> Result<Vec<String>, String> {
        let Self::Bucket {
            objects, folder, ..
        } = self
        else {
            return Ok(Vec::new());
        };
        let folder = format!("{folder}/{within}");
        let folder = folder.trim_end_matches('/');
        let listed = objects.list(folder).map_err(|error| error.to_string())?;
        let prefix = format!("{folder}/");
        let relative = |(key, _): (String, u64)| key.strip_prefix(&prefix).map(str::to_owned);
        Ok(listed.into_iter().filter_map(relative).collect())
    }
}

/// What a file holds; one whose name ends in .gz, uncompressed.
fn text_of(name: &str, mut bytes: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    match name.ends_with(".gz") {
        true => MultiGzDecoder::new(bytes).read_to_string(&mut text)?,
        false => bytes.read_to_string(&mut text)?,
    };
    Ok(text)
}

/// The names in a folder; none when there is no folder.
fn entries(folder: &std::path::Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.map_err(failed)?.file_name();
        Ok(name.to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>, String>>()?;
    names.sort();
    Ok(names)
}
