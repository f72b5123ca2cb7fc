//! Reading the keys of one table against its list of [`Key`]s. A key with dots, as `pid.integral`, lies in
//! tables within.
//!
//! Opening a section reports every key that the list lacks, so nothing in a file is ignored silently.
//! Each read then converts one value, or takes the list's default. Reads go on after a mistake, and the
//! caller puts the results together only when it has them all.

use crate::error::{Problem, Report};
use crate::key::{Key, Presence};
use crate::op::SQL;
use crate::secret;
use crate::settings::table::home_of;
use crate::suggest;
use crate::tree::{Entry, Table, parse_value};
use crate::value::{Flaw, FromNode};
use crate::{Layer, Location};

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
        for (name, entry) in leaves(table, "", &keys) {
            if keys.iter().all(|key| key.name != name) {
                let names = || keys.iter().map(|key| key.name);
                let help = match home_of(&name) {
                    _ if name == "sql" => Some(SQL.to_owned()),
                    Some(home) => Some(format!("`{name}` is a key of {home}")),
                    None => secret::help(&name, names()).or_else(|| suggest::help(&name, names())),
                };
                let problem = Problem::Unknown {
                    what: "key",
                    name,
                    place: format!(" in {place}"),
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
        if let Some(entry) = self.entry(name) {
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
            Presence::Default(text) => T::from_node(&parse_value(
                text,
                &Location::whole(Layer::Default, "default"),
            ))
            .ok(),
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

    /// Notes the value, as TOML text, of a key that isn't written.
    pub fn derive(&mut self, name: &str, value: impl Into<String>) {
        if !self.has(name) {
            let key = self.key_path(name);
            self.report.derive(key, value.into());
        }
    }

    /// Whether the key is written, in whatever layer.
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
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
        self.entry(name)
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

    /// What is written for a key.
    fn entry(&self, name: &str) -> Option<&'a Entry> {
        let mut steps = name.split('.');
        let mut entry = self.table.get(steps.next()?)?;
        for step in steps {
            entry = entry.node.as_table()?.get(step)?;
        }
        Some(entry)
    }

    /// Where the section begins.
    pub fn at(&self) -> &Location {
        &self.at
    }
}

/// The entries of a table under their names, and in their place those of tables in which `keys` lie.
fn leaves<'a>(table: &'a Table, prefix: &str, keys: &[&Key]) -> Vec<(String, &'a Entry)> {
    let mut found = Vec::new();
    for entry in table.iter() {
        let name = format!("{prefix}{}", entry.key);
        let within = format!("{name}.");
        match entry.node.as_table() {
            Some(inner) if keys.iter().any(|key| key.name.starts_with(&within)) => {
                found.extend(leaves(inner, &within, keys));
            }
            _ => found.push((name, entry)),
        }
    }
    found
}
