//! [`RemoteObjects`]: any store of the `object_store` crate behind the blocking [`Objects`] trait.
//!
//! Requests run on a thread of their own with a small tokio runtime; the caller waits for the answer
//! on a plain channel. So every call may be made from any thread, a tokio worker included (which it
//! then blocks, as [`Objects`] says). Nothing outside this file knows which version of
//! `object_store` our bytes go through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, mpsc as answers};
use std::thread;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};
use crate::objects::{Objects, PutOutcome, Version, check_name};

type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Objects below a prefix of an object store.
pub struct RemoteObjects {
    store: Arc<dyn ObjectStore>,
    /// Where in the store the root is; empty or without a trailing `/`.
    prefix: String,
    requests: mpsc::UnboundedSender<Request>,
}

impl fmt::Debug for RemoteObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteObjects")
            .field(&format_args!("{}/{}", self.store, self.prefix))
            .finish()
    }
}

impl RemoteObjects {
    /// The objects of `store` below `prefix` (empty for all).
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let (requests, mut incoming) = mpsc::unbounded_channel::<Request>();
        let start = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            thread::Builder::new()
                .name("tidemill-objects".into())
                .spawn(move || {
                    runtime.block_on(async move {
                        // Ends when the last sender is dropped, with the `RemoteObjects` that holds it.
                        while let Some(request) = incoming.recv().await {
                            tokio::spawn(request);
                        }
                    });
                })
        };
        start().map_err(|error| {
            Error::new(
                "start a thread for",
                store.to_string(),
                ErrorKind::of(&error),
                error,
            )
        })?;
        Ok(Self {
            store,
            prefix: prefix.trim_matches('/').to_owned(),
            requests,
        })
    }

    /// A store in memory, empty, gone when the value is dropped.
    pub fn in_memory() -> Result<Self> {
        Self::new(Arc::new(object_store::memory::InMemory::new()), "")
    }

    fn locate(&self, operation: &'static str, name: &str) -> Result<ObjectPath> {
        check_name(operation, name)?;
        let full = if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        };
        ObjectPath::parse(&full)
            .map_err(|error| Error::new(operation, full, ErrorKind::Unsupported, error))
    }

    /// Runs a request on the runtime's thread and waits for its answer.
    fn wait<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, receive) = answers::sync_channel(1);
        let request = Box::pin(async move {
            let _ = answer.send(request.await);
        });
        let gone = || {
            let reason = "the thread that runs requests has ended";
            Error::new(operation, name, ErrorKind::Io, reason)
        };
        self.requests.send(request).map_err(|_| gone())?;
        match receive.recv() {
            Ok(result) => result.map_err(|error| Error::new(operation, name, kind(&error), error)),
            Err(_) => Err(gone()),
        }
    }
}

fn kind(error: &object_store::Error) -> ErrorKind {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => ErrorKind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => ErrorKind::AlreadyExists,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::Denied,
        E::NotSupported { .. } | E::NotImplemented { .. } | E::InvalidPath { .. } => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Io,
    }
}

impl Objects for RemoteObjects {
    fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), self.locate("put", name)?);
        self.wait(
            "put",
            name,
            async move { store.put(&path, bytes.into()).await },
        )?;
        Ok(())
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome> {
        let (store, path) = (Arc::clone(&self.store), self.locate("put", name)?);
        let payload = bytes.clone().into();
        let created = self.wait("put", name, async move {
            store
                .put_opts(&path, payload, PutOptions::from(PutMode::Create))
                .await
        });
        match created {
            Ok(_) => Ok(PutOutcome::Written),
            // Perhaps the answer to our own request, retried below us: the bytes tell.
            Err(error) if error.kind == ErrorKind::AlreadyExists => match self.get(name)? {
                Some(found) if found == bytes => Ok(PutOutcome::Written),
                _ => Ok(PutOutcome::Conflict),
            },
            Err(error) => Err(error),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let (store, path) = (Arc::clone(&self.store), self.locate("get", name)?);
        let got = self.wait(
            "get",
            name,
            async move { store.get(&path).await?.bytes().await },
        );
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>> {
        let (store, path) = (Arc::clone(&self.store), self.locate("get", name)?);
        let end = offset.saturating_add(len as u64);
        let got = self.wait("get", name, async move {
            // Stores refuse a range that starts behind the end, so its size is asked for first.
            let size = store.head(&path).await?.size;
            if offset >= size || offset >= end {
                return Ok(Bytes::new());
            }
            let range = GetRange::Bounded(offset..end.min(size));
            let options = GetOptions::default().with_range(Some(range));
            store.get_opts(&path, options).await?.bytes().await
        });
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let (store, path) = (Arc::clone(&self.store), self.locate("get", name)?);
        let got = self.wait("get", name, async move {
            let got = store.get(&path).await?;
            let version = Version {
                tag: got.meta.e_tag.clone(),
                number: got.meta.version.clone(),
            };
            Ok((got.bytes().await?, version))
        });
        match got {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome> {
        let (store, path) = (Arc::clone(&self.store), self.locate("put", name)?);
        let payload = bytes.clone().into();
        let mode = PutMode::Update(UpdateVersion {
            e_tag: expected.tag.clone(),
            version: expected.number.clone(),
        });
        let replaced = self.wait("put", name, async move {
            store.put_opts(&path, payload, PutOptions::from(mode)).await
        });
        match replaced {
            Ok(_) => Ok(PutOutcome::Written),
            Err(error) if matches!(error.kind, ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                match self.get(name)? {
                    Some(found) if found == bytes => Ok(PutOutcome::Written),
                    _ => Ok(PutOutcome::Conflict),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let folder = match (self.prefix.as_str(), prefix) {
            (root, "") => ObjectPath::from(root),
            _ => self.locate("list", prefix)?,
        };
        let store = Arc::clone(&self.store);
        let found = self.wait("list", prefix, async move {
            let folder = (!folder.as_ref().is_empty()).then_some(&folder);
            store
                .list(folder)
                .map_ok(|meta| (meta.location, meta.size))
                .try_collect::<Vec<_>>()
                .await
        })?;
        let relative = |(path, size): (ObjectPath, u64)| {
            let name = path
                .as_ref()
                .strip_prefix(&self.prefix)?
                .trim_start_matches('/');
            Some((name.to_owned(), size))
        };
        let mut names: Vec<_> = found.into_iter().filter_map(relative).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), self.locate("delete", name)?);
        match self.wait("delete", name, async move { store.delete(&path).await }) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
