//! [`Client`]: requests to a store, tried again while that can help.
//!
//! One rule decides every conditional write: whatever the answer to it was, if it wasn't plain success,
//! the object is read back, and its bytes tell whether the write took effect. An answer can be lost after
//! the write, "already exists" may answer the crate's or our own repetition, and some stores answer 409
//! for a write that merely met another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};

use super::failure::Failure;
use super::policy::RetryPolicy;
use super::tries::Tries;
use super::trouble::Trouble;
use crate::error::Result;
use crate::failpoint;
use crate::objects::{PutOutcome, Version};

/// How many objects [`Client::get_many`] reads at once.
const READ_AHEAD: usize = 16;

/// An object's path in the store and its name for people.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: ObjectPath,
    pub(super) url: String,
}

/// A store and how requests to it are tried again.
#[derive(Debug)]
pub(super) struct Client {
    store: Arc<dyn ObjectStore>,
    policy: RetryPolicy,
    trouble: Trouble,
    requests: AtomicU64,
}

/// What a conditional write demands.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// There is no such object.
    New,
    /// The object is still this one.
    Still(Version),
}

impl Condition {
    fn mode(&self) -> PutMode {
        match self {
            Self::New => PutMode::Create,
            Self::Still(version) => PutMode::Update(UpdateVersion {
                e_tag: version.tag.clone(),
                version: version.number.clone(),
            }),
        }
    }

    /// What the object that was read back says about a write of `bytes` that may have taken effect;
    /// `None` when it hasn't, and may still.
    fn decide(&self, bytes: &Bytes, found: Option<&(Bytes, Version)>) -> Option<PutOutcome> {
        match (self, found) {
            (_, Some((found, _))) if found == bytes => Some(PutOutcome::Written),
            (Self::New, None) => None,
            (Self::Still(expected), Some((_, version))) if version == expected => None,
            _ => Some(PutOutcome::Conflict),
        }
    }
}

impl Client {
    pub(super) fn new(store: Arc<dyn ObjectStore>, url: String, policy: RetryPolicy) -> Self {
        Self {
            store,
            policy,
            trouble: Trouble::new(url),
            requests: AtomicU64::new(0),
        }
    }

    pub(super) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    fn tries<'a>(&'a self, operation: &'static str, url: &'a str) -> Tries<'a> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        Tries::new(&self.policy, &self.trouble, number, operation, url)
    }

    /// Writes an object whole.
    pub(super) async fn put(&self, target: Target, bytes: Bytes) -> Result<()> {
        let mut tries = self.tries("put", &target.url);
        let allowance = self.policy.allowance(bytes.len());
        failpoint!("storage::before_object_put");
        loop {
            let put = self.store.put(&target.path, bytes.clone().into());
            match tries.attempt(allowance, put).await {
                Ok(_) => break,
                Err(failure) => tries.pause(failure).await?,
            }
        }
        failpoint!("storage::after_object_put");
        Ok(())
    }

    /// Writes an object if `condition` holds.
    pub(super) async fn put_if(
        &self,
        target: Target,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<PutOutcome> {
        let mut tries = self.tries("put", &target.url);
        let allowance = self.policy.allowance(bytes.len());
        failpoint!("storage::before_object_put");
        let outcome = loop {
            let options = PutOptions::from(condition.mode());
            let put = self
                .store
                .put_opts(&target.path, bytes.clone().into(), options);
            let failure = match tries.attempt(allowance, put).await {
                Ok(_) => break PutOutcome::Written,
                Err(failure @ Failure::Final(..)) => return Err(tries.error(failure)),
                Err(failure) => failure,
            };
            let found = self.read(&mut tries, &target).await?;
            if let Some(outcome) = condition.decide(&bytes, found.as_ref()) {
                break outcome;
            }
            tries.pause(failure).await?;
        };
        failpoint!("storage::after_object_put");
        Ok(outcome)
    }

    /// Reads an object and its version.
    pub(super) async fn get(&self, target: &Target) -> Result<Option<(Bytes, Version)>> {
        self.read(&mut self.tries("get", &target.url), target).await
    }

    async fn read(
        &self,
        tries: &mut Tries<'_>,
        target: &Target,
    ) -> Result<Option<(Bytes, Version)>> {
        loop {
            match self.read_once(tries, target, GetOptions::default()).await {
                Ok(found) => return Ok(Some(found)),
                Err(Failure::Absent) => return Ok(None),
                Err(failure) => tries.pause(failure).await?,
            }
        }
    }

    /// Reads up to `len` bytes from `offset`, in one request. Behind the end nothing is known of
    /// the object's version.
    pub(super) async fn get_range(
        &self,
        target: &Target,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Bytes, Version)>> {
        let mut tries = self.tries("get", &target.url);
        let end = offset.saturating_add(len as u64);
        // Nobody answers a range of no bytes: only whether there is such an object is asked.
        let options = GetOptions {
            head: end == offset,
            range: (end > offset).then_some(GetRange::Bounded(offset..end)),
            ..GetOptions::default()
        };
        loop {
            match self.read_once(&mut tries, target, options.clone()).await {
                Ok(found) => return Ok(Some(found)),
                Err(Failure::Absent) => return Ok(None),
                Err(Failure::PastEnd(_)) => return Ok(Some((Bytes::new(), Version::UNKNOWN))),
                Err(failure) => tries.pause(failure).await?,
            }
        }
    }

    /// One attempt to read. Each piece that comes counts as progress: a slow answer is not a failed one.
    async fn read_once(
        &self,
        tries: &mut Tries<'_>,
        target: &Target,
        options: GetOptions,
    ) -> Result<(Bytes, Version), Failure> {
        let head = options.head;
        let patience = self.policy.attempt;
        let got = self.store.get_opts(&target.path, options);
        let got = tries.attempt(patience, got).await?;
        let version = Version {
            tag: got.meta.e_tag.clone(),
            number: got.meta.version.clone(),
        };
        let size = got.range.end - got.range.start;
        if head {
            return Ok((Bytes::new(), version));
        }
        let mut stream = got.into_stream();
        let (mut pieces, mut len) = (Vec::new(), 0);
        while let Some(piece) = tries.attempt(patience, stream.try_next()).await? {
            len += piece.len() as u64;
            pieces.push(piece);
        }
        if len != size {
            let text = format!("the answer ends after {len} of {size} bytes");
            return Err(Failure::Passing(text.into()));
        }
        Ok((joined(pieces), version))
    }

    /// Reads several objects, some at a time.
    pub(super) async fn get_many(
        &self,
        targets: Vec<Result<Target>>,
    ) -> Vec<Result<Option<Bytes>>> {
        let reads = targets.into_iter().map(|target| async move {
            let found = self.get(&target?).await?;
            Ok(found.map(|(bytes, _)| bytes))
        });
        futures_util::stream::iter(reads)
            .buffered(READ_AHEAD)
            .collect()
            .await
    }

    /// All objects in `folder` and below, behind `after`. What has been listed when a page fails stays.
    pub(super) async fn list(
        &self,
        folder: Option<ObjectPath>,
        after: Option<ObjectPath>,
        url: &str,
    ) -> Result<Vec<ObjectMeta>> {
        let mut tries = self.tries("list", url);
        let mut found: Vec<ObjectMeta> = Vec::new();
        loop {
            let last = found.last().map(|entry| &entry.location);
            let mut entries = match last.or(after.as_ref()) {
                None => self.store.list(folder.as_ref()),
                Some(last) => self.store.list_with_offset(folder.as_ref(), last),
            };
            let failure = loop {
                match tries.attempt(self.policy.attempt, entries.try_next()).await {
                    Ok(Some(entry)) => {
                        found.push(entry);
                        tries.progress();
                    }
                    Ok(None) => return Ok(found),
                    Err(failure) => break failure,
                }
            };
            tries.pause(failure).await?;
        }
    }

    /// The objects right in `folder`. However many pages that takes, it is one attempt.
    pub(super) async fn list_flat(
        &self,
        folder: Option<ObjectPath>,
        url: &str,
    ) -> Result<Vec<ObjectMeta>> {
        let mut tries = self.tries("list", url);
        loop {
            let listing = self.store.list_with_delimiter(folder.as_ref());
            match tries.attempt(self.policy.attempt, listing).await {
                Ok(found) => return Ok(found.objects),
                Err(failure) => tries.pause(failure).await?,
            }
        }
    }

    /// Removes an object that need not exist.
    pub(super) async fn delete(&self, target: Target) -> Result<()> {
        let mut tries = self.tries("delete", &target.url);
        loop {
            let delete = self.store.delete(&target.path);
            match tries.attempt(self.policy.attempt, delete).await {
                Ok(()) | Err(Failure::Absent) => return Ok(()),
                Err(failure) => tries.pause(failure).await?,
            }
        }
    }
}

/// One piece is handed on as it is.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.pop() {
        Some(only) if pieces.is_empty() => only,
        None => Bytes::new(),
        Some(last) => {
            pieces.push(last);
            pieces.concat().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(tag: &str) -> Version {
        Version {
            tag: Some(tag.to_owned()),
            number: None,
        }
    }

    #[test]
    fn the_bytes_decide_what_became_of_a_write() {
        let ours = Bytes::from_static(b"ours");
        let ours_found = (ours.clone(), version("2"));
        let other = (Bytes::from_static(b"other"), version("1"));
        let decide = |condition: &Condition, found| condition.decide(&ours, found);

        let new = Condition::New;
        assert_eq!(decide(&new, Some(&ours_found)), Some(PutOutcome::Written));
        assert_eq!(decide(&new, Some(&other)), Some(PutOutcome::Conflict));
        assert_eq!(decide(&new, None), None);

        let still = Condition::Still(version("1"));
        assert_eq!(decide(&still, Some(&ours_found)), Some(PutOutcome::Written));
        assert_eq!(decide(&still, Some(&other)), None, "nobody has written yet");
        assert_eq!(decide(&still, None), Some(PutOutcome::Conflict));
        let gone_on = Condition::Still(version("0"));
        assert_eq!(decide(&gone_on, Some(&other)), Some(PutOutcome::Conflict));
    }
}
