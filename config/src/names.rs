//! The names of sources and streams, and what a `from` or `with` means by them.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Problem, Report};
use crate::tree::Table;
use crate::value::OneOrMany;
use crate::{Location, Name, suggest};

/// What a stream or a sink reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The source of this name.
    Source(Name),
    /// The stream of this name.
    Stream(Name),
}

impl Input {
    /// The name; no source has the name of a stream.
    pub fn name(&self) -> &Name {
        match self {
            Self::Source(name) | Self::Stream(name) => name,
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

/// All names that something can be read from.
#[derive(Debug, Default)]
pub(crate) struct Names {
    inputs: BTreeMap<String, Input>,
}

impl Names {
    /// Gathers the names of sources and streams; bad and double ones are reported.
    pub fn gather(sources: &Table, streams: &Table, report: &mut Report) -> Self {
        let mut names = Self::default();
        for (section, table) in [("sources", sources), ("streams", streams)] {
            for entry in table.iter() {
                let Some(name) = parse(section, &entry.key, &entry.at, report) else {
                    continue;
                };
                let input = match section {
                    "sources" => Input::Source(name),
                    _ => Input::Stream(name),
                };
                if names.inputs.contains_key(&entry.key) {
                    let key = format!("{section}.{}", entry.key);
                    let reason = "there is a source of this name: give the stream another".into();
                    report.error(&entry.at, Problem::Invalid { key, reason }, None);
                    continue;
                }
                names.inputs.insert(entry.key.clone(), input);
            }
        }
        names
    }

    /// The input of a name, without reporting.
    pub fn find(&self, name: &str) -> Option<&Input> {
        self.inputs.get(name)
    }

    /// The inputs of a `from` or `with`; unknown and double ones are reported, and then it is `None`.
    pub fn resolve(&self, named: &OneOrMany, report: &mut Report) -> Option<Vec<Input>> {
        let mut inputs: Vec<Input> = Vec::new();
        let mut good = true;
        for (name, at) in &named.0 {
            match self.find(name) {
                Some(input) if inputs.contains(input) => {
                    good = false;
                    let key = name.clone();
                    let reason = "named twice: its records would count twice".into();
                    report.error(at, Problem::Invalid { key, reason }, None);
                }
                Some(input) => inputs.push(input.clone()),
                None => {
                    good = false;
                    let what = "source or stream";
                    let problem = Problem::Unknown {
                        what,
                        name: name.clone(),
                        place: String::new(),
                    };
                    let help = suggest::help(name, self.inputs.keys().map(String::as_str));
                    report.error(at, problem, help);
                }
            }
        }
        good.then_some(inputs)
    }
}

/// A section's name, reported if it is bad.
pub(crate) fn parse(section: &str, name: &str, at: &Location, report: &mut Report) -> Option<Name> {
    match Name::parse(name) {
        Ok(name) => Some(name),
        Err(reason) => {
            let key = format!("{section}.{name}");
            report.error(at, Problem::Invalid { key, reason }, None);
            None
        }
    }
}
