//! As much of an HTTP/1.1 client as thousands of connections at once need. Shared with the benchmarks.

#![allow(dead_code, reason = "each user needs a part of it")]

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Lets this process, and those that it starts, open as many files as the system allows; returns how many.
pub fn open_many_files() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, limit);
    let current = getrlimit(Resource::Nofile).current;
    current.unwrap_or(u64::MAX)
}

/// The bytes that ask for `path`.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
}

/// The bytes that post `body` to `path`.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A connection that is kept.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(4 << 10, stream)))
    }

    /// Sends a request and reads its answer: the status and the body.
    pub async fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.0.get_mut().write_all(request).await?;
        let bad = |line: &str| Error::new(ErrorKind::InvalidData, format!("no answer: {line}"));
        let mut line = String::new();
        self.line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| bad(&line))?;
        let mut length = 0;
        while !line.trim_end().is_empty() {
            self.line(&mut line).await?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| bad(&line))?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok((status, body))
    }

    /// Reads the next line in place of the last.
    async fn line(&mut self, line: &mut String) -> Result<()> {
        line.clear();
        match self.0.read_line(line).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
