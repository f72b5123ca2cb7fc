//! [`Asking`]: somebody who has dead letters put back all the while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wide::requeue;

/// How long somebody waits who has letters put back all the while: they become letters again.
const ASK_AGAIN: Duration = Duration::from_millis(150);

/// Somebody who asks for letters to be put back as long as this is there.
pub struct Asking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asking {
    pub fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                if let Some(Err(wrong)) = requeue(address) {
                    panic!("{wrong}");
                }
                std::thread::sleep(ASK_AGAIN);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let asked = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(
                asked.is_none_or(|ended| ended.is_ok()),
                "letters aren't put back"
            );
        }
    }
}
