//! [`Location`]: where a user says that something lives.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A place for durable things, as written in configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Location {
    /// `file:PATH`: a folder of the local disk.
    File(PathBuf),
    /// `sled:PATH`: a folder of the local disk that holds a sled database.
    Sled(PathBuf),
    /// `memory:` (a fresh one for each opening) or `memory:NAME` (one for the whole process, found
    /// again by its name).
    Memory(String),
    /// `s3://BUCKET/PREFIX`, credentials and region from the environment (`AWS_*`).
    S3(Bucket),
    /// `gs://BUCKET/PREFIX`, credentials from the environment (`GOOGLE_*`).
    Gcs(Bucket),
    /// `az://CONTAINER/PREFIX`, account and credentials from the environment (`AZURE_*`).
    Azure(Bucket),
}

/// A part of an object store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The bucket's or container's name.
    pub name: String,
    /// The root within it; empty or without slashes at its ends.
    pub prefix: String,
}

/// Why a text is no usable location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// It has no scheme, or one that means nothing.
    #[error(
        "`{text}` is no location: write file:PATH, sled:PATH, memory:[NAME], s3://BUCKET/PREFIX, \
        gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
    )]
    UnknownScheme {
        /// What was given.
        text: String,
    },
    /// What follows the scheme can't be used.
    #[error("location `{text}`: {reason}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This program was built without the store.
    #[error(
        "location `{text}` needs the feature `{feature}`, which this build doesn't have: build \
        with `--features {feature}`, or use file:PATH"
    )]
    NotBuiltIn {
        /// What was given.
        text: String,
        /// The cargo feature to enable.
        feature: &'static str,
    },
    /// No build can do it.
    #[error(
        "location `{text}`: {scheme}:// isn't supported; use file:PATH (on a mount), s3://, gs:// \
        or az://"
    )]
    NotSupported {
        /// What was given.
        text: String,
        /// Its scheme.
        scheme: &'static str,
    },
}

/// Schemes without `//` behind them; any other word before a colon is part of a path.
const SCHEMES: [&str; 7] = ["file", "memory", "s3", "gs", "az", "sled", "hdfs"];

impl Location {
    /// Reads a location, or a plain path, which stands for `file:PATH`.
    ///
    /// # Errors
    /// When it has a scheme and is no usable location.
    ///
    /// ```
    /// use tidemill_storage::Location;
    ///
    /// assert_eq!(Location::of_path("data/wal")?, "file:data/wal".parse()?);
    /// assert_eq!(Location::of_path("s3://bucket/wal")?.to_string(), "s3://bucket/wal");
    /// assert!(Location::of_path("s3:").is_err());
    /// # Ok::<(), tidemill_storage::LocationError>(())
    /// ```
    pub fn of_path(text: &str) -> Result<Self, LocationError> {
        match text.split_once(':') {
            Some((scheme, rest)) if SCHEMES.contains(&scheme) || rest.starts_with("//") => {
                text.parse()
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// Where the last part of its prefix is a name, and that name; `None` on a disk and for a whole bucket.
    pub fn split_name(&self) -> Option<(Self, String)> {
        let split = |bucket: &Bucket| {
            let (parent, name) = match bucket.prefix.rsplit_once('/') {
                Some((parent, name)) => (parent, name),
                None => ("", bucket.prefix.as_str()),
            };
            let parent = Bucket {
                name: bucket.name.clone(),
                prefix: parent.to_owned(),
            };
            (!name.is_empty()).then(|| (parent, name.to_owned()))
        };
        match self {
            Self::File(_) | Self::Sled(_) => None,
            Self::Memory(place) => {
                let (parent, name) = place.rsplit_once('/')?;
                Some((Self::Memory(parent.to_owned()), name.to_owned()))
            }
            Self::S3(bucket) => split(bucket).map(|(parent, name)| (Self::S3(parent), name)),
            Self::Gcs(bucket) => split(bucket).map(|(parent, name)| (Self::Gcs(parent), name)),
            Self::Azure(bucket) => split(bucket).map(|(parent, name)| (Self::Azure(parent), name)),
        }
    }

    /// Whether it is on this machine's disk, where a file lock tells who owns it.
    pub fn is_local(&self) -> bool {
        self.local_path().is_some()
    }

    /// The place of this name beside this one, as plain files or objects; `None` when nothing can lie
    /// beside it.
    pub fn beside(&self, name: &str) -> Option<Self> {
        let beside = |bucket: &Bucket| {
            let prefix = match bucket.prefix.rsplit_once('/') {
                Some((parent, _)) => format!("{parent}/{name}"),
                None if bucket.prefix.is_empty() => return None,
                None => name.to_owned(),
            };
            Some(Bucket {
                name: bucket.name.clone(),
                prefix,
            })
        };
        match self {
            Self::File(path) | Self::Sled(path) => {
                path.file_name()?;
                Some(Self::File(path.with_file_name(name)))
            }
            Self::Memory(place) if place.is_empty() => Some(Self::Memory(String::new())),
            Self::Memory(place) => Some(Self::Memory(format!("{place}/{name}"))),
            Self::S3(bucket) => beside(bucket).map(Self::S3),
            Self::Gcs(bucket) => beside(bucket).map(Self::Gcs),
            Self::Azure(bucket) => beside(bucket).map(Self::Azure),
        }
    }

    /// The folder of a location on this machine's disk.
    pub fn local_path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Sled(path) => Some(path),
            _ => None,
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let malformed = |reason| LocationError::Malformed {
            text: text.to_owned(),
            reason,
        };
        let path = |rest: &str| match rest.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => Ok(PathBuf::from(absolute)),
            Some(_) => Err(malformed(
                "it names a host; write file:PATH or file:///PATH",
            )),
            None if rest.is_empty() => Err(malformed("the path is missing")),
            None => Ok(PathBuf::from(rest)),
        };
        let bucket = |rest: &str, built_in: bool, feature: &'static str| {
            let Some(rest) = rest.strip_prefix("//") else {
                return Err(malformed("write `//` and the bucket behind the scheme"));
            };
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if name.is_empty() {
                return Err(malformed("the bucket's name is missing"));
            }
            if !built_in {
                return Err(LocationError::NotBuiltIn {
                    text: text.to_owned(),
                    feature,
                });
            }
            Ok(Bucket {
                name: name.to_owned(),
                prefix: prefix.trim_matches('/').to_owned(),
            })
        };
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            "file" => path(rest).map(Self::File),
            "sled" => path(rest).map(Self::Sled),
            "memory" => Ok(Self::Memory(rest.trim_start_matches('/').to_owned())),
            "s3" => bucket(rest, cfg!(feature = "s3"), "s3").map(Self::S3),
            "gs" => bucket(rest, cfg!(feature = "gcs"), "gcs").map(Self::Gcs),
            "az" => bucket(rest, cfg!(feature = "azure"), "azure").map(Self::Azure),
            "hdfs" => Err(LocationError::NotSupported {
                text: text.to_owned(),
                scheme: "hdfs",
            }),
            _ => Err(LocationError::UnknownScheme {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, bucket) = match self {
            Self::File(path) => return write!(f, "file:{}", path.display()),
            Self::Sled(path) => return write!(f, "sled:{}", path.display()),
            Self::Memory(name) => return write!(f, "memory:{name}"),
            Self::S3(bucket) => ("s3", bucket),
            Self::Gcs(bucket) => ("gs", bucket),
            Self::Azure(bucket) => ("az", bucket),
        };
        let separator = if bucket.prefix.is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{}{separator}{}", bucket.name, bucket.prefix)
    }
}
