//! Text files in servers that speak the stores' own protocols.

use std::sync::Arc;

use tidemill::rdd::BoxError;
use tidemill::sink::conformance::{Harness, Rule};
use tidemill::sink::{BatchIdentity, Sink, TextFiles};
use tidemill_storage::{Objects, RemoteOptions, RetryPolicy, open_objects_with};

use super::object_servers::{Protocol, bucket};
use super::requests::read_folder;
use super::{conforms, lines, unusual_lines};

struct Bucket(Arc<dyn Objects>);

impl Harness for Bucket {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        let objects = Arc::clone(&self.0);
        Ok(Box::new(TextFiles::on_objects("path/out", None, objects)))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let folder = format!("path/out-{}", batch.time.as_millis());
        let parts = read_folder(&*self.0, &folder)?;
        Ok(parts.map(|parts| lines(&parts.concat())))
    }

    fn unusual(&self) -> Vec<String> {
        unusual_lines()
    }
}

fn text_files_in(protocol: Protocol) {
    let bucket = bucket(protocol);
    let options = RemoteOptions {
        retry: RetryPolicy::default(),
        variables: bucket.variables.clone(),
    };
    let location = format!("{}/root", bucket.url).parse().unwrap();
    let objects = open_objects_with(&location, &options).unwrap();
    // Requests are cut short in a store in memory, where that costs less.
    conforms(&Bucket(Arc::clone(&objects)), &[Rule::Interrupted]);
    let names = objects.list("").unwrap();
    let hidden = names.iter().filter(|(name, _)| name.contains("/."));
    assert_eq!(hidden.count(), 0, "{names:?}");
}

#[test]
fn text_files_in_s3() {
    text_files_in(Protocol::S3);
}

#[test]
fn text_files_in_gcs() {
    text_files_in(Protocol::Gcs);
}

#[test]
fn text_files_in_azure() {
    text_files_in(Protocol::Azure);
}
