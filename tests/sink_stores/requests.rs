//! [`Watched`]: an object store in which one request fails, or waits to be let go.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use tidemill_storage::{Error, ErrorKind, Objects, PutOutcome, Result, Version};

/// What happens to the chosen request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It fails, undone; later ones succeed.
    Fails,
    /// It is done, and its answer is lost; later ones succeed.
    AnswerIsLost,
    /// The process dies before it is sent.
    DiesBefore,
    /// The process dies once it is done.
    DiesBehind,
}

pub const TROUBLES: [Trouble; 4] = [
    Trouble::Fails,
    Trouble::AnswerIsLost,
    Trouble::DiesBefore,
    Trouble::DiesBehind,
];

/// Says that the request has been come to, and waits.
type Pause = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Plan {
    fails: Option<(usize, Trouble)>,
    /// Whether the pause is behind the request.
    pauses: Option<(usize, bool, Pause)>,
    reached: bool,
}

/// Requests are counted from 0, from when the plan was made.
#[derive(Clone)]
pub struct Watched {
    inner: Arc<dyn Objects>,
    requests: Arc<AtomicUsize>,
    plan: Arc<Mutex<Plan>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.inner).finish()
    }
}

impl Watched {
    pub fn new(inner: Arc<dyn Objects>) -> Self {
        Self {
            inner,
            requests: Arc::default(),
            plan: Arc::default(),
        }
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// From now on request number `at` has this trouble.
    pub fn fail(&self, at: usize, trouble: Trouble) {
        self.requests.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap() = Plan {
            fails: Some((at, trouble)),
            ..Plan::default()
        };
    }

    /// From now on request number `at` waits before it is sent, or once it is done. The first end tells
    /// that it has come so far, the second lets it go when it is dropped.
    pub fn pause(&self, at: usize, behind: bool) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (arrive, arrived) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let pause = move || {
            let _ = arrive.send(());
            let _ = gone.lock().unwrap().recv();
        };
        self.requests.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap() = Plan {
            pauses: Some((at, behind, Box::new(pause))),
            ..Plan::default()
        };
        (arrived, go)
    }

    /// Ends all trouble; says whether the chosen request had been reached.
    pub fn clear(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).reached
    }

    fn request<T>(
        &self,
        operation: &'static str,
        name: &str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        self.wait(number, false);
        let trouble = {
            let mut plan = self.plan.lock().unwrap();
            let trouble = plan.fails.and_then(|(at, trouble)| match trouble {
                _ if number == at => Some(trouble),
                Trouble::DiesBefore | Trouble::DiesBehind if number > at => {
                    Some(Trouble::DiesBefore)
                }
                _ => None,
            });
            plan.reached |= trouble.is_some();
            trouble
        };
        let lost = || Err(Error::new(operation, name, ErrorKind::Io, "made to fail"));
        let answer = match trouble {
            None => run(),
            Some(Trouble::Fails | Trouble::DiesBefore) => lost(),
            Some(Trouble::AnswerIsLost | Trouble::DiesBehind) => {
                run()?;
                lost()
            }
        };
        self.wait(number, true);
        answer
    }

    fn wait(&self, number: usize, behind: bool) {
        let pause = {
            let mut plan = self.plan.lock().unwrap();
            let is_it = plan
                .pauses
                .as_ref()
                .is_some_and(|(at, is_behind, _)| (*at, *is_behind) == (number, behind));
            plan.reached |= is_it;
            is_it.then(|| plan.pauses.take()).flatten()
        };
        if let Some((_, _, pause)) = pause {
            pause();
        }
    }
}

impl Objects for Watched {
    fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.request("put", name, || self.inner.put(name, bytes))
    }
    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome> {
        self.request("put", name, || self.inner.put_new(name, bytes))
    }
    fn get(&self, name: &str) -> Result<Option<Bytes>> {
        self.request("get", name, || self.inner.get(name))
    }
    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>> {
        self.request("get", name, || self.inner.get_range(name, offset, len))
    }
    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.request("get", name, || self.inner.get_versioned(name))
    }
    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome> {
        self.request("put", name, || self.inner.put_if(name, bytes, expected))
    }
    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.request("list", prefix, || self.inner.list(prefix))
    }
    fn delete(&self, name: &str) -> Result<()> {
        self.request("delete", name, || self.inner.delete(name))
    }
}

/// The parts of the folder `folder`, byte for byte; `None` while it isn't committed. Fails when there is anything
/// else in it.
pub fn read_folder(
    objects: &dyn Objects,
    folder: &str,
) -> std::result::Result<Option<Vec<Bytes>>, String> {
    read_parts(objects, folder, "")
}

/// As [`read_folder`], where the names of parts end in `extension`.
pub fn read_parts(
    objects: &dyn Objects,
    folder: &str,
    extension: &str,
) -> std::result::Result<Option<Vec<Bytes>>, String> {
    let failed = |error: Error| error.to_string();
    let success = format!("{folder}/_SUCCESS");
    match objects.get(&success).map_err(failed)? {
        None => return Ok(None),
        Some(bytes) if !bytes.is_empty() => return Err(format!("{success} isn't empty")),
        Some(_) => {}
    }
    let names: Vec<String> = objects
        .list(folder)
        .map_err(failed)?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let parts = names.len() - 1;
    let wanted: Vec<String> = std::iter::once(success)
        .chain((0..parts).map(|part| format!("{folder}/part-{part:05}{extension}")))
        .collect();
    if names != wanted {
        return Err(format!("{folder} isn't whole: {names:?}"));
    }
    let read = |name: &String| objects.get(name).map_err(failed);
    names.iter().skip(1).map(read).collect()
}
