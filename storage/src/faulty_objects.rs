//! [`FaultyObjects`]: any [`Objects`] with the faults of a store in the network.
//!
//! Every request is shown to a plan, which says what shall go wrong with it. What happens on the wire is
//! below this seam (see the tests of this crate for real servers behind a faulty network); here is what a
//! caller of [`Objects`] can come to see. Determinism: no clock and no randomness.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::objects::{ObjectEntry, Objects, PutOutcome, Version};
use crate::sim::Gate;

/// What kind of request is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// [`Objects::put`].
    Put,
    /// [`Objects::put_new`].
    PutNew,
    /// [`Objects::put_if`].
    PutIf,
    /// [`Objects::get`], also as a part of [`Objects::get_many`].
    Get,
    /// [`Objects::get_range`] and [`Objects::get_range_tagged`].
    GetRange,
    /// [`Objects::get_versioned`].
    GetVersioned,
    /// [`Objects::list`] and [`Objects::list_entries`].
    List,
    /// [`Objects::delete`].
    Delete,
    /// [`Objects::sweep`].
    Sweep,
}

impl RequestKind {
    /// Whether it can change what others read.
    pub fn changes_something(self) -> bool {
        matches!(
            self,
            Self::Put | Self::PutNew | Self::PutIf | Self::Delete | Self::Sweep
        )
    }
}

/// A request that is about to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectRequest {
    /// Its place among all requests, from 0.
    pub number: u64,
    /// What it is.
    pub kind: RequestKind,
    /// The object's name, or the prefix of a listing.
    pub name: String,
    /// How many bytes are to be written; 0 for anything else.
    pub bytes: u64,
}

/// What shall go wrong with a request. A fault that the request's kind can't have does nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ObjectFault {
    /// Nothing goes wrong.
    None,
    /// It fails, and nothing is done.
    FailBefore(ErrorKind),
    /// It is done, but the answer is a failure.
    FailAfter(ErrorKind),
    /// A conditional write is done, but the answer is that its condition didn't hold.
    ConflictAfter,
    /// It waits at the gate, then is done.
    StallBefore(Gate),
    /// It is done, then waits at the gate before it answers.
    StallAfter(Gate),
    /// A listing doesn't know so many of the objects that were written last through this value.
    ListStale(usize),
    /// A listing leaves this object out.
    ListWithout(String),
    /// What is read ends after so many bytes.
    ShortRead(usize),
    /// The lowest bit of the byte at this place of what is read is flipped.
    FlipBit(usize),
}

type Plan = dyn Fn(&ObjectRequest) -> ObjectFault + Send + Sync;

/// Objects that fail as planned. Clones share plan and counts.
#[derive(Clone)]
pub struct FaultyObjects {
    inner: Arc<dyn Objects>,
    plan: Arc<Mutex<Arc<Plan>>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    by_kind: BTreeMap<RequestKind, u64>,
    /// Names in the order in which they were last written.
    written: Vec<String>,
}

impl fmt::Debug for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyObjects")
            .field("inner", &self.inner)
            .field("seen", &self.seen())
            .finish_non_exhaustive()
    }
}

fn broken(request: &ObjectRequest, kind: ErrorKind) -> Error {
    let operation = match request.kind {
        RequestKind::Put | RequestKind::PutNew | RequestKind::PutIf => "put",
        RequestKind::Get | RequestKind::GetRange | RequestKind::GetVersioned => "get",
        RequestKind::List => "list",
        RequestKind::Delete => "delete",
        RequestKind::Sweep => "sweep",
    };
    let reason = format!("planned failure of request {}", request.number);
    Error::new(operation, request.name.clone(), kind, reason)
}

impl FaultyObjects {
    /// `inner` with the faults that `plan` names. The plan is asked before each request.
    pub fn new(
        inner: Arc<dyn Objects>,
        plan: impl Fn(&ObjectRequest) -> ObjectFault + Send + Sync + 'static,
    ) -> Self {
        let plan: Arc<Plan> = Arc::new(plan);
        Self {
            inner,
            plan: Arc::new(Mutex::new(plan)),
            seen: Arc::default(),
        }
    }

    /// `inner` without faults, for counting.
    pub fn counting(inner: Arc<dyn Objects>) -> Self {
        Self::new(inner, |_| ObjectFault::None)
    }

    /// Another plan from now on.
    pub fn set_plan(&self, plan: impl Fn(&ObjectRequest) -> ObjectFault + Send + Sync + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// How many requests of each kind were made so far, failed ones included.
    pub fn requests(&self) -> BTreeMap<RequestKind, u64> {
        self.seen().by_kind.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what `ask` does, with the fault that is planned for it.
    fn request<T>(
        &self,
        kind: RequestKind,
        name: &str,
        bytes: u64,
        ask: impl FnOnce() -> Result<T>,
        damage: impl FnOnce(T, &ObjectFault) -> T,
    ) -> Result<T> {
        let request = {
            let mut seen = self.seen();
            let number = seen.requests;
            seen.requests += 1;
            *seen.by_kind.entry(kind).or_default() += 1;
            ObjectRequest {
                number,
                kind,
                name: name.to_owned(),
                bytes,
            }
        };
        let plan = Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = plan(&request);
        match &fault {
            ObjectFault::FailBefore(kind) => return Err(broken(&request, *kind)),
            ObjectFault::StallBefore(gate) => gate.pass(),
            _ => {}
        }
        let answer = ask();
        match &fault {
            ObjectFault::FailAfter(kind) => Err(broken(&request, *kind)),
            ObjectFault::StallAfter(gate) => {
                gate.pass();
                answer
            }
            fault => Ok(damage(answer?, fault)),
        }
    }

    fn write<T>(
        &self,
        kind: RequestKind,
        name: &str,
        bytes: &Bytes,
        ask: impl FnOnce(Bytes) -> Result<T>,
        wrote: impl Fn(&T) -> bool,
        damage: impl FnOnce(T, &ObjectFault) -> T,
    ) -> Result<T> {
        let ask = || {
            let answer = ask(bytes.clone())?;
            if wrote(&answer) {
                let mut seen = self.seen();
                seen.written.retain(|other| other != name);
                seen.written.push(name.to_owned());
            }
            Ok(answer)
        };
        self.request(kind, name, bytes.len() as u64, ask, damage)
    }

    fn read<T>(
        &self,
        kind: RequestKind,
        name: &str,
        ask: impl FnOnce() -> Result<Option<T>>,
        bytes_of: impl FnOnce(&mut T) -> &mut Bytes,
    ) -> Result<Option<T>> {
        self.request(kind, name, 0, ask, |mut found, fault| {
            if let Some(found) = &mut found {
                let bytes = bytes_of(found);
                *bytes = damaged(bytes, fault);
            }
            found
        })
    }
}

impl FaultyObjects {
    /// Takes out of a listing what it is planned not to know.
    fn hide<T>(&self, found: &mut Vec<T>, fault: &ObjectFault, name_of: impl Fn(&T) -> &String) {
        match fault {
            ObjectFault::ListStale(count) => {
                let seen = self.seen();
                let unknown: Vec<_> = seen.written.iter().rev().take(*count).collect();
                found.retain(|entry| !unknown.contains(&name_of(entry)));
            }
            ObjectFault::ListWithout(hidden) => found.retain(|entry| name_of(entry) != hidden),
            _ => {}
        }
    }
}

fn damaged(bytes: &Bytes, fault: &ObjectFault) -> Bytes {
    match fault {
        ObjectFault::ShortRead(len) => bytes.slice(..bytes.len().min(*len)),
        ObjectFault::FlipBit(place) => {
            let mut flipped = bytes.to_vec();
            if let Some(byte) = flipped.get_mut(*place) {
                *byte ^= 1;
            }
            flipped.into()
        }
        _ => bytes.clone(),
    }
}

fn denied(outcome: PutOutcome, fault: &ObjectFault) -> PutOutcome {
    match fault {
        ObjectFault::ConflictAfter => PutOutcome::Conflict,
        _ => outcome,
    }
}

fn written(outcome: &PutOutcome) -> bool {
    *outcome == PutOutcome::Written
}

impl Objects for FaultyObjects {
    fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let ask = |bytes| self.inner.put(name, bytes);
        self.write(RequestKind::Put, name, &bytes, ask, |()| true, |(), _| ())
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome> {
        let ask = |bytes| self.inner.put_new(name, bytes);
        self.write(RequestKind::PutNew, name, &bytes, ask, written, denied)
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>> {
        self.read(
            RequestKind::Get,
            name,
            || self.inner.get(name),
            |bytes| bytes,
        )
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>> {
        let ask = || self.inner.get_range(name, offset, len);
        self.read(RequestKind::GetRange, name, ask, |bytes| bytes)
    }

    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let ask = || self.inner.get_versioned(name);
        self.read(RequestKind::GetVersioned, name, ask, |(bytes, _)| bytes)
    }

    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome> {
        let ask = |bytes| self.inner.put_if(name, bytes, expected);
        self.write(RequestKind::PutIf, name, &bytes, ask, written, denied)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let ask = || self.inner.list(prefix);
        self.request(RequestKind::List, prefix, 0, ask, |mut found, fault| {
            self.hide(&mut found, fault, |(name, _)| name);
            found
        })
    }

    fn list_entries(
        &self,
        folder: &str,
        deep: bool,
        after: Option<&str>,
    ) -> Result<Vec<ObjectEntry>> {
        let ask = || self.inner.list_entries(folder, deep, after);
        self.request(RequestKind::List, folder, 0, ask, |mut found, fault| {
            self.hide(&mut found, fault, |entry| &entry.name);
            found
        })
    }

    fn get_range_tagged(
        &self,
        name: &str,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Bytes, Option<String>)>> {
        let ask = || self.inner.get_range_tagged(name, offset, len);
        self.read(RequestKind::GetRange, name, ask, |(bytes, _)| bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let ask = || self.inner.delete(name);
        self.request(RequestKind::Delete, name, 0, ask, |(), _| ())
    }

    fn sweep(&self) -> Result<usize> {
        let ask = || self.inner.sweep();
        self.request(RequestKind::Sweep, "", 0, ask, |swept, _| swept)
    }
}
