//! [`Explained`]: a connection on which the HTTP library's own refusals say why, as all others do.
//!
//! What can't be read as a request never gets to a router: the library answers by itself, with a status and
//! no body. That answer is seen where it is written, and a problem is written in its place. Only one that begins a
//! write is known for what it is: behind an answer that the peer hasn't taken yet it goes out as it was.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MAX_HEAD;
use crate::problem::Problem;

/// A stream that writes problems instead of refusals without a body.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    /// A problem that is being written, and how much of it has been.
    problem: Option<(Vec<u8>, usize)>,
}

impl<S> Explained<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            problem: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Explained<S> {
    /// Whether the problem that stands for an answer has been written.
    fn write_problem(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, written)) = &mut self.problem {
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.problem = None;
                break;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the problem that stands for `answer`, if it is a bare refusal: the library, which
    /// gives the same bytes until they are taken, sees all of them taken when the problem is out.
    fn explain(&mut self, cx: &mut Context<'_>, answer: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.problem.is_none() {
            let Some(problem) = refused_with(answer).and_then(problem) else {
                return Poll::Ready(Ok(None));
            };
            self.problem = Some((problem.to_last_answer(), 0));
        }
        ready!(self.write_problem(cx))?;
        Poll::Ready(Ok(Some(answer.len())))
    }
}

/// The status of an answer that is an error's head and nothing else.
fn refused_with(answer: &[u8]) -> Option<StatusCode> {
    // Most writes are told from it here.
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let status = rest.get(2..5).filter(|status| status.starts_with(b"4"))?;
    let lines = answer.strip_suffix(b"\r\n\r\n")?;
    let mut lines = lines.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let is_one_head = lines.clone().all(|line| !line.is_empty());
    let is_bare = lines.any(|line| line.eq_ignore_ascii_case(b"content-length: 0"));
    let status = StatusCode::from_bytes(status).ok()?;
    (is_one_head && is_bare).then_some(status)
}

/// What the library means by a status.
fn problem(status: StatusCode) -> Option<Problem> {
    let detail = match status {
        StatusCode::BAD_REQUEST => {
            "what came isn't an HTTP/1.1 request; a client that speaks TLS needs an address that does".to_owned()
        }
        StatusCode::URI_TOO_LONG => "what is asked for is too long; use a shorter path".to_owned(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
            "the head of the request is larger than {} KiB, or has more than 100 fields",
            MAX_HEAD >> 10
        ),
        _ => return None,
    };
    Some(Problem::new(status, detail))
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match ready!(this.explain(cx, bytes))? {
            Some(taken) => Poll::Ready(Ok(taken)),
            None => Pin::new(&mut this.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A refusal has no second part.
        if let [answer] = bytes
            && let Some(taken) = ready!(this.explain(cx, answer))?
        {
            return Poll::Ready(Ok(taken));
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn only_a_head_without_a_body_is_a_refusal() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused_with(bare), Some(StatusCode::BAD_REQUEST));
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 400",
            b"text",
            b"",
        ] {
            let shown = String::from_utf8_lossy(other);
            assert_eq!(refused_with(other), None, "{shown}");
        }
    }

    #[tokio::test]
    async fn a_problem_is_written_piece_by_piece_where_there_is_little_room() {
        let (mut near, far) = tokio::io::duplex(7);
        let mut stream = Explained::new(far);
        let writing = async move {
            let refusal =
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.write_all(refusal).await.unwrap();
            stream.write_all(b"the end").await.unwrap();
        };
        let mut seen = String::new();
        let (_, read) = tokio::join!(writing, near.read_to_string(&mut seen));
        read.unwrap();
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let problem = problem(status).unwrap().to_last_answer();
        let problem = String::from_utf8(problem).unwrap();
        assert_eq!(seen, format!("HTTP/1.1 200 OK\r\n\r\n{problem}the end"));
    }
}
