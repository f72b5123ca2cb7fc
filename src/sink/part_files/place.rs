//! [`Place`]: what the prefix of text files names.

use std::path::PathBuf;

use tidemill_storage::Location;

use crate::rdd::BoxError;

/// Where the folders are, and how their names begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the local disk: a path whose last component begins the names.
    Disk(String),
    /// In an object store.
    Objects { root: Location, stem: String },
}

impl Place {
    /// Reads a prefix.
    pub(crate) fn parse(prefix: &str) -> Result<Self, BoxError> {
        let refuse = |reason: &str| -> BoxError { format!("prefix `{prefix}`: {reason}").into() };
        if prefix.is_empty() || prefix.ends_with('/') {
            return Err(refuse(
                "it must end in a name, which the batch's time is added to",
            ));
        }
        match Location::of_path(prefix).map_err(|error| refuse_location(&error))? {
            Location::File(path) => Ok(Self::Disk(text(path)?)),
            Location::Sled(_) => Err(refuse(
                "a database can't hold text files: write file:PATH or a plain path",
            )),
            place => match place.split_name() {
                Some((root, stem)) => Ok(Self::Objects { root, stem }),
                None => Err(refuse(
                    "it needs a name behind the store's, as in s3://BUCKET/PATH/NAME",
                )),
            },
        }
    }
}

fn refuse_location(error: &tidemill_storage::LocationError) -> BoxError {
    error.to_string().into()
}

fn text(path: PathBuf) -> Result<String, BoxError> {
    path.into_os_string()
        .into_string()
        .map_err(|path| format!("{} isn't UTF-8", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_stay_what_they_are() {
        for (prefix, path) in [
            ("counts", "counts"),
            ("data/out/counts", "data/out/counts"),
            ("/data/a:b/counts", "/data/a:b/counts"),
            ("run:7", "run:7"),
            ("file:data/counts", "data/counts"),
            ("file:///data/counts", "/data/counts"),
        ] {
            assert_eq!(
                Place::parse(prefix).unwrap(),
                Place::Disk(path.to_owned()),
                "{prefix}"
            );
        }
    }

    #[test]
    fn the_last_component_begins_the_names() {
        for (prefix, root, stem) in [
            ("memory:a/counts", "memory:a", "counts"),
            ("memory:a/b/counts", "memory:a/b", "counts"),
            #[cfg(feature = "s3")]
            ("s3://bucket/counts", "s3://bucket", "counts"),
            #[cfg(feature = "s3")]
            ("s3://bucket/a/b/counts", "s3://bucket/a/b", "counts"),
        ] {
            let place = Place::parse(prefix).unwrap();
            let Place::Objects {
                root: found,
                stem: name,
            } = place
            else {
                panic!("{prefix}: {place:?}");
            };
            assert_eq!(
                (found.to_string().as_str(), name.as_str()),
                (root, stem),
                "{prefix}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (prefix, reason) in [
            ("", "must end in a name"),
            ("data/out/", "must end in a name"),
            ("s3://bucket/path/", "must end in a name"),
            ("sled:data/counts", "a database can't hold text files"),
            ("memory:counts", "needs a name behind the store's"),
            ("file://host/counts", "names a host"),
            ("s4://bucket/counts", "is no location"),
            ("hdfs://host/counts", "isn't supported"),
            #[cfg(feature = "s3")]
            ("s3://bucket", "needs a name behind the store's"),
            #[cfg(feature = "s3")]
            ("s3:bucket/counts", "`//`"),
        ] {
            let error = Place::parse(prefix).unwrap_err().to_string();
            assert!(error.contains(reason), "{prefix}: {error}");
        }
    }
}
