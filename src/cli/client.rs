//! A small HTTP/1.1 client for the admin API: one request a connection, JSON answers.
//!
//! Written by hand because a client library would double what a default build compiles for these few
//! requests. It speaks plain HTTP, and HTTPS where that is built in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

use super::args::AdminArgs;
use super::connection::Connection;
use super::error::{CliError, Result};
#[cfg(not(feature = "tls"))]
use super::no_tls::ClientTls;
#[cfg(feature = "tls")]
use super::tls::ClientTls;
use crate::admin::Token;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// The admin address of a running pipeline.
pub(super) struct Client {
    /// `HOST:PORT`.
    authority: String,
    url: String,
    token: Option<Token>,
    /// For `https://`.
    tls: Option<ClientTls>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The body of a good answer.
    pub(super) fn good(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let detail = self
            .body
            .get("detail")
            .and_then(Value::as_str)
            .unwrap_or("no reason given");
        let advice = match self.status {
            401 | 403 => " (--token-file FILE or TIDEMILL_TOKEN_FILE shows one)",
            _ => "",
        };
        Err(CliError::Failed(format!(
            "the pipeline answers {}: {detail}{advice}",
            self.status
        )))
    }
}

impl Client {
    pub(super) fn new(args: &AdminArgs) -> Result<Self> {
        let wrong = || {
            CliError::Usage(format!(
                "`{}` is no admin address: write http://HOST:PORT or https://HOST:PORT, as the running pipeline logs it",
                args.admin
            ))
        };
        let url = args.admin.trim_end_matches('/');
        let (scheme, authority) = url.split_once("://").unwrap_or(("http", url));
        let tls = match scheme {
            "http" => None,
            "https" => Some(ClientTls::new(args)?),
            _ => return Err(wrong()),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(plain) {
            return Err(wrong());
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port {
            authority.to_owned()
        } else {
            let port = if tls.is_some() { 443 } else { 80 };
            format!("{authority}:{port}")
        };
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        Ok(Self {
            url: format!("{scheme}://{authority}"),
            authority,
            token,
            tls,
        })
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer> {
        self.request("GET", path, Duration::from_secs(10))
    }

    /// Posts nothing to `path`; the answer may take as long as `limit`.
    pub(super) fn post(&self, path: &str, limit: Duration) -> Result<Answer> {
        self.request("POST", path, limit)
    }

    fn request(&self, method: &str, path: &str, limit: Duration) -> Result<Answer> {
        self.exchange(method, path, limit).map_err(|reason| {
            CliError::Failed(format!(
                "no answer from {}: {reason}; is the pipeline running, and is --admin right?",
                self.url
            ))
        })
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        limit: Duration,
    ) -> std::result::Result<Answer, String> {
        let text = |error: std::io::Error| error.to_string();
        let addresses = self.authority.to_socket_addrs().map_err(text)?;
        let mut last = "the name has no address".to_owned();
        let connected = addresses.into_iter().find_map(|address| {
            TcpStream::connect_timeout(&address, CONNECT_LIMIT)
                .map_err(|error| last = error.to_string())
                .ok()
        });
        let stream = connected.ok_or(last)?;
        stream.set_read_timeout(Some(limit)).map_err(text)?;
        stream.set_write_timeout(Some(limit)).map_err(text)?;
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let mut stream: Box<dyn Connection> = match &self.tls {
            Some(tls) => tls.connect(host, stream)?,
            None => Box::new(stream),
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n",
            self.authority
        );
        if let Some(token) = &self.token {
            request.push_str(&format!("Authorization: {}\r\n", token.authorization()));
        }
        if method == "POST" {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).map_err(text)?;
        read_answer(BufReader::new(stream.take(MAX_ANSWER)))
    }
}

/// Reads status, headers and a JSON body: of a stated length, in chunks, or up to the end.
fn read_answer(mut from: impl BufRead) -> std::result::Result<Answer, String> {
    let first = line(&mut from)?;
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("`{first}` is no HTTP answer"))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line(&mut from)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(&mut from, &mut body)?;
    } else {
        let limit = length.unwrap_or(MAX_ANSWER);
        from.take(limit)
            .read_to_end(&mut body)
            .map_err(|error| error.to_string())?;
        if length.is_some_and(|length| length != body.len() as u64) {
            return Err("the answer ends early".to_owned());
        }
    }
    if body.is_empty() {
        return Ok(Answer {
            status,
            body: Value::Null,
        });
    }
    let body = serde_json::from_slice(&body);
    Ok(Answer {
        status,
        body: body.map_err(|error| format!("the answer isn't JSON: {error}"))?,
    })
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> std::result::Result<(), String> {
    loop {
        let size = line(from)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size =
            u64::from_str_radix(size, 16).map_err(|_| format!("`{size}` is no chunk's size"))?;
        if size == 0 {
            return Ok(());
        }
        let before = body.len() as u64;
        from.by_ref()
            .take(size)
            .read_to_end(body)
            .map_err(|error| error.to_string())?;
        if body.len() as u64 - before != size || !line(from)?.is_empty() {
            return Err("the answer ends early".to_owned());
        }
    }
}

/// A line without its end; an error at the end of the answer.
fn line(from: &mut impl BufRead) -> std::result::Result<String, String> {
    const LONGEST: u64 = 16 << 10;
    let mut line = String::new();
    from.by_ref()
        .take(LONGEST)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err("the answer ends early".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_a_length_in_chunks_and_to_the_end_are_read() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}",
        ] {
            let read = read_answer(answer.as_bytes()).unwrap();
            assert_eq!(
                (read.status, &read.body["a"]),
                (200, &Value::from(1)),
                "{answer}"
            );
        }
        let none = read_answer(&b"HTTP/1.1 204 No Content\r\n\r\n"[..]).unwrap();
        assert_eq!((none.status, none.body), (204, Value::Null));
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        for whole in [
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n",
        ] {
            for cut in 0..whole.len() {
                assert!(
                    read_answer(&whole.as_bytes()[..cut]).is_err(),
                    "{}",
                    &whole[..cut]
                );
            }
        }
    }

    #[test]
    fn addresses_are_checked_before_anything_is_asked() {
        let client = |admin: &str| {
            Client::new(&AdminArgs {
                admin: admin.to_owned(),
                token_file: None,
                ca: None,
                cert: None,
                key: None,
            })
            .map(|client| client.authority)
        };
        assert_eq!(client("http://127.0.0.1:4040/").unwrap(), "127.0.0.1:4040");
        assert_eq!(client("localhost").unwrap(), "localhost:80");
        assert_eq!(client("[::1]:4040").unwrap(), "[::1]:4040");
        for wrong in [
            "",
            "ftp://x",
            "http://a b",
            "http://a/b",
            "http://a\r\nX: y",
        ] {
            assert_eq!(client(wrong).unwrap_err().code(), 2, "{wrong}");
        }
    }
}
