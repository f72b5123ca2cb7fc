//! Where checkpoints and logs live: `sled:PATH`, `file:PATH`, `memory:`, or an object store's URL.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret::no_password;
use crate::suggest;
use crate::tree::Node;
use crate::value::{Flaw, FlawKind, FromNode, text};

/// Schemes of object stores; whether this build can open one is the storage layer's to say.
const OBJECT_SCHEMES: [&str; 4] = ["s3", "gs", "az", "hdfs"];
/// All that a location can begin with.
const SCHEMES: [&str; 7] = ["sled", "file", "memory", "s3", "gs", "az", "hdfs"];

/// A location of a checkpoint or a write-ahead log. Displays as it is written in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `sled:PATH`, an embedded database in a folder.
    Sled(PathBuf),
    /// `file:PATH`, plain files in a folder.
    File(PathBuf),
    /// `memory:`, gone with the process.
    Memory,
    /// `s3://BUCKET/PREFIX` and the like.
    Object {
        /// `s3`, `gs`, `az` or `hdfs`.
        scheme: &'static str,
        /// The bucket, container or host.
        bucket: String,
        /// What keys begin with; no slash at either end, empty for the whole bucket.
        prefix: String,
    },
}

impl StoreUrl {
    /// Reads a location.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and help if there is a good guess.
    pub fn parse(url: &str) -> Result<Self, (String, Option<String>)> {
        no_password(url).map_err(|reason| (reason, None))?;
        let Some((scheme, rest)) = url.split_once(':') else {
            let help = format!("for a local folder write `file:{url}` or `sled:{url}`");
            return Err((
                format!("`{url}` has no scheme"),
                (!url.is_empty()).then_some(help),
            ));
        };
        match scheme {
            "sled" => local_path(scheme, rest).map(Self::Sled),
            "file" => local_path(scheme, rest).map(Self::File),
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(("`memory:` takes no path".into(), None)),
            _ => match OBJECT_SCHEMES.iter().find(|known| **known == scheme) {
                Some(scheme) => object(scheme, rest),
                None => Err((
                    format!("`{scheme}` is no scheme of a store"),
                    suggest::help(scheme, SCHEMES),
                )),
            },
        }
    }

    /// The local folder, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sled(path) | Self::File(path) => Some(path),
            Self::Memory | Self::Object { .. } => None,
        }
    }

    /// Whether the other means the same folder or the same objects.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match self {
            Self::Sled(_) | Self::File(_) => self.path() == other.path(),
            Self::Object { .. } => self == other,
            Self::Memory => false,
        }
    }

    /// The write-ahead log's default: `wal` beside a checkpoint of this location, as plain files or
    /// objects; in memory beside a checkpoint in memory, since what a lost checkpoint can't name is of no
    /// use. `None` if the location has nothing beside it (`/`, or a whole bucket).
    pub fn wal_beside(&self) -> Option<Self> {
        match self {
            Self::Sled(path) | Self::File(path) => {
                // `.` and `..` have no name to put another beside.
                path.file_name()?;
                Some(Self::File(path.parent()?.join("wal")))
            }
            Self::Memory => Some(Self::Memory),
            Self::Object {
                scheme,
                bucket,
                prefix,
            } => {
                let prefix = match prefix.rsplit_once('/') {
                    Some((parent, _)) => format!("{parent}/wal"),
                    None if prefix.is_empty() => return None,
                    None => "wal".into(),
                };
                Some(Self::Object {
                    scheme,
                    bucket: bucket.clone(),
                    prefix,
                })
            }
        }
    }
}

/// Checks a place of files: a plain path unless it begins as a location does; whether this build can open that is
/// the storage layer's to say.
pub(crate) fn check_place(place: &str, no_database: &str) -> Result<(), String> {
    no_password(place)?;
    let Some((scheme, rest)) = place.split_once(':') else {
        return Ok(());
    };
    // `memory:NAME/PATH` is for tests.
    let is_location = SCHEMES.contains(&scheme) || rest.starts_with("//");
    if !is_location || scheme == "memory" {
        return Ok(());
    }
    match StoreUrl::parse(place) {
        Ok(StoreUrl::Sled(_)) => Err(format!(
            "{no_database}; write a path, or an object store's URL"
        )),
        Ok(_) => Ok(()),
        Err((reason, help)) => Err(help.map_or(reason.clone(), |help| format!("{reason}; {help}"))),
    }
}

fn local_path(scheme: &str, rest: &str) -> Result<PathBuf, (String, Option<String>)> {
    // `file:///data` has an empty host; `file://data` would have the host `data`.
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(path) => {
            let reason = format!("`{scheme}://{path}` names a host, not a folder");
            return Err((reason, Some(format!("write `{scheme}:{path}`"))));
        }
        None => rest,
    };
    if path.is_empty() {
        return Err((
            format!("`{scheme}:` needs a path, as in `{scheme}:data/store`"),
            None,
        ));
    }
    Ok(PathBuf::from(path))
}

fn object(scheme: &'static str, rest: &str) -> Result<StoreUrl, (String, Option<String>)> {
    let located = rest.strip_prefix("//").unwrap_or_default();
    let (bucket, prefix) = located.split_once('/').unwrap_or((located, ""));
    if bucket.is_empty() {
        let reason = format!("`{scheme}:{rest}` names no bucket");
        return Err((reason, Some(format!("write `{scheme}://BUCKET/PREFIX`"))));
    }
    let prefix = prefix.trim_matches('/').to_owned();
    Ok(StoreUrl::Object {
        scheme,
        bucket: bucket.to_owned(),
        prefix,
    })
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(path) => write!(f, "sled:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Memory => f.write_str("memory:"),
            Self::Object {
                scheme,
                bucket,
                prefix,
            } if prefix.is_empty() => {
                write!(f, "{scheme}://{bucket}")
            }
            Self::Object {
                scheme,
                bucket,
                prefix,
            } => write!(f, "{scheme}://{bucket}/{prefix}"),
        }
    }
}

impl FromNode for StoreUrl {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let url = text(node, "a location such as \"sled:data/checkpoint\"")?;
        Self::parse(url).map_err(|(reason, help)| Flaw {
            at: node.at.clone(),
            kind: FlawKind::Invalid { reason, help },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wal_lies_beside_the_checkpoint() {
        for (checkpoint, wal) in [
            (
                "sled:data/wordcount/checkpoint",
                Some("file:data/wordcount/wal"),
            ),
            ("file:checkpoint", Some("file:wal")),
            ("file:///srv/cp", Some("file:/srv/wal")),
            ("sled:/", None),
            ("sled:..", None),
            ("memory:", Some("memory:")),
            ("s3://bucket/app/cp/", Some("s3://bucket/app/wal")),
            ("s3://bucket/cp", Some("s3://bucket/wal")),
            ("s3://bucket", None),
        ] {
            let url = StoreUrl::parse(checkpoint).unwrap();
            assert_eq!(
                url.wal_beside().map(|url| url.to_string()).as_deref(),
                wal,
                "{checkpoint}"
            );
        }
    }

    #[test]
    fn knows_what_is_the_same_place() {
        for (one, other, same) in [
            ("sled:data/cp", "file:data/cp", true),
            ("file:data/cp", "file:data/wal", false),
            ("s3://bucket/app", "s3://bucket/app/", true),
            ("s3://bucket/app", "gs://bucket/app", false),
            ("memory:", "memory:", false),
            ("s3://bucket/app", "file:app", false),
        ] {
            let [one, other] = [one, other].map(|url| StoreUrl::parse(url).unwrap());
            assert_eq!(one.is_same_place(&other), same, "{one} {other}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (url, reason, help) in [
            ("data/cp", "has no scheme", "`file:data/cp`"),
            ("slad:x", "`slad` is no scheme", "did you mean `sled`?"),
            ("file://data/cp", "names a host", "write `file:data/cp`"),
            ("sled:", "needs a path", ""),
            ("memory:x", "takes no path", ""),
            ("s3:/bucket", "names no bucket", "s3://BUCKET/PREFIX"),
            ("", "has no scheme", ""),
        ] {
            let (why, hint) = StoreUrl::parse(url).unwrap_err();
            assert!(why.contains(reason), "{url}: {why}");
            assert!(hint.unwrap_or_default().contains(help), "{url}");
        }
    }
}
