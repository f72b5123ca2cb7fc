//! [`OutputPlace`]: where a trial's outputs are, on this machine's disk or in a bucket.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::http::Connection;

/// A place that `text_files` writes to.
#[derive(Debug, Clone)]
pub enum OutputPlace {
    /// A folder.
    Folder(PathBuf),
    /// A part of a bucket of a server that speaks S3 and checks no signatures.
    Bucket {
        server: SocketAddr,
        bucket: String,
        prefix: String,
    },
}

impl OutputPlace {
    /// The names of what is in it: batches' folders, and what else there may be.
    pub fn names(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Folder(folder) => entries(folder),
            Self::Bucket { prefix, .. } => {
                let keys = self.keys(prefix)?;
                let first = |key: &String| key.split('/').next().unwrap_or_default().to_owned();
                let mut names: Vec<String> = keys.iter().map(first).collect();
                names.dedup();
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
            Self::Bucket { prefix, .. } => self.keys(&format!("{prefix}{name}/")),
        }
    }

    /// A file's text.
    pub fn read(&self, name: &str, file: &str) -> Result<String, String> {
        match self {
            Self::Folder(folder) => std::fs::read_to_string(folder.join(name).join(file))
                .map_err(|error| format!("{}: {error}", self.path(name))),
            Self::Bucket { bucket, prefix, .. } => {
                self.get(&format!("/{bucket}/{prefix}{name}/{file}"))
            }
        }
    }

    /// What to call a batch in a message.
    pub fn path(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Bucket { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}{name}"),
        }
    }

    /// The keys that begin with `prefix`, without it.
    fn keys(&self, prefix: &str) -> Result<Vec<String>, String> {
        let Self::Bucket { bucket, .. } = self else {
            return Ok(Vec::new());
        };
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!(
                "/{bucket}?list-type=2&prefix={prefix}&start-after={after}"
            ))?;
            let found: Vec<&str> = page.split("<Key>").skip(1).collect();
            let found = found
                .iter()
                .map(|rest| rest.split("</Key>").next().unwrap_or_default());
            keys.extend(found.map(|key| key.strip_prefix(prefix).unwrap_or(key).to_owned()));
            if !page.contains("<IsTruncated>true") {
                keys.sort();
                return Ok(keys);
            }
            after = format!("{prefix}{}", keys.last().cloned().unwrap_or_default());
        }
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let Self::Bucket { server, .. } = self else {
            return Err(format!("{path} is in no bucket"));
        };
        let failed = |error: std::io::Error| format!("{path}: {error}");
        let answer = Connection::open(*server).map_err(failed)?.get(path);
        let answer = answer.map_err(failed)?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(format!("{path}: {answer:?}")),
        }
    }
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
