//! Buckets in real servers, and what opening one for a test takes.

use std::sync::Arc;
use std::time::Duration;

use tidemill_storage::{Objects, RemoteOptions, RetryPolicy, open_objects_with};

use crate::contract;
use crate::object_servers::{Bucket, Protocol, bucket};

/// Waits little, but gives up late: machines that run tests are slow.
pub fn policy() -> RetryPolicy {
    RetryPolicy {
        attempt: Duration::from_secs(30),
        give_up_after: Duration::from_secs(120),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        seed: 1,
    }
}

pub fn open_with(bucket: &Bucket, url: &str, retry: RetryPolicy) -> Arc<dyn Objects> {
    let options = RemoteOptions {
        retry,
        variables: bucket.variables.clone(),
    };
    open_objects_with(&url.parse().unwrap(), &options).unwrap()
}

pub fn open(bucket: &Bucket) -> Arc<dyn Objects> {
    open_with(bucket, &format!("{}/root/of-all", bucket.url), policy())
}

fn conforms(protocol: Protocol) {
    let bucket = bucket(protocol);
    contract::holds(open(&bucket), 1100);
    // A neighbour whose name begins alike isn't seen.
    let neighbour = open_with(&bucket, &format!("{}/root/of", bucket.url), policy());
    assert!(neighbour.list("").unwrap().is_empty());
    let whole = open_with(&bucket, &bucket.url, policy());
    let all = whole.list("").unwrap();
    assert!(all.len() > 1100);
    assert!(all.iter().all(|(name, _)| name.starts_with("root/of-all/")));
}

#[test]
fn s3_conforms() {
    conforms(Protocol::S3);
}

#[test]
fn gcs_conforms() {
    conforms(Protocol::Gcs);
}

#[test]
fn azure_conforms() {
    conforms(Protocol::Azure);
}
