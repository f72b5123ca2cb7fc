//! [`Network`]: what lies between a client and a server, with faults.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::gcs::Gcs;
use super::http::{Request, error_answer};

/// A request that a plan may let fail.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// Its place among all requests of this network, from 0.
    pub number: usize,
    pub method: String,
    /// Path and query.
    pub target: String,
}

impl WireRequest {
    /// Whether it writes the object of this name.
    pub fn puts(&self, name: &str) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == "PUT" && path.ends_with(&format!("/{name}"))
    }

    pub fn lists(&self) -> bool {
        self.method == "GET"
            && (self.target.contains("list-type=2") || self.target.contains("comp=list"))
    }
}

/// What happens to a request on its way. "After" means that the server has carried it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    Pass,
    ResetBefore,
    ResetAfter,
    /// The connection is reset after so many bytes of the answer, head included.
    CutAfter(usize),
    /// This status, and nothing else happens.
    Answer(u16),
    AnswerAfter(u16),
    SlowAnswer(Duration),
    /// No answer ever comes, and nothing happens.
    Silence,
    SilenceAfter,
}

/// Where a network leads.
pub enum Server {
    /// A process that listens there. When it can't check a condition and write in one step, all that
    /// changes something goes in single file.
    Process {
        address: SocketAddr,
        single_file: Option<tokio::sync::Mutex<()>>,
    },
    Gcs(Gcs),
}

impl Server {
    async fn carry_out(&self, request: &Request) -> io::Result<Vec<u8>> {
        match self {
            Self::Gcs(gcs) => Ok(gcs.answer(request)),
            Self::Process {
                address,
                single_file,
            } => {
                let _turn = match single_file {
                    Some(turn) if !matches!(request.method.as_str(), "GET" | "HEAD") => {
                        Some(turn.lock().await)
                    }
                    _ => None,
                };
                request
                    .forward(&mut TcpStream::connect(address).await?)
                    .await
            }
        }
    }
}

type Plan = dyn Fn(&WireRequest) -> WireFault + Send + Sync;

struct State {
    server: Arc<Server>,
    plan: Mutex<Arc<Plan>>,
    seen: Mutex<Vec<WireRequest>>,
}

/// A port that leads to a server. Ends when it is dropped.
pub struct Network {
    pub address: SocketAddr,
    state: Arc<State>,
    /// Its end ends the thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Network {
    pub fn start(server: Arc<Server>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            server,
            plan: Mutex::new(Arc::new(|_: &WireRequest| WireFault::Pass)),
            seen: Mutex::default(),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                tokio::spawn(serve(TcpListener::from_std(listener).unwrap(), served));
                let _ = stopped.await;
            });
        });
        Self {
            address,
            state,
            _stop: stop,
        }
    }

    /// What happens to requests from now on. The plan is asked before each.
    pub fn set_plan(&self, plan: impl Fn(&WireRequest) -> WireFault + Send + Sync + 'static) {
        *self.state.plan.lock().unwrap() = Arc::new(plan);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.set_plan(|_| WireFault::Pass);
    }

    /// The first requests that `chosen` picks meet these faults, one each; all others pass.
    pub fn fail_first(
        &self,
        faults: &[WireFault],
        chosen: impl Fn(&WireRequest) -> bool + Send + Sync + 'static,
    ) {
        let left = Mutex::new(faults.to_vec());
        self.set_plan(move |request| {
            let mut left = left.lock().unwrap();
            if left.is_empty() || !chosen(request) {
                return WireFault::Pass;
            }
            left.remove(0)
        });
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<WireRequest> {
        self.state.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A connection that fails is the client's to report.
        tokio::spawn(async move {
            let _ = one_request(stream, &state).await;
        });
    }
}

async fn one_request(mut client: TcpStream, state: &State) -> io::Result<()> {
    let Some(request) = Request::read(&mut client).await? else {
        return Ok(());
    };
    let shown = {
        let mut seen = state.seen.lock().unwrap();
        let shown = WireRequest {
            number: seen.len(),
            method: request.method.clone(),
            target: request.target.clone(),
        };
        seen.push(shown.clone());
        shown
    };
    let plan = Arc::clone(&state.plan.lock().unwrap());
    let server = &state.server;
    let answer = match plan(&shown) {
        WireFault::Pass => server.carry_out(&request).await?,
        WireFault::ResetBefore => return client.set_zero_linger(),
        WireFault::ResetAfter => {
            server.carry_out(&request).await?;
            return client.set_zero_linger();
        }
        WireFault::CutAfter(bytes) => {
            let answer = server.carry_out(&request).await?;
            client.write_all(&answer[..answer.len().min(bytes)]).await?;
            // The client shall have read what was sent before the reset discards it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return client.set_zero_linger();
        }
        WireFault::Answer(status) => error_answer(status, "Planned"),
        WireFault::AnswerAfter(status) => {
            server.carry_out(&request).await?;
            error_answer(status, "Planned")
        }
        WireFault::SlowAnswer(delay) => {
            let answer = server.carry_out(&request).await?;
            tokio::time::sleep(delay).await;
            answer
        }
        WireFault::Silence => pending().await,
        WireFault::SilenceAfter => {
            server.carry_out(&request).await?;
            pending().await
        }
    };
    client.write_all(&answer).await?;
    client.shutdown().await
}
