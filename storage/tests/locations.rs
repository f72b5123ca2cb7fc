//! What locations are told apart, and what opening one finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;

use bytes::Bytes;
use tidemill_storage::{Location, LocationError, open_objects};

#[test]
fn a_named_memory_is_found_again_and_a_nameless_one_is_fresh() {
    let open = |text: &str| open_objects(&text.parse().unwrap()).unwrap();
    open("memory:found-again")
        .put("a", Bytes::from_static(b"1"))
        .unwrap();
    assert!(open("memory:found-again").get("a").unwrap().is_some());
    assert!(open("memory:another").get("a").unwrap().is_none());
    open("memory:").put("a", Bytes::from_static(b"1")).unwrap();
    assert!(open("memory:").get("a").unwrap().is_none());
}

#[test]
fn locations_parse_and_print() {
    let parse = |text: &str| text.parse::<Location>();
    assert_eq!(
        parse("file:data/x").unwrap(),
        Location::File(PathBuf::from("data/x"))
    );
    assert_eq!(
        parse("file:///data/x").unwrap(),
        Location::File(PathBuf::from("/data/x"))
    );
    assert_eq!(parse("sled:data/x").unwrap().to_string(), "sled:data/x");
    assert!(parse("sled:x").unwrap().is_local());
    assert!(!parse("memory:x").unwrap().is_local());
    assert_eq!(parse("memory://x").unwrap(), Location::Memory("x".into()));
    for bad in ["file:", "file://host/x", "s3:bucket", "gs://"] {
        assert!(
            matches!(parse(bad), Err(LocationError::Malformed { .. })),
            "{bad}"
        );
    }
    for bad in ["data/x", "", "ftp://x", "C:\\x"] {
        assert!(
            matches!(parse(bad), Err(LocationError::UnknownScheme { .. })),
            "{bad}"
        );
    }
    assert!(
        parse("hdfs://name/x")
            .unwrap_err()
            .to_string()
            .contains("isn't supported")
    );
    open_objects(&parse("sled:x").unwrap()).unwrap_err();
}

#[cfg(not(feature = "s3"))]
#[test]
fn a_store_that_is_not_built_in_names_its_feature() {
    let error = "s3://bucket/prefix".parse::<Location>().unwrap_err();
    assert!(
        error.to_string().contains("build with `--features s3`"),
        "{error}"
    );
}

#[cfg(feature = "s3")]
#[test]
fn a_bucket_parses_and_prints() {
    let location: Location = "s3://bucket/a/b/".parse().unwrap();
    assert_eq!(location.to_string(), "s3://bucket/a/b");
}
