//! Finding out the `type` of a source or sink.

use crate::error::{Problem, Report};
use crate::suggest;
use crate::tree::{Entry, Table};

/// How the `type` of a source or sink is found out.
pub(crate) struct Typed<'a> {
    pub what: &'static str,
    pub known: &'a [&'a str],
    pub later: &'a [(&'a str, &'a str)],
}

impl Typed<'_> {
    /// The type of an entry, one of the known ones; else `None`, and it is reported why.
    pub fn type_of(
        &self,
        path: &str,
        entry: &Entry,
        content: &Table,
        siblings: &Table,
        report: &mut Report,
    ) -> Option<String> {
        let key = format!("{path}.type");
        let Some(found) = content.get("type") else {
            let expected = format!("a type of {}: {}", self.what, self.known.join(", "));
            // An overlay's slip of the keyboard would make a new entry.
            let others = siblings.iter().map(|sibling| sibling.key.as_str());
            let others = others.filter(|name| *name != entry.key);
            let help = if entry.at.is_in_file() {
                None
            } else {
                suggest::help(&entry.key, others)
            };
            report.error(&entry.at, Problem::Missing { key, expected }, help);
            return None;
        };
        let at = &found.node.at;
        let Some(name) = found.node.as_str() else {
            let expected = format!("a type of {}", self.what);
            let problem = Problem::WrongType {
                key,
                expected,
                found: found.node.describe(),
            };
            report.error(at, problem, None);
            return None;
        };
        if self.known.contains(&name) {
            return Some(name.to_owned());
        }
        let what = if self.what == "source" {
            "type of source"
        } else {
            "type of sink"
        };
        let name = name.to_owned();
        match self.later.iter().find(|(later, _)| *later == name) {
            Some((_, instead)) => {
                let help = format!("until this build has it, use {instead}");
                report.error(at, Problem::NotBuiltIn { what, name }, Some(help));
            }
            None => {
                let names = self
                    .known
                    .iter()
                    .copied()
                    .chain(self.later.iter().map(|l| l.0));
                let help = suggest::help(&name, names);
                let place = format!(" in [{path}]");
                report.error(at, Problem::Unknown { what, name, place }, help);
            }
        }
        None
    }
}
