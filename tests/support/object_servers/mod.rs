//! Object stores for tests: buckets in servers that speak S3, Azure's and Google's protocol, each behind a
//! network of its own that can be made to fail ([`Network::set_plan`]).
//!
//! S3 is moto, Azure is azurite, both installed by `make servers`; Google's is ours (see [`gcs`]). A test
//! binary starts each server once, when it is first asked for, and they end with it, however it ends.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

pub mod gcs;
pub mod http;
pub mod network;
#[path = "../port.rs"]
mod port;
pub mod process;

#[allow(unused_imports, reason = "not every test makes requests fail")]
pub use network::{Network, Server, WireFault, WireRequest};
use process::{ServerProcess, request};

/// The protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    S3,
    Gcs,
    Azure,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::S3, Self::Gcs, Self::Azure];
}

/// A fresh bucket.
pub struct Bucket {
    /// `s3://NAME` and the like; a prefix may be added behind a `/`.
    pub url: String,
    /// What an environment has to hold so that the bucket is found.
    pub variables: Vec<(String, String)>,
    /// The way to the bucket's server, of this bucket alone.
    pub network: Network,
}

/// A fresh bucket in the binary's server for this protocol.
pub fn bucket(protocol: Protocol) -> Bucket {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    match protocol {
        Protocol::S3 => s3(&name),
        Protocol::Gcs => google(&name),
        Protocol::Azure => azure(&name),
    }
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// A process that is never dropped: it ends with the binary (see [`process`]).
struct Running {
    process: ServerProcess,
    server: Arc<Server>,
}

impl Running {
    fn new(process: ServerProcess, single_file: bool) -> Self {
        let server = Server::Process {
            address: process.address,
            single_file: single_file.then(tokio::sync::Mutex::default),
        };
        Self {
            process,
            server: Arc::new(server),
        }
    }
}

fn s3(name: &str) -> Bucket {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    let running = RUNNING.get_or_init(|| {
        let process = ServerProcess::start("moto/bin/moto_server", |port, _| {
            ["-H", "127.0.0.1", "-p", &port.to_string()]
                .map(str::to_owned)
                .to_vec()
        });
        // moto looks at `If-None-Match` and `If-Match` first and writes afterwards, in threads.
        Running::new(process, true)
    });
    // moto doesn't check signatures, but tells services apart by them.
    let signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
        SignedHeaders=host, Signature=0";
    let target = format!("/{name}");
    let created = request(
        running.process.address,
        "PUT",
        &target,
        &[("authorization", signed)],
    );
    assert_eq!(created, Some(200), "a bucket in moto");
    let network = Network::start(Arc::clone(&running.server));
    Bucket {
        url: format!("s3://{name}"),
        variables: pairs([
            ("AWS_ENDPOINT", format!("http://{}", network.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]),
        network,
    }
}

fn google(name: &str) -> Bucket {
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Arc::new(Server::Gcs(gcs::Gcs::default())));
    if let Server::Gcs(gcs) = &**server {
        gcs.create_bucket(name);
    }
    let network = Network::start(Arc::clone(server));
    let account = format!(
        r#"{{"gcs_base_url":"http://{}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#,
        network.address
    );
    Bucket {
        url: format!("gs://{name}"),
        variables: pairs([
            ("GOOGLE_SERVICE_ACCOUNT_KEY", account),
            ("GOOGLE_ALLOW_HTTP", "true".into()),
        ]),
        network,
    }
}

/// The account and key that everybody knows, of every Azure emulator.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// A shared access signature made with that key, good for everything until 2099: with it a container can
/// be made without signing the request.
const SIGNATURE: &str = "sp=rwdlac&ss=b&srt=sco&se=2099-01-01T00%3A00%3A00Z&\
    spr=https%2Chttp&sv=2021-10-04&sig=YhUzviX3tuvIYfJGcOXfaN2l3hyZM5wnCmaG8hqFFZ4%3D";

fn azure(name: &str) -> Bucket {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    let running = RUNNING.get_or_init(|| {
        let program = "azurite/node_modules/.bin/azurite-blob";
        let process = ServerProcess::start(program, |port, folder| {
            let (port, folder) = (port.to_string(), folder.display().to_string());
            let options = ["--blobPort", &port, "--location", &folder];
            let flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"];
            let all = options.into_iter().chain(flags);
            all.map(str::to_owned).collect()
        });
        Running::new(process, false)
    });
    let target = format!("/{ACCOUNT}/{name}?restype=container&{SIGNATURE}");
    let created = request(running.process.address, "PUT", &target, &[]);
    assert_eq!(created, Some(201), "a container in azurite");
    let network = Network::start(Arc::clone(&running.server));
    Bucket {
        url: format!("az://{name}"),
        variables: pairs([
            (
                "AZURE_STORAGE_ENDPOINT",
                format!("http://{}/{ACCOUNT}", network.address),
            ),
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.into()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.into()),
            ("AZURE_ALLOW_HTTP", "true".into()),
        ]),
        network,
    }
}
