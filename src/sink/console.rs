//! [`Console`]: prints the first elements of each batch, as Spark's `print` does. Once nobody reads what is
//! printed, as when it went through `head`, the program says so and goes on without.

use std::borrow::Borrow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::{BatchIdentity, Guarantee, Sink, TextForm, text_of};
use crate::rdd::{BoxError, Element, Rdd};

const RULE: &str = "-------------------------------------------";

/// Prints the head of each batch.
pub struct Console {
    rows: usize,
    /// `None` once its reader has gone.
    out: Mutex<Option<Box<dyn Write + Send>>>,
}

impl Console {
    /// Prints up to `rows` elements of each batch to standard output.
    ///
    /// ```
    /// use tidemill::sink::Console;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// // What `print_rows` does.
    /// lines.sink(Console::stdout(20));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn stdout(rows: usize) -> Self {
        Self::to(rows, io::stdout())
    }

    /// Prints up to `rows` elements of each batch to `out`.
    ///
    /// ```
    /// use tidemill::sink::Console;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// lines.sink(Console::to(20, std::io::stderr()));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn to(rows: usize, out: impl Write + Send + 'static) -> Self {
        Self {
            rows,
            out: Mutex::new(Some(Box::new(out))),
        }
    }
}

impl<T: ?Sized + Element + TextForm> Sink<T> for Console {
    fn kind(&self) -> &'static str {
        "print"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn show(&self, value: &T) -> Option<String> {
        text_of(value)
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        let head = rdd.take(self.rows.saturating_add(1))?;
        let mut text = format!("{RULE}\nTime: {}\n{RULE}\n", batch.time);
        for value in head.iter().take(self.rows) {
            let value: &T = value.borrow();
            value.write_text(&mut text)?;
            text.push('\n');
        }
        if head.len() > self.rows {
            text.push_str("...\n");
        }
        writeln!(text)?;
        let mut slot = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(out) = &mut *slot else {
            return Ok(());
        };
        let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match printed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                *slot = None;
                tracing::warn!(
                    "nobody reads what is printed any more: nothing is printed from now on"
                );
                Ok(())
            }
            printed => printed.map_err(|error| {
                format!("can't print the batch at {}: {error}", batch.time).into()
            }),
        }
    }
}
