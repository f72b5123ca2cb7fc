//! [`open_objects`]: from a [`Location`] to the store that it names.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{RemoteObjects, RetryPolicy};
use crate::disk_objects::DiskObjects;
use crate::error::{Error, ErrorKind, Result};
use crate::local::LocalDisk;
use crate::objects::Objects;
use crate::url::Location;

/// How a store in the network is opened.
#[derive(Debug, Clone, Default)]
pub struct RemoteOptions {
    /// How requests are tried again.
    pub retry: RetryPolicy,
    /// Variables as they could stand in the environment (`AWS_ENDPOINT`), which they precede.
    pub variables: Vec<(String, String)>,
}

/// The named stores in memory of this process.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<dyn Objects>>>> = LazyLock::new(Mutex::default);

/// Opens a location as an object store, with what the environment says about it: `AWS_*`, `GOOGLE_*` or
/// `AZURE_*`. Nothing is created before the first write, and a remote store isn't asked before the first
/// request.
///
/// ```
/// use tidemill_storage::{PutOutcome, open_objects};
///
/// let objects = open_objects(&"memory:".parse()?)?;
/// assert_eq!(objects.put_new("claims/1", "mine".into())?, PutOutcome::Written);
/// assert_eq!(objects.put_new("claims/1", "yours".into())?, PutOutcome::Conflict);
/// assert_eq!(objects.get("claims/1")?, Some("mine".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open_objects(location: &Location) -> Result<Arc<dyn Objects>> {
    open_objects_with(location, &RemoteOptions::default())
}

/// As [`open_objects`], with options that only a store in the network heeds.
pub fn open_objects_with(location: &Location, options: &RemoteOptions) -> Result<Arc<dyn Objects>> {
    #[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure")))]
    let _ = options;
    match location {
        Location::File(path) => Ok(Arc::new(DiskObjects::new(Arc::new(LocalDisk), path))),
        Location::Memory(name) if name.is_empty() => Ok(Arc::new(RemoteObjects::in_memory()?)),
        Location::Memory(name) => {
            let mut named = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(objects) = named.get(name) {
                return Ok(Arc::clone(objects));
            }
            let objects: Arc<dyn Objects> = Arc::new(RemoteObjects::named_in_memory(name)?);
            named.insert(name.clone(), Arc::clone(&objects));
            Ok(objects)
        }
        #[cfg(feature = "s3")]
        Location::S3(bucket) => {
            let store = buckets::s3(&bucket.name, &options.variables);
            buckets::open(location, bucket, store, options)
        }
        #[cfg(feature = "gcs")]
        Location::Gcs(bucket) => {
            let store = buckets::gcs(&bucket.name, &options.variables);
            buckets::open(location, bucket, store, options)
        }
        #[cfg(feature = "azure")]
        Location::Azure(bucket) => {
            let store = buckets::azure(&bucket.name, &options.variables);
            buckets::open(location, bucket, store, options)
        }
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
mod buckets {
    use object_store::{ObjectStore, RetryConfig};

    use super::*;
    use crate::url::Bucket;

    /// The crate's own limit for a whole request, body included, when nobody set one: attempts that make
    /// no progress are ended by us.
    const LONGEST_REQUEST: &str = "1 hour";

    type Built = object_store::Result<Arc<dyn ObjectStore>>;

    pub(super) fn open(
        location: &Location,
        bucket: &Bucket,
        built: Built,
        options: &RemoteOptions,
    ) -> Result<Arc<dyn Objects>> {
        let url = location.to_string();
        match built {
            Ok(store) => {
                let policy = options.retry.clone();
                let objects = RemoteObjects::new(store, &bucket.prefix, url, policy)?;
                Ok(Arc::new(objects))
            }
            Err(error) => Err(Error::new("open", url, ErrorKind::Refused, error)),
        }
    }

    /// All attempts are ours: the crate repeats neither conditional writes that timed out nor what it
    /// sorts as refused, and tells nobody about those that it does repeat.
    fn no_retries() -> RetryConfig {
        RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        }
    }

    /// The variables that set something, with what they set; the crate's own limit for a request first.
    fn settings<K: std::str::FromStr>(variables: &[(String, String)]) -> Vec<(K, String)> {
        let limit = [("timeout".to_owned(), LONGEST_REQUEST.to_owned())];
        let key = |(name, value): &(String, String)| {
            let key = name.to_ascii_lowercase().parse().ok()?;
            Some((key, value.clone()))
        };
        limit.iter().chain(variables).filter_map(key).collect()
    }

    /// The environment's variables with this prefix, behind them those given.
    fn variables(prefix: &str, given: &[(String, String)]) -> Vec<(String, String)> {
        let from_environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        from_environment
            .filter(|(name, _)| name.starts_with(prefix))
            .chain(given.iter().cloned())
            .collect()
    }

    #[cfg(feature = "s3")]
    pub(super) fn s3(bucket: &str, given: &[(String, String)]) -> Built {
        use object_store::aws::AmazonS3Builder;
        let mut builder = AmazonS3Builder::from_env()
            // One object at a time is deleted, and every store that speaks S3 can do that.
            .with_disable_bulk_delete(true);
        for (key, value) in settings(&variables("AWS_", given)) {
            builder = builder.with_config(key, value);
        }
        let builder = builder.with_bucket_name(bucket).with_retry(no_retries());
        Ok(Arc::new(builder.build()?))
    }

    #[cfg(feature = "gcs")]
    pub(super) fn gcs(bucket: &str, given: &[(String, String)]) -> Built {
        use object_store::gcp::GoogleCloudStorageBuilder;
        let mut builder = GoogleCloudStorageBuilder::from_env();
        for (key, value) in settings(&variables("GOOGLE_", given)) {
            builder = builder.with_config(key, value);
        }
        let builder = builder.with_bucket_name(bucket).with_retry(no_retries());
        Ok(Arc::new(builder.build()?))
    }

    #[cfg(feature = "azure")]
    pub(super) fn azure(container: &str, given: &[(String, String)]) -> Built {
        use object_store::azure::MicrosoftAzureBuilder;
        let mut builder = MicrosoftAzureBuilder::from_env();
        for (key, value) in settings(&variables("AZURE_", given)) {
            builder = builder.with_config(key, value);
        }
        let builder = builder
            .with_container_name(container)
            .with_retry(no_retries());
        Ok(Arc::new(builder.build()?))
    }
}
