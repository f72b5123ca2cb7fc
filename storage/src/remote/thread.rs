//! [`RequestThread`]: a thread with a small tokio runtime that carries requests out.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc as answers;
use std::thread;

use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};

type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends when it is dropped.
#[derive(Debug)]
pub(super) struct RequestThread {
    requests: mpsc::UnboundedSender<Request>,
}

impl RequestThread {
    /// Starts it for the store at `url`.
    pub(super) fn start(url: &str) -> Result<Self> {
        let (requests, mut incoming) = mpsc::unbounded_channel::<Request>();
        let start = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            thread::Builder::new()
                .name("tidemill-objects".into())
                .spawn(move || {
                    runtime.block_on(async move {
                        while let Some(request) = incoming.recv().await {
                            tokio::spawn(request);
                        }
                    });
                })
        };
        match start() {
            Ok(_) => Ok(Self { requests }),
            Err(error) => Err(Error::new(
                "start a thread for",
                url,
                ErrorKind::of(&error),
                error,
            )),
        }
    }

    /// Carries `request` out and waits for its answer; `None` when the thread has ended.
    pub(super) fn run<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (answer, receive) = answers::sync_channel(1);
        let request = Box::pin(async move {
            let _ = answer.send(request.await);
        });
        self.requests.send(request).ok()?;
        receive.recv().ok()
    }
}
