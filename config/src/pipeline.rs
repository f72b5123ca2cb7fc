//! A pipeline: all layers put together and checked as a whole.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Problem, Report};
use crate::layers::SourceText;
use crate::names::Names;
use crate::records::RecordKind;
use crate::secret::redact;
use crate::settings::{self, Settings};
use crate::stream::{Flow, Flows, Streams};
use crate::tree::Table;
use crate::value::table;
use crate::{
    Admin, Backpressure, CatchUp, Checkpoint, ConfigErrors, DeadLetters, Http, Input, Jobs, Layer,
    Layers, Location, Log, Memory, Name, Receiver, Setting, Sink, Source, State, Stop, Storage,
    Stream, Telemetry, Wal, Warning, setting, sink, source,
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
    /// `[http]`.
    pub http: Http,
    /// `[backpressure]`.
    pub backpressure: Backpressure,
    /// `[jobs]`.
    pub jobs: Jobs,
    /// `[catch_up]`.
    pub catch_up: CatchUp,
    /// `[dead_letters]`.
    pub dead_letters: DeadLetters,
    /// `[stop]`.
    pub stop: Stop,
    /// `[log]`.
    pub log: Log,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
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
    /// The file's text, without what is laid over it.
    pub text: String,
    /// Every key that there is in it, with its value and where that came from: the settings, then sources,
    /// streams and sinks.
    pub settings: Vec<Setting>,
    drop_ins: Vec<SourceText>,
}

impl Pipeline {
    /// Loads a file with the drop-ins beside it and lays `env` and then `sets` (each `KEY=VALUE`) over them.
    /// Nothing else is opened. [`Layers`] does it step by step.
    ///
    /// # Errors
    ///
    /// All mistakes that were found.
    ///
    /// ```
    /// use tidemill_config::Pipeline;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tides.toml");
    /// # let text = "name = \"tides\"\n[checkpoint]\nurl = \"memory:\"\n[sources.levels]\ntype = \"http\"\n[sinks.screen]\nfrom = \"levels\"\ntype = \"console\"\n";
    /// # std::fs::write(&path, text)?;
    /// let pipeline = Pipeline::load(&path, &["batch_interval=250ms".to_owned()], std::env::vars())?;
    /// assert_eq!(pipeline.batch_interval.as_millis(), 250);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(
        path: &Path,
        sets: &[String],
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let layers = Layers::read(path)?.with_environment(env).with_sets(sets);
        layers.pipeline()
    }

    /// As [`load`](Self::load), from a text without drop-ins; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// All mistakes that were found.
    ///
    /// ```
    /// use tidemill_config::Pipeline;
    ///
    /// let text = r#"
    /// name = "tides"
    /// [sources.levels]
    /// type = "http"
    /// [sinks.screen]
    /// from = "level"
    /// type = "console"
    /// "#;
    /// let mistakes = Pipeline::parse("tides.toml", text, &[], std::iter::empty()).unwrap_err().to_string();
    /// assert!(mistakes.contains("tides.toml:6:8"), "{mistakes}");
    /// assert!(mistakes.contains("did you mean `levels`?"), "{mistakes}");
    /// ```
    pub fn parse(
        file: &str,
        text: &str,
        sets: &[String],
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let layers = Layers::of(file, text).with_environment(env).with_sets(sets);
        layers.pipeline()
    }

    /// A key with its value, by its dotted name.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The mistakes of a pipeline that is valid, but not where it's to run: each a setting's dotted name and
    /// what is wrong with its value, told with the place where it is written.
    ///
    /// # Errors
    ///
    /// When there are any.
    pub fn refuse(
        &self,
        mistakes: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigErrors> {
        let mut report = Report::default();
        for (key, reason) in mistakes {
            let written = self.setting(&key).and_then(Setting::location);
            let whole = || Location::whole(Layer::File, Arc::clone(&self.file));
            let location = written.cloned().unwrap_or_else(whole);
            report.error(&location, Problem::Invalid { key, reason }, None);
        }
        report.finish().map(|_| ())
    }

    /// The setting of a dotted name, or those that lie below it: `stop.timeout`, `stop`, `sources`.
    ///
    /// # Errors
    ///
    /// When there is none; with the nearest name.
    pub fn settings_below(&self, name: &str) -> Result<Vec<&Setting>, String> {
        setting::below(&self.settings, name).map_err(|meant| {
            let help = meant.map_or_else(
                || "`--explain` alone shows all keys".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            format!("there is no key `{name}` in {}; {help}", self.file)
        })
    }

    /// The texts of the file and its drop-ins, for people to read in a checkpoint. Passwords in URLs, even
    /// in comments, are left out.
    pub fn program_text(&self) -> String {
        let mut text = self.text.clone();
        for drop_in in &self.drop_ins {
            let SourceText { name, text: more } = drop_in;
            text.push_str(&format!("\n# ---- {name} ----\n{more}"));
        }
        redact(&text).into_owned()
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

impl Layers {
    /// The pipeline that they make.
    ///
    /// # Errors
    ///
    /// All mistakes that were found, each with the place in its layer.
    pub fn pipeline(self) -> Result<Pipeline, ConfigErrors> {
        let mut report = Report::default();
        let root = self.tree(&mut report);
        if report.has_syntax_errors() {
            // What follows from text that isn't understood would only be noise.
            return Err(report.into_errors());
        }
        let Self { file, drop_ins, .. } = self;
        let draft = Draft::read(&root, &file.name, &mut report);
        let (warnings, derived) = report.finish()?;
        let name = file.name.clone();
        let mut built = draft.build(file).ok_or_else(|| internal(&name))?;
        built.warnings = warnings;
        built.settings = setting::all(&root, &derived);
        built.drop_ins = drop_ins;
        Ok(built)
    }
}

/// A part was left out without a mistake being reported. It can't be, and if it is, it must be said.
fn internal(file: &Arc<str>) -> ConfigErrors {
    let mut report = Report::default();
    let problem =
        Problem::Incomplete("a part was found bad, but not why; please report this".into());
    report.error(&Location::whole(Layer::File, file.clone()), problem, None);
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
        let start = Location::new(Layer::File, file.clone(), 1, 1);
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
            has_replica: settings
                .storage
                .as_ref()
                .is_none_or(|storage| storage.scratch_replica.is_some()),
            flows,
            uids: std::collections::BTreeMap::new(),
        };
        let read_streams = reader.read(streams, report);
        let read_sinks = sink::read(sinks, &mut reader, report);
        let whole = Location::whole(Layer::File, file.clone());
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

    /// The pipeline, without what isn't in the parts.
    fn build(self, file: SourceText) -> Option<Pipeline> {
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
            http: self.settings.http?,
            backpressure: self.settings.backpressure?,
            catch_up: self.settings.catch_up?,
            jobs: self.settings.jobs?,
            dead_letters: self.settings.dead_letters?,
            stop: self.settings.stop?,
            log: self.settings.log?,
            telemetry: self.settings.telemetry?,
            sources: self.sources.into_iter().collect::<Option<_>>()?,
            streams: self.streams.into_iter().collect::<Option<_>>()?,
            sinks: self.sinks.into_iter().collect::<Option<_>>()?,
            warnings: Vec::new(),
            file: file.name,
            text: file.text,
            settings: Vec::new(),
            drop_ins: Vec::new(),
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
