//! The terminal that standard error may be: colours, the bar, and log lines that don't run into it.

use std::ffi::OsString;
use std::io::{IsTerminal, Stderr, Write, stderr, stdout};
use std::sync::OnceLock;
use std::time::Duration;

use clap::{ColorChoice, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::StepInfo;

/// Whether people look at it.
pub(super) fn is_terminal() -> bool {
    stderr().is_terminal()
}

/// When to print in colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

static CHOSEN: OnceLock<Colour> = OnceLock::new();

/// What `--color` says, once it has been read.
pub(super) fn choose(colour: Colour) {
    // There is one command line.
    let _ = CHOSEN.set(colour);
}

impl Colour {
    /// What `--color` says in arguments that clap hasn't read, for what clap itself prints.
    pub(super) fn asked_for(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_str().unwrap_or_default();
            let value = match text.strip_prefix("--color") {
                Some("") => arguments.next().and_then(|next| next.into_string().ok()),
                Some(value) => value.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            let colour = value.and_then(|value| Self::from_str(&value, false).ok());
            if let Some(colour) = colour {
                return colour;
            }
        }
        Self::Auto
    }

    /// In clap's words; it looks at terminal and environment itself.
    pub(super) fn for_help(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }

    /// Whether to, given the environment (<https://no-color.org>, <https://bixense.com/clicolors>).
    fn decide(self, no_color: bool, force: bool, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !no_color && (force || is_terminal),
        }
    }
}

fn wants_colours(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let force = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let chosen = CHOSEN.get().copied().unwrap_or_default();
    chosen.decide(set("NO_COLOR").is_some(), force, is_terminal)
}

/// Whether standard error is read by people who want colours.
pub(super) fn is_colourful() -> bool {
    wants_colours(is_terminal())
}

/// How results are printed that people should notice, or needn't.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    is_on: bool,
}

impl Paint {
    /// For standard output.
    pub(super) fn of_results() -> Self {
        Self {
            is_on: wants_colours(stdout().is_terminal()),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.is_on {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// As it should be.
    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// To be looked after.
    pub(super) fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What matters among other things.
    pub(super) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What needn't be read.
    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// Where bars are drawn: standard error, when it is a terminal.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// With a total, and without.
const WITH_TOTAL: &str = "  [{bar:30}] {msg}";
const WITHOUT_TOTAL: &str = "  {spinner} {msg}";
const AT_WORK: &str = "  {spinner} {msg}, {binary_bytes} read, {elapsed}";
const THROUGH: &str = "  [{bar:30}] {msg}, {binary_bytes} of {binary_total_bytes}, {elapsed}";

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(120);

/// The last line of the terminal; gone when it is dropped. Nothing where there is no terminal.
struct LastLine(ProgressBar);

impl LastLine {
    fn new(bar: ProgressBar) -> Self {
        Self(bars().add(bar))
    }

    fn style(&self, template: &str) {
        // The templates are right, which a test sees to.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
    }
}

impl Drop for LastLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        bars().remove(&self.0);
    }
}

/// How far something is.
pub(super) struct Bar(LastLine);

impl Bar {
    pub(super) fn new() -> Self {
        Self(LastLine::new(ProgressBar::no_length()))
    }

    pub(super) fn show(&self, step: &StepInfo, text: &str) {
        let LastLine(bar) = &self.0;
        self.0.style(match step.total {
            Some(_) => WITH_TOTAL,
            None => WITHOUT_TOTAL,
        });
        if let Some(total) = step.total {
            bar.set_length(total);
            bar.set_position(step.done.min(total));
        }
        bar.set_message(text.to_owned());
        bar.tick();
    }
}

/// That a command is at work, and how much it has read, until it is dropped.
pub(super) struct Work(LastLine);

impl Work {
    /// Of which nobody knows how much it is.
    pub(super) fn on(text: impl Into<String>) -> Self {
        Self::shown(ProgressBar::no_length(), AT_WORK, text.into())
    }

    /// Through so many bytes.
    pub(super) fn through(text: impl Into<String>, bytes: u64) -> Self {
        Self::shown(ProgressBar::new(bytes), THROUGH, text.into())
    }

    fn shown(bar: ProgressBar, template: &str, text: String) -> Self {
        let line = LastLine::new(bar);
        line.style(template);
        line.0.set_message(text);
        line.0.enable_steady_tick(TICK);
        Self(line)
    }

    /// What it is at now.
    pub(super) fn say(&self, text: impl Into<String>) {
        self.0.0.set_message(text.into());
    }

    /// So many bytes more have been read.
    pub(super) fn read(&self, bytes: u64) {
        self.0.0.inc(bytes);
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
    fn who_asks_for_colours_gets_them() {
        let auto = Colour::Auto;
        assert!(auto.decide(false, false, true) && !auto.decide(false, false, false));
        assert!(!auto.decide(true, true, true) && auto.decide(false, true, false));
        assert!(
            Colour::Always.decide(true, false, false) && !Colour::Never.decide(false, true, true)
        );
        let asked = |arguments: &[&str]| Colour::asked_for(arguments.iter().map(OsString::from));
        assert_eq!(
            asked(&["tidemill", "fsck", "--color", "never"]),
            Colour::Never
        );
        assert_eq!(
            asked(&["tidemill", "--color=always", "fsck"]),
            Colour::Always
        );
        assert_eq!(asked(&["tidemill", "--color", "pink"]), auto);
        assert_eq!(asked(&["tidemill", "--colors"]), auto);
    }

    #[test]
    fn the_templates_are_right() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL, AT_WORK, THROUGH] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
