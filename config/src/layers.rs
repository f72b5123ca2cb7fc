//! [`Layers`]: all that a pipeline's settings come from, before any of it is understood.
//!
//! In order, each over those before it: the defaults of the table of keys, the pipeline file, the drop-ins
//! `FILE.d/*.toml` in the order of their names, environment variables, `--set` arguments. Reading files ends
//! here; what comes after works on texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Problem, Report};
use crate::overlay::{apply_environment, apply_sets};
use crate::tree::{Table, parse_file};
use crate::{ConfigErrors, Layer, Location};

/// A file that settings come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceText {
    pub name: Arc<str>,
    pub text: String,
}

/// The layers of a pipeline over the defaults.
///
/// ```
/// use tidemill_config::Layers;
///
/// let text = "name = 'a'\nbatch_interval = '1s'\ncheckpoint.url = 'memory:'\n\
///             [sources.lines]\ntype = 'http'\n[sinks.out]\nfrom = 'lines'\ntype = 'discard'\n";
/// let pipeline = Layers::of("a.toml", text)
///     .with_drop_in("a.toml.d/50-slow.toml", "batch_interval = '5s'\n[stop]\ntimeout = '90s'\n")
///     .with_sets(&["stop.timeout=2m".to_owned()])
///     .pipeline()?;
/// let from = |key: &str| pipeline.setting(key).unwrap().location().unwrap().to_string();
/// assert_eq!(from("batch_interval"), "a.toml.d/50-slow.toml:1:18");
/// assert_eq!(from("stop.timeout"), "--set stop.timeout");
/// # Ok::<(), tidemill_config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone)]
pub struct Layers {
    pub(crate) file: SourceText,
    pub(crate) drop_ins: Vec<SourceText>,
    environment: Vec<(String, String)>,
    sets: Vec<String>,
}

impl Layers {
    /// Layers of a text; `file` is its name in messages.
    pub fn of(file: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self {
            file: SourceText {
                name: file.into(),
                text: text.into(),
            },
            drop_ins: Vec::new(),
            environment: Vec::new(),
            sets: Vec::new(),
        }
    }

    /// Reads a pipeline file and the drop-ins beside it: in the folder of its name with `.d` behind, all
    /// files that end in `.toml` and don't begin with a dot. Without that folder there are none.
    ///
    /// # Errors
    ///
    /// When one of them can't be read or isn't UTF-8.
    pub fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let mut layers = Self::of(path.display().to_string(), read(Layer::File, path)?);
        for path in drop_ins(path)? {
            let text = read(Layer::DropIn, &path)?;
            layers = layers.with_drop_in(path.display().to_string(), text);
        }
        Ok(layers)
    }

    /// Lays a drop-in over what there is.
    #[must_use]
    pub fn with_drop_in(mut self, name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        self.drop_ins.push(SourceText {
            name: name.into(),
            text: text.into(),
        });
        self
    }

    /// Lays the environment over the files; variables of other prefixes mean nothing.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Lays `KEY=VALUE` arguments over all of it.
    #[must_use]
    pub fn with_sets(mut self, sets: &[String]) -> Self {
        self.sets.extend_from_slice(sets);
        self
    }

    /// The tree of all of them, each laid over those before it.
    pub(crate) fn tree(&self, report: &mut Report) -> Table {
        let SourceText { name, text } = &self.file;
        let mut root = parse_file(Layer::File, name, text, report);
        for SourceText { name, text } in &self.drop_ins {
            root.lay_over(parse_file(Layer::DropIn, name, text, report));
        }
        apply_environment(&mut root, self.environment.iter().cloned(), report);
        apply_sets(&mut root, &self.sets, report);
        root
    }
}

/// The paths of the drop-ins of a pipeline file, in the order of their names.
fn drop_ins(pipeline: &Path) -> Result<Vec<PathBuf>, ConfigErrors> {
    let mut folder = pipeline.as_os_str().to_owned();
    folder.push(".d");
    let folder = PathBuf::from(folder);
    let unlisted = |error: std::io::Error| unreadable(Layer::DropIn, &folder, error.to_string());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unlisted)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unlisted)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".toml") && !name.starts_with(b".") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(layer: Layer, path: &Path) -> Result<String, ConfigErrors> {
    let bytes = fs::read(path).map_err(|error| unreadable(layer, path, error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        unreadable(layer, path, format!("it isn't UTF-8 from byte {offset} on"))
    })
}

fn unreadable(layer: Layer, path: &Path, reason: String) -> ConfigErrors {
    let mut report = Report::default();
    let at = Location::whole(layer, path.display().to_string());
    report.error(&at, Problem::Unreadable(reason), None);
    report.into_errors()
}
