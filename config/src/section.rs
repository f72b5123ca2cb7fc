//! Reading the keys of one table against its list of [`Key`]s.
//!
//! Opening a section reports every key that the list lacks, so nothing in a file is ignored silently.
//! Each read then converts one value, or takes the list's default. Reads go on after a mistake, and the
//! caller puts the results together only when it has them all.

use crate::Location;
use crate::error::{Problem, Report};
use crate::key::{Key, Presence};
use crate::settings::table::home_of;
use crate::suggest;
use crate::tree::{Table, parse_value};
use crate::value::{Flaw, FromNode};

pub(crate) struct Section<'a> {
    pub report: &'a mut Report,
    /// Dotted path of the table, empty at the top.
    path: String,
    /// Where the table begins.
    at: Location,
    table: &'a Table,
    keys: Vec<&'static Key>,
}

impl<'a> Section<'a> {
    /// Opens a table whose keys are those of all `lists`. `place` says in messages what it is.
    pub fn open(
        report: &'a mut Report,
        path: impl Into<String>,
        place: &str,
        at: &Location,
        table: &'a Table,
        lists: &[&'static [Key]],
    ) -> Self {
        let keys: Vec<&'static Key> = lists.iter().flat_map(|list| list.iter()).collect();
        for entry in table.iter() {
            if keys.iter().all(|key| key.name != entry.key) {
                let problem = Problem::Unknown {
                    what: "key",
                    name: entry.key.clone(),
                    place: format!(" in {place}"),
                };
                let help = match home_of(&entry.key) {
                    Some(home) => Some(format!("`{}` is a key of {home}", entry.key)),
                    None => suggest::help(&entry.key, keys.iter().map(|key| key.name)),
                };
                report.error(&entry.at, problem, help);
            }
        }
        Self {
            report,
            path: path.into(),
            at: at.clone(),
            table,
            keys,
        }
    }

    /// The value of a key, or its default. `None` without one, or after reporting that it is missing
    /// or bad.
    pub fn get<T: FromNode>(&mut self, name: &str) -> Option<T> {
        if let Some(entry) = self.table.get(name) {
            return match T::from_node(&entry.node) {
                Ok(value) => Some(value),
                Err(flaw) => {
                    self.flaw(name, flaw);
                    None
                }
            };
        }
        let key = self.keys.iter().find(|key| key.name == name)?;
        match key.presence {
            Presence::Default(text) => {
                T::from_node(&parse_value(text, &Location::whole("default"))).ok()
            }
            Presence::Required(example) => {
                let expected = format!("{}, as in {name} = {example}", key.value);
                let key = self.key_path(name);
                self.report
                    .error(&self.at, Problem::Missing { key, expected }, None);
                None
            }
            Presence::Optional(_) | Presence::Derived { .. } => None,
        }
    }

    /// As [`get`](Self::get), with a further test; its `Err` says why the value can't be used.
    pub fn get_if<T: FromNode>(
        &mut self,
        name: &str,
        test: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<T> {
        let value = self.get(name)?;
        match test(&value) {
            Ok(()) => Some(value),
            Err(reason) => {
                self.invalid(name, reason, None);
                None
            }
        }
    }

    /// Whether the key is written, in whatever layer.
    pub fn has(&self, name: &str) -> bool {
        self.table.get(name).is_some()
    }

    /// Reports a value that can't be used.
    pub fn invalid(&mut self, name: &str, reason: impl Into<String>, help: Option<String>) {
        let problem = Problem::Invalid {
            key: self.key_path(name),
            reason: reason.into(),
        };
        let at = self.location_of(name);
        self.report.error(&at, problem, help);
    }

    /// Reports that a value isn't what it should be.
    pub fn flaw(&mut self, name: &str, flaw: Flaw) {
        let (at, problem, help) = flaw.into_problem(self.key_path(name));
        self.report.error(&at, problem, help);
    }

    /// Warns about a value.
    pub fn warn(&mut self, name: &str, message: impl Into<String>) {
        let at = self.location_of(name);
        self.report.warn(
            &at,
            format!("`{}`: {}", self.key_path(name), message.into()),
        );
    }

    /// Where the key's value is written, or the section where it isn't.
    pub fn location_of(&self, name: &str) -> Location {
        self.table
            .get(name)
            .map_or_else(|| self.at.clone(), |entry| entry.node.at.clone())
    }

    /// The key with the section's path before it.
    pub fn key_path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Where the section begins.
    pub fn at(&self) -> &Location {
        &self.at
    }
}
