//! [`Location`]: where a user says that something lives, and [`open_objects`], which opens it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::disk_objects::DiskObjects;
use crate::error::{Error, ErrorKind, Result};
use crate::local::LocalDisk;
use crate::objects::Objects;
use crate::remote_objects::RemoteObjects;

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

impl Location {
    /// Whether it is on this machine's disk, where a file lock tells who owns it.
    pub fn is_local(&self) -> bool {
        self.local_path().is_some()
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

/// The named stores in memory of this process.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<dyn Objects>>>> = LazyLock::new(Mutex::default);

/// Opens a location as an object store. Nothing is created before the first write, and a remote store
/// isn't asked before the first request.
pub fn open_objects(location: &Location) -> Result<Arc<dyn Objects>> {
    match location {
        Location::File(path) => Ok(Arc::new(DiskObjects::new(Arc::new(LocalDisk), path))),
        Location::Memory(name) if name.is_empty() => Ok(Arc::new(RemoteObjects::in_memory()?)),
        Location::Memory(name) => {
            let mut named = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(objects) = named.get(name) {
                return Ok(Arc::clone(objects));
            }
            let objects: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory()?);
            named.insert(name.clone(), Arc::clone(&objects));
            Ok(objects)
        }
        #[cfg(feature = "s3")]
        Location::S3(bucket) => open_bucket(location, bucket, |name| {
            object_store::aws::AmazonS3Builder::from_env()
                .with_bucket_name(name)
                .build()
        }),
        #[cfg(feature = "gcs")]
        Location::Gcs(bucket) => open_bucket(location, bucket, |name| {
            object_store::gcp::GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(name)
                .build()
        }),
        #[cfg(feature = "azure")]
        Location::Azure(bucket) => open_bucket(location, bucket, |name| {
            object_store::azure::MicrosoftAzureBuilder::from_env()
                .with_container_name(name)
                .build()
        }),
        _ => {
            let reason = "it can't be opened as an object store";
            Err(Error::new(
                "open",
                location.to_string(),
                ErrorKind::Unsupported,
                reason,
            ))
        }
    }
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn open_bucket<S: object_store::ObjectStore>(
    location: &Location,
    bucket: &Bucket,
    build: impl FnOnce(&str) -> object_store::Result<S>,
) -> Result<Arc<dyn Objects>> {
    match build(&bucket.name) {
        Ok(store) => Ok(Arc::new(RemoteObjects::new(
            Arc::new(store),
            &bucket.prefix,
        )?)),
        Err(error) => Err(Error::new(
            "open",
            location.to_string(),
            ErrorKind::Io,
            error,
        )),
    }
}
