//! A pipeline: all layers put together and checked as a whole.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Problem, Report};
use crate::names::Names;
use crate::records::RecordKind;
use crate::settings::{self, Settings};
use crate::stream::{Flow, Flows, Streams};
use crate::tree::{Table, parse_file};
use crate::value::table;
use crate::{
    Admin, Backpressure, Checkpoint, ConfigErrors, DeadLetters, Input, Jobs, Location, Log, Memory,
    Name, Receiver, Sink, Source, State, Stop, Storage, Stream, Wal, Warning, overlay, sink,
    source,
};

/// A checked pipeline. Whoever holds one need not check any of it again.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pipeline {
    /// The application's name.
    pub name: Name,
    /// Time between batches, above 0, whole milliseconds; every slide and window is a multiple of it.
    pub batch_interval: Duration,
    /// Jobs run at once.
    pub concurrent_jobs: NonZeroUsize,
    /// How long generated batches are kept at least, if set.
    pub remember: Option<Duration>,
    /// `[checkpoint]`.
    pub checkpoint: Checkpoint,
    /// `[wal]`.
    pub wal: Wal,
    /// `[storage]`.
    pub storage: Storage,
    /// `[memory]`.
    pub memory: Memory,
    /// `[state]`.
    pub state: State,
    /// `[receiver]`.
    pub receiver: Receiver,
    /// `[admin]`.
    pub admin: Admin,
    /// `[backpressure]`.
    pub backpressure: Backpressure,
    /// `[jobs]`.
    pub jobs: Jobs,
    /// `[dead_letters]`.
    pub dead_letters: DeadLetters,
    /// `[stop]`.
    pub stop: Stop,
    /// `[log]`.
    pub log: Log,
    /// Sources in the order of the file.
    pub sources: Vec<Source>,
    /// Streams, parents before children.
    pub streams: Vec<Stream>,
    /// Sinks in the order of the file; at least one.
    pub sinks: Vec<Sink>,
    /// What is allowed but probably not meant, in the order of the file.
    pub warnings: Vec<Warning>,
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// The file's text, without overlays.
    pub text: String,
}

impl Pipeline {
    /// Loads a file and lays `env` and then `sets` (each `KEY=VALUE`) over it. Nothing but the file is
    /// opened.
    ///
    /// # Errors
    ///
    /// All mistakes that were found.
    pub fn load(
        path: &Path,
        sets: &[String],
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        let unreadable = |reason: String| {
            let mut report = Report::default();
            report.error(
                &Location::whole(file.as_str()),
                Problem::Unreadable(reason),
                None,
            );
            report.into_errors()
        };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            unreadable(format!("it isn't UTF-8 from byte {offset} on"))
        })?;
        Self::parse(&file, &text, sets, env)
    }

    /// As [`load`](Self::load), from a text; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// All mistakes that were found.
    pub fn parse(
        file: &str,
        text: &str,
        sets: &[String],
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let file: Arc<str> = file.into();
        let mut report = Report::default();
        let mut root = parse_file(&file, text, &mut report);
        if report.has_errors() {
            // What follows from text that isn't understood would only be noise.
            return Err(report.finish().err().unwrap_or_else(|| internal(&file)));
        }
        overlay::apply_environment(&mut root, env, &mut report);
        overlay::apply_sets(&mut root, sets, &mut report);
        let draft = Draft::read(&root, &file, &mut report);
        let warnings = report.finish()?;
        let built = draft.build(file.clone(), text.to_owned(), warnings);
        built.ok_or_else(|| internal(&file))
    }

    /// The source of a name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources
            .iter()
            .find(|source| source.name.as_str() == name)
    }

    /// The stream of a name.
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.name.as_str() == name)
    }
}

/// A part was left out without a mistake being reported. It can't be, and if it is, it must be said.
fn internal(file: &Arc<str>) -> ConfigErrors {
    let mut report = Report::default();
    let problem =
        Problem::Incomplete("a part was found bad, but not why; please report this".into());
    report.error(&Location::whole(file.clone()), problem, None);
    report.into_errors()
}

/// All parts, `None` where a mistake was reported.
struct Draft {
    settings: Settings,
    sources: Vec<Option<Source>>,
    streams: Vec<Option<Stream>>,
    sinks: Vec<Option<Sink>>,
}

impl Draft {
    fn read(root: &Table, file: &Arc<str>, report: &mut Report) -> Self {
        let start = Location::new(file.clone(), 1, 1);
        let settings = settings::read(root, &start, report);
        let batch = settings.batch_interval;
        let empty = Table::default();
        let part = |name, report: &mut Report| entries(root, name, report).unwrap_or(&empty);
        let (sources, streams, sinks) = (
            part("sources", report),
            part("streams", report),
            part("sinks", report),
        );
        let names = Names::gather(sources, streams, report);
        let read_sources = source::read(sources, settings.receiver.as_ref(), batch, report);
        source::check_addresses(&read_sources, settings.admin.as_ref(), report);
        let text = Flow {
            records: Some(RecordKind::TEXT),
            slide: batch,
        };
        let flows: Flows = sources
            .iter()
            .map(|entry| (entry.key.clone(), text))
            .collect();
        let mut reader = Streams {
            names: &names,
            batch,
            has_dead_letters: settings
                .dead_letters
                .as_ref()
                .is_none_or(|letters| letters.url.is_some()),
            flows,
            uids: std::collections::BTreeMap::new(),
        };
        let read_streams = reader.read(streams, report);
        let read_sinks = sink::read(sinks, &mut reader, report);
        let whole = Location::whole(file.clone());
        for (table, what, example) in [
            (sources, "no source", "[sources.lines]"),
            (sinks, "no output operation", "[sinks.screen]"),
        ] {
            if table.iter().next().is_none() {
                let message = format!("{what}: there must be at least one, such as {example}");
                report.error(&whole, Problem::Incomplete(message), None);
            }
        }
        let draft = Self {
            settings,
            sources: read_sources,
            streams: read_streams,
            sinks: read_sinks,
        };
        draft.warn_unused(report);
        draft
    }

    /// Warns of sources and streams that no sink depends on.
    fn warn_unused(&self, report: &mut Report) {
        let mut used: BTreeSet<&Name> = self
            .sinks
            .iter()
            .flatten()
            .map(|sink| sink.from.name())
            .collect();
        // Children come after their parents, so one pass from the end reaches every ancestor.
        for stream in self.streams.iter().flatten().rev() {
            if !used.contains(&stream.name) {
                let message = format!(
                    "stream `{}` feeds no sink, so it is never computed",
                    stream.name
                );
                report.warn(&stream.location, message);
                continue;
            }
            used.extend(stream.from.iter().map(Input::name));
            for op in &stream.ops {
                used.extend(op.kind.other_inputs().iter().map(Input::name));
            }
        }
        for source in self
            .sources
            .iter()
            .flatten()
            .filter(|source| !used.contains(&source.name))
        {
            let message = format!(
                "source `{}` feeds no sink, so its records go nowhere",
                source.name
            );
            report.warn(&source.location, message);
        }
    }

    fn build(self, file: Arc<str>, text: String, warnings: Vec<Warning>) -> Option<Pipeline> {
        let Settings {
            name,
            batch_interval,
            concurrent_jobs,
            remember,
            ..
        } = self.settings;
        Some(Pipeline {
            name: name?,
            batch_interval: batch_interval?,
            concurrent_jobs: concurrent_jobs?,
            remember,
            checkpoint: self.settings.checkpoint?,
            wal: self.settings.wal?,
            storage: self.settings.storage?,
            state: self.settings.state?,
            receiver: self.settings.receiver?,
            memory: self.settings.memory?,
            admin: self.settings.admin?,
            backpressure: self.settings.backpressure?,
            jobs: self.settings.jobs?,
            dead_letters: self.settings.dead_letters?,
            stop: self.settings.stop?,
            log: self.settings.log?,
            sources: self.sources.into_iter().collect::<Option<_>>()?,
            streams: self.streams.into_iter().collect::<Option<_>>()?,
            sinks: self.sinks.into_iter().collect::<Option<_>>()?,
            warnings,
            file,
            text,
        })
    }
}

/// The named entries of `sources`, `streams` or `sinks`, if they are there and a table.
fn entries<'a>(root: &'a Table, name: &str, report: &mut Report) -> Option<&'a Table> {
    let entry = root.get(name)?;
    match table(&entry.node, &format!("tables, as in [{name}.NAME]")) {
        Ok(entries) => Some(entries),
        Err(flaw) => {
            let (at, problem, help) = flaw.into_problem(name.to_owned());
            report.error(&at, problem, help);
            None
        }
    }
}
