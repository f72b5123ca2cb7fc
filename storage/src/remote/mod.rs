//! [`RemoteObjects`]: any store of the `object_store` crate behind the blocking [`Objects`] trait.
//!
//! Requests run on a thread of their own with a small tokio runtime; the caller waits for the answer
//! on a plain channel. So every call may be made from any thread, a tokio worker included (which it
//! then blocks, as [`Objects`] says). A store that fails for a while is asked again, for as long as
//! [`RetryPolicy`] says; what it refuses for good is an error at once, with what to do about it. Nothing
//! outside this folder knows which version of `object_store` our bytes go through.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::{Error, ErrorKind, Result};
use crate::objects::{ObjectEntry, Objects, PutOutcome, Version, check_name, keep_entries};

mod client;
mod failure;
mod open;
mod policy;
mod thread;
mod tries;
mod trouble;

use client::{Client, Condition, Target};
pub use open::{RemoteOptions, open_objects, open_objects_with};
pub use policy::RetryPolicy;
use thread::RequestThread;

/// Objects below a prefix of an object store.
pub struct RemoteObjects {
    client: Arc<Client>,
    /// Where in the store the root is; empty or without a trailing `/`.
    prefix: String,
    /// The root for people: `s3://bucket/prefix`.
    url: String,
    thread: RequestThread,
}

impl fmt::Debug for RemoteObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteObjects")
            .field(&format_args!("{} in {}", self.url, self.client.store()))
            .finish()
    }
}

impl RemoteObjects {
    /// The objects of `store` below `prefix` (empty for all), which people know as `url`.
    fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        url: String,
        policy: RetryPolicy,
    ) -> Result<Self> {
        Ok(Self {
            thread: RequestThread::start(&url)?,
            client: Arc::new(Client::new(store, url.clone(), policy)),
            prefix: prefix.trim_matches('/').to_owned(),
            url,
        })
    }

    /// A store in memory, empty, gone when the value is dropped.
    pub fn in_memory() -> Result<Self> {
        Self::named_in_memory("")
    }

    fn named_in_memory(name: &str) -> Result<Self> {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self::new(store, "", format!("memory:{name}"), RetryPolicy::default())
    }

    /// The name for people.
    fn name(&self, name: &str) -> String {
        let separator = if self.url.ends_with([':', '/']) {
            ""
        } else {
            "/"
        };
        format!("{}{separator}{name}", self.url)
    }

    fn locate(&self, operation: &'static str, name: &str) -> Result<Target> {
        check_name(operation, name)?;
        self.locate_any(operation, name)
    }

    /// As [`RemoteObjects::locate`], of any name that the store can have.
    fn locate_any(&self, operation: &'static str, name: &str) -> Result<Target> {
        let full = match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (root, "") => root.to_owned(),
            (root, name) => format!("{root}/{name}"),
        };
        let url = self.name(name);
        match ObjectPath::parse(&full) {
            Ok(path) => Ok(Target { path, url }),
            Err(error) => Err(Error::new(operation, url, ErrorKind::Unsupported, error)),
        }
    }

    /// What to list for what is in `folder`: nothing but the root of a whole bucket has no path.
    fn locate_folder(&self, folder: &str) -> Result<Option<ObjectPath>> {
        if !folder.is_empty() {
            return self.locate("list", folder).map(|target| Some(target.path));
        }
        let root = self.locate_any("list", "")?.path;
        Ok((!root.as_ref().is_empty()).then_some(root))
    }

    /// The name below the root of what was listed.
    fn relative(&self, path: &ObjectPath) -> Option<String> {
        let name = path.as_ref().strip_prefix(&self.prefix)?;
        Some(name.trim_start_matches('/').to_owned())
    }

    fn entry(&self, found: ObjectMeta) -> Option<ObjectEntry> {
        Some(ObjectEntry {
            name: self.relative(&found.location)?,
            len: found.size,
            tag: found.e_tag.as_deref().map(bare_tag),
            changed_ns: found.last_modified.timestamp_nanos_opt().unwrap_or(0),
        })
    }

    /// Runs a request on the runtime's thread and waits for its answer.
    fn run<T, F>(&self, request: impl FnOnce(Arc<Client>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.thread
            .run(request(Arc::clone(&self.client)))
            .ok_or_else(|| {
                let reason = "the thread that runs requests has ended";
                Error::new("ask", self.url.clone(), ErrorKind::Io, reason)
            })
    }
}

/// A tag as all answers of a store have it: Azure quotes it in some only.
fn bare_tag(tag: &str) -> String {
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    strong.trim_matches('"').to_owned()
}

impl Objects for RemoteObjects {
    fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let target = self.locate("put", name)?;
        self.run(|client| async move { client.put(target, bytes).await })?
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome> {
        let target = self.locate("put", name)?;
        self.run(|client| async move { client.put_if(target, bytes, Condition::New).await })?
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(self.get_versioned(name)?.map(|(bytes, _)| bytes))
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>> {
        let target = self.locate("get", name)?;
        let found =
            self.run(|client| async move { client.get_range(&target, offset, len).await })??;
        Ok(found.map(|(bytes, _)| bytes))
    }

    fn get_range_tagged(
        &self,
        name: &str,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Bytes, Option<String>)>> {
        let target = self.locate_any("get", name)?;
        let found =
            self.run(|client| async move { client.get_range(&target, offset, len).await })??;
        Ok(found.map(|(bytes, version)| (bytes, version.tag.as_deref().map(bare_tag))))
    }

    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let target = self.locate("get", name)?;
        self.run(|client| async move { client.get(&target).await })?
    }

    fn get_many(&self, names: &[String]) -> Vec<Result<Option<Bytes>>> {
        let targets = names.iter().map(|name| self.locate("get", name)).collect();
        match self.run(|client| async move { client.get_many(targets).await }) {
            Ok(found) => found,
            // Which tells of each that the thread has ended.
            Err(_) => names.iter().map(|name| self.get(name)).collect(),
        }
    }

    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome> {
        let target = self.locate("put", name)?;
        let still = Condition::Still(expected.clone());
        self.run(|client| async move { client.put_if(target, bytes, still).await })?
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let url = self.name(prefix);
        let folder = self.locate_folder(prefix)?;
        let found = self.run(|client| async move { client.list(folder, None, &url).await })??;
        let sized = |found: ObjectMeta| Some((self.relative(&found.location)?, found.size));
        let mut names: Vec<_> = found.into_iter().filter_map(sized).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn list_entries(
        &self,
        folder: &str,
        deep: bool,
        after: Option<&str>,
    ) -> Result<Vec<ObjectEntry>> {
        let url = self.name(folder);
        let within = self.locate_folder(folder)?;
        let behind = match after {
            Some(name) => Some(self.locate_any("list", name)?.path),
            None => None,
        };
        // A store lists from a name on, or folders as one name each, but not both.
        let found = self.run(|client| async move {
            if deep || behind.is_some() {
                client.list(within, behind, &url).await
            } else {
                client.list_flat(within, &url).await
            }
        })??;
        let mut entries = found
            .into_iter()
            .filter_map(|found| self.entry(found))
            .collect();
        keep_entries(&mut entries, folder, deep, after);
        Ok(entries)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let target = self.locate("delete", name)?;
        self.run(|client| async move { client.delete(target).await })?
    }
}
