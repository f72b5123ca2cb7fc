//! [`Gcs`]: a small store that speaks as much of Google Cloud Storage's XML API as `object_store` uses.
//!
//! It exists because no emulator that can be installed from a package registry honours
//! `x-goog-if-generation-match` of the XML API: gcp-storage-emulator 2026.7.19 knows no preconditions,
//! and fake-gcs-server answers `PUT /BUCKET/OBJECT` with 400 unless the URL is signed. Statuses,
//! headers and error codes follow Google's reference of the XML API.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Mutex;

use super::http::{Request, answer, error_answer};

/// As many names as the real one puts into a page.
const PAGE: usize = 1000;
const LAST_MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

#[derive(Default)]
pub struct Gcs {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    generation: u64,
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
}

struct Object {
    bytes: Vec<u8>,
    generation: u64,
}

impl Object {
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("etag", format!("\"{:016x}\"", self.generation)),
            ("x-goog-generation", self.generation.to_string()),
            ("last-modified", LAST_MODIFIED.into()),
            ("content-type", "application/octet-stream".into()),
        ]
    }
}

impl Gcs {
    pub fn create_bucket(&self, name: &str) {
        self.state
            .lock()
            .unwrap()
            .buckets
            .entry(name.into())
            .or_default();
    }

    /// Carries a request out, in one step.
    pub fn answer(&self, request: &Request) -> Vec<u8> {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let path = decoded(path.trim_start_matches('/'));
        let (bucket, name) = path.split_once('/').unwrap_or((&path, ""));
        let mut state = self.state.lock().unwrap();
        state.generation += 1;
        let generation = state.generation;
        let Some(objects) = state.buckets.get_mut(bucket) else {
            return error_answer(404, "NoSuchBucket");
        };
        match (request.method.as_str(), name) {
            ("GET", "") => list(objects, query),
            ("PUT", name) => put(objects, name, request, generation),
            ("GET" | "HEAD", name) => match objects.get(name) {
                Some(object) => get(object, request),
                None => error_answer(404, "NoSuchKey"),
            },
            ("DELETE", name) => match objects.remove(name) {
                Some(_) => answer(204, &[], &[]),
                None => error_answer(404, "NoSuchKey"),
            },
            _ => error_answer(405, "MethodNotAllowed"),
        }
    }
}

fn put(
    objects: &mut BTreeMap<String, Object>,
    name: &str,
    request: &Request,
    generation: u64,
) -> Vec<u8> {
    let entry = objects.entry(name.to_owned());
    if let Some(expected) = request.header("x-goog-if-generation-match") {
        let found = match &entry {
            Entry::Occupied(object) => object.get().generation,
            Entry::Vacant(_) => 0,
        };
        if expected != found.to_string() {
            return error_answer(412, "PreconditionFailed");
        }
    }
    let object = Object {
        bytes: request.body.clone(),
        generation,
    };
    let done = answer(200, &object.headers(), &[]);
    entry.insert_entry(object);
    done
}

fn get(object: &Object, request: &Request) -> Vec<u8> {
    let size = object.bytes.len();
    let mut headers = object.headers();
    if request.method == "HEAD" {
        headers.push(("content-length", size.to_string()));
        return answer(200, &headers, &[]);
    }
    let range = request.header("range").and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        let end = if end.is_empty() {
            usize::MAX
        } else {
            end.parse().ok()?
        };
        Some((start.parse::<usize>().ok()?, end))
    });
    let Some((start, last)) = range else {
        return answer(200, &headers, &object.bytes);
    };
    if start >= size {
        return error_answer(416, "InvalidRange");
    }
    let last = last.min(size - 1);
    headers.push(("content-range", format!("bytes {start}-{last}/{size}")));
    answer(206, &headers, &object.bytes[start..=last])
}

fn list(objects: &BTreeMap<String, Object>, query: &str) -> Vec<u8> {
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| decoded(&value.replace('+', " ")))
            .next()
    };
    let prefix = parameter("prefix").unwrap_or_default();
    let after = parameter("continuation-token").or_else(|| parameter("start-after"));
    let from = match &after {
        Some(name) => Bound::Excluded(name.as_str()),
        None => Bound::Included(prefix.as_str()),
    };
    // With a delimiter a folder's names count as one, which is that of its first.
    let folder_of = |name: &str| {
        let delimiter = parameter("delimiter")?;
        let (folder, _) = name.get(prefix.len()..)?.split_once(delimiter.as_str())?;
        Some(format!("{prefix}{folder}{delimiter}"))
    };
    let mut folders = BTreeSet::new();
    let mut matching = objects
        .range::<str, _>((from, Bound::Unbounded))
        .filter(|(name, _)| name.starts_with(&prefix))
        .filter(|(name, _)| folder_of(name).is_none_or(|folder| folders.insert(folder)));
    let page: Vec<_> = matching.by_ref().take(PAGE).collect();
    let mut xml = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (name, object) in &page {
        if let Some(folder) = folder_of(name) {
            let folder = escaped(&folder);
            xml.push_str(&format!(
                "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            ));
            continue;
        }
        let (name, size, tag) = (escaped(name), object.bytes.len(), object.generation);
        xml.push_str(&format!(
            "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>\"{tag:016x}\"</ETag>\
            <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        ));
    }
    if let (Some(_), Some((last, _))) = (matching.next(), page.last()) {
        let last = escaped(last);
        xml.push_str(&format!(
            "<NextContinuationToken>{last}</NextContinuationToken>"
        ));
    }
    xml.push_str("</ListBucketResult>");
    answer(
        200,
        &[("content-type", "application/xml".into())],
        xml.as_bytes(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `%20` is a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = behind
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
