//! [`Feeder`]: clients that post numbered records as long as there is somebody to take them.
//!
//! A post whose connection breaks stays in doubt for ever: no client ever sends a record twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::Connection;
use super::records::Ledger;
use super::rng::Rng;

/// How many clients post at once.
const CLIENTS: u32 = 3;

/// How long a client waits where nobody listens, or after a refusal.
const RETRY: Duration = Duration::from_millis(15);

/// Clients that post until they are stopped.
#[derive(Debug)]
pub struct Feeder {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Feeder {
    /// Starts the clients.
    pub fn start(address: SocketAddr, ledger: &Arc<Ledger>, rng: &Rng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |client: u32| {
            let (ledger, stop) = (Arc::clone(ledger), Arc::clone(&stop));
            let mut rng = rng.part(1000 + u64::from(client));
            std::thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Acquire) {
                    connection = post_once(connection, address, client, &ledger, &mut rng);
                }
            })
        };
        let first = ledger.add_clients(CLIENTS);
        Self {
            clients: (first..first + CLIENTS).map(start).collect(),
            stop,
        }
    }

    /// Stops the clients when their last posts are answered or broken.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // When a test has failed the daemon may be gone or not: in neither case wait for an answer.
        self.stop.store(true, Ordering::Release);
    }
}

/// Posts a few records; returns the connection if it can be used again.
fn post_once(
    connection: Option<Connection>,
    address: SocketAddr,
    client: u32,
    ledger: &Ledger,
    rng: &mut Rng,
) -> Option<Connection> {
    let Some(mut connection) = connection.or_else(|| Connection::open(address).ok()) else {
        std::thread::sleep(RETRY);
        return None;
    };
    let (numbers, body) = ledger.send(client, rng.below(1..6) as u32);
    let answer = connection.post("/ingest/lines", &body).ok()?;
    ledger.settle(client, numbers, &answer);
    let pause = if answer.status == 200 {
        rng.millis(0..8)
    } else {
        RETRY
    };
    std::thread::sleep(pause);
    answer.keeps_alive.then_some(connection)
}
