//! [`Connection`]: as much of an HTTP/1.1 client as posting lines needs, on a connection that is kept.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take; a daemon that was killed breaks the connection long before.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the admin address.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub keeps_alive: bool,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, address })
    }

    pub fn get(&mut self, path: &str) -> Result<Answer, Error> {
        self.request("GET", path, "")
    }

    pub fn post(&mut self, path: &str, body: &str) -> Result<Answer, Error> {
        self.request("POST", path, body)
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
        let (host, length) = (self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            self.read_more(&mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
        let header = |name: &str| {
            head.lines()
                .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        let bad = || Error::new(ErrorKind::InvalidData, format!("not an answer: {head}"));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(bad)?;
        let length = header("content-length").map_or(Ok(0), str::parse::<usize>);
        let body_end = head_end + 4 + length.map_err(|_| bad())?;
        let keeps_alive = header("connection") != Some("close");
        while bytes.len() < body_end {
            self.read_more(&mut bytes)?;
        }
        let body = String::from_utf8_lossy(&bytes[head_end + 4..body_end]).into_owned();
        Ok(Answer {
            status,
            body,
            keeps_alive,
        })
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                bytes.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }
}
