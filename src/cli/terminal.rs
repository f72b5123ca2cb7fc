//! The terminal that standard error may be: colours, the bar, and log lines that don't run into it.

use std::io::{IsTerminal, Stderr, Write, stderr};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::StepInfo;

/// Whether people look at it.
pub(super) fn is_terminal() -> bool {
    stderr().is_terminal()
}

/// Whether people look at it who want colours (<https://no-color.org>).
pub(super) fn is_colourful() -> bool {
    is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Where bars are drawn: standard error, when it is a terminal.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// With a total, and without.
const WITH_TOTAL: &str = "  [{bar:30}] {msg}";
const WITHOUT_TOTAL: &str = "  {spinner} {msg}";

/// How far something is, in the last line of the terminal; gone when it is dropped. Nothing where there is no
/// terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(bars().add(ProgressBar::no_length()))
    }

    pub(super) fn show(&self, step: &StepInfo, text: &str) {
        let template = match step.total {
            Some(_) => WITH_TOTAL,
            None => WITHOUT_TOTAL,
        };
        // The templates are right, which a test sees to.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
        if let Some(total) = step.total {
            self.0.set_length(total);
            self.0.set_position(step.done.min(total));
        }
        self.0.set_message(text.to_owned());
        self.0.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        bars().remove(&self.0);
    }
}

/// Standard error, for log lines: whole lines, above the bar if there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(stderr())
    }
}

pub(super) struct Line(Stderr);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match is_terminal() {
            true => bars().suspend(|| self.0.write(bytes)),
            false => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_right() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
