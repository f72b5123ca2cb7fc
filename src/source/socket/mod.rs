//! [`SocketReceiver`]: records read from a TCP connection.
//!
//! The receiver connects, reads until the peer closes, and ends with an error, so that its supervisor
//! shows what happened and starts it again after its back-off. A socket can't be asked to send again:
//! what was read is in memory until its block is cut, and what the peer sent while nobody was connected
//! is the peer's to keep.

mod converter;
mod lines;

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub use converter::Converter;

use crate::block::Record;
use crate::rdd::BoxError;
use crate::receiver::{Receiver, Store};
use lines::LineBuffer;

/// How much room a read has, at least.
const READ: usize = 256 * 1024;

/// How long a connection may take: one that gets no answer at all counts as down, as one that is refused does.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How a [`SocketReceiver`] connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    /// Wait before the first reconnect; it doubles with each failure.
    pub reconnect_delay: Duration,
    /// The longest wait.
    pub reconnect_delay_max: Duration,
    /// The longest line in bytes, without its line end. A longer one is reported and dropped whole: a
    /// line cut in two would be two wrong records. With a converter: the most bytes that may wait for
    /// the rest of a record; more are an error.
    pub max_line: usize,
}

impl Default for SocketOptions {
    /// 100 ms to 30 s, lines of 1 MiB.
    fn default() -> Self {
        Self {
            reconnect_delay: Duration::from_millis(100),
            reconnect_delay_max: Duration::from_secs(30),
            max_line: 1 << 20,
        }
    }
}

/// Receives records from a TCP connection: lines of text, or what a [`Converter`] makes of the bytes.
#[derive(Debug)]
pub struct SocketReceiver<C = Lines> {
    address: String,
    options: SocketOptions,
    converter: C,
}

/// Stands for lines of text in the place of a converter: lines go into blocks as they lie in the buffer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines;

impl SocketReceiver<Lines> {
    /// Receives the lines that come from `address` (`host:port`). Bytes that aren't UTF-8 are replaced
    /// by U+FFFD, with a warning for each connection.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::source::{SocketOptions, SocketReceiver};
    ///
    /// let lines = context.receiver_stream(SocketReceiver::text("localhost:9999", SocketOptions::default()));
    /// lines.print();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn text(address: impl Into<String>, options: SocketOptions) -> Self {
        Self {
            address: address.into(),
            options,
            converter: Lines,
        }
    }
}

impl<C: Converter> SocketReceiver<C> {
    /// Receives what `converter` makes of the bytes that come from `address` (`host:port`).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use bytes::{Buf, BytesMut};
    /// use tidemill::rdd::BoxError;
    /// use tidemill::source::{Converter, SocketOptions, SocketReceiver};
    ///
    /// /// Levels of four bytes, the highest first.
    /// struct Levels;
    ///
    /// impl Converter for Levels {
    ///     type Record = u32;
    ///
    ///     fn convert(&mut self, buffer: &mut BytesMut) -> Result<Option<u32>, BoxError> {
    ///         Ok(if buffer.len() < 4 { None } else { Some(buffer.get_u32()) })
    ///     }
    /// }
    ///
    /// let gauge = SocketReceiver::with("localhost:9999", SocketOptions::default(), Levels);
    /// let levels = context.receiver_stream(gauge);
    /// levels.reduce(|a, b| *a.max(b)).print();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with(address: impl Into<String>, options: SocketOptions, converter: C) -> Self {
        Self {
            address: address.into(),
            options,
            converter,
        }
    }
}

async fn connect(address: &str) -> Result<TcpStream, BoxError> {
    match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
        Ok(connected) => {
            connected.map_err(|error| format!("can't connect to {address}: {error}").into())
        }
        Err(_) => Err(format!(
            "can't connect to {address}: no answer within {} s",
            CONNECT_LIMIT.as_secs()
        )
        .into()),
    }
}

/// What to say when the connection to `address` has ended.
fn ended(address: &str, result: std::io::Result<usize>) -> BoxError {
    match result {
        Ok(_) => format!("the connection to {address} was closed by the peer").into(),
        Err(error) => format!("the connection to {address} broke: {error}").into(),
    }
}

impl Receiver for SocketReceiver<Lines> {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let mut connection = connect(&self.address).await?;
        let mut lines = LineBuffer::new(&self.address, self.options.max_line);
        loop {
            let result = connection.read_buf(lines.room(READ)).await;
            let has_ended = !matches!(result, Ok(1..));
            if let Some(text) = lines.take(has_ended) {
                store.store_lines(&text).await?;
            }
            if has_ended {
                return Err(ended(&self.address, result));
            }
        }
    }

    fn back_off(&self) -> (Duration, Duration) {
        (
            self.options.reconnect_delay,
            self.options.reconnect_delay_max,
        )
    }

    fn describe(&self) -> String {
        format!("lines from {}", self.address)
    }
}

impl<C: Converter> Receiver for SocketReceiver<C>
where
    C::Record: Record,
{
    type Record = C::Record;

    async fn on_start(&mut self, store: Store<C::Record>) -> Result<(), BoxError> {
        let mut connection = connect(&self.address).await?;
        self.converter.start();
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ);
            let result = connection.read_buf(&mut buffer).await;
            let has_ended = !matches!(result, Ok(1..));
            let mut records = Vec::new();
            let converted =
                converter::convert_all(&mut self.converter, &mut buffer, has_ended, &mut records);
            store.store_many(&records).await?;
            converted.map_err(|error| format!("what {} sent: {error}", self.address))?;
            if has_ended {
                return Err(ended(&self.address, result));
            }
            if buffer.len() > self.options.max_line {
                let (address, most) = (&self.address, self.options.max_line);
                return Err(
                    format!("{address} sent more than {most} bytes without a record").into(),
                );
            }
        }
    }

    fn back_off(&self) -> (Duration, Duration) {
        (
            self.options.reconnect_delay,
            self.options.reconnect_delay_max,
        )
    }

    fn describe(&self) -> String {
        format!("records from {}", self.address)
    }
}

#[cfg(test)]
mod tests;
