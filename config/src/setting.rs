//! [`Setting`]: the effective value of a key, and where it came from.

use std::collections::BTreeMap;

use crate::key::{Key, Presence};
use crate::op::OPS;
use crate::settings::SECTIONS;
use crate::sink::SINKS;
use crate::source::SOURCES;
use crate::spelling::shown;
use crate::tree::{Node, Table, parse_value};
use crate::{Layer, Location, sink, source, stream, suggest};

/// A key of a pipeline with its effective value. Values are TOML text in one spelling, with no password in
/// them, so that two that mean the same are equal. All but tables are JSON as well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The dotted key, as `--set` takes it: `sources.lines.max_rate`, `streams.counts.ops.0.op`.
    pub key: String,
    /// Its value; `None` where it isn't set and has no default, or one that is known only while it runs.
    pub value: Option<String>,
    /// What is known of the key.
    pub about: &'static Key,
    /// What lower layers say, the next one first.
    pub overridden: Vec<Overridden>,
    location: Option<Location>,
}

/// A value that a layer has and a higher one replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// The value, as TOML text.
    pub value: String,
    /// Where it is written.
    pub location: Location,
}

impl Setting {
    /// Where its value is written; `None` for defaults.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Where its value comes from, in words.
    pub fn origin(&self) -> String {
        match (&self.location, self.about.presence) {
            (Some(location), _) => location.to_string(),
            (None, Presence::Derived { from, .. }) => format!("default: {from}"),
            (None, _) if self.value.is_none() => "not set".to_owned(),
            (None, _) => "default".to_owned(),
        }
    }
}

/// The setting of a dotted name, or those that lie below it; else the name that was meant, if there is one.
pub(crate) fn below<'a>(
    settings: &'a [Setting],
    name: &str,
) -> Result<Vec<&'a Setting>, Option<&'a str>> {
    let is_below = |setting: &&Setting| {
        let rest = setting.key.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let found: Vec<&Setting> = settings.iter().filter(is_below).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let keys = settings.iter().map(|setting| setting.key.as_str());
    let sections = SECTIONS.iter().map(|(section, _, _)| *section);
    let names = keys.chain(sections.filter(|section| !section.is_empty()));
    Err(suggest::nearest_of(name, names))
}

/// All settings of a valid tree; `derived` are the values of keys that follow from others.
pub(crate) fn all(root: &Table, derived: &BTreeMap<String, String>) -> Vec<Setting> {
    let mut walk = Walk {
        derived,
        settings: Vec::new(),
    };
    for (section, _, keys) in SECTIONS {
        let table = match *section {
            "" => Some(root),
            name => root.get(name).and_then(|entry| entry.node.as_table()),
        };
        walk.table(section, table, &[keys], None);
    }
    for (path, table) in named(root, "sources") {
        let spec = SOURCES
            .iter()
            .find(|spec| is_kind(table, "type", spec.name));
        let keys = spec.map(|spec| spec.all_keys());
        walk.table(
            &path,
            Some(table),
            keys.as_ref().map_or(&[source::COMMON_KEYS], |keys| keys),
            None,
        );
    }
    for (path, table) in named(root, "streams") {
        walk.table(&path, Some(table), &[stream::KEYS], None);
        if let Some(ops) = table.get("ops") {
            walk.ops(&path, &ops.node);
        }
    }
    for (path, table) in named(root, "sinks") {
        let spec = SINKS.iter().find(|spec| is_kind(table, "type", spec.name));
        let keys = [sink::COMMON_KEYS, spec.map_or(&[], |spec| spec.keys)];
        walk.table(&path, Some(table), &keys, None);
    }
    walk.settings
}

/// The tables in a section of named ones, each with its path.
fn named<'a>(root: &'a Table, section: &'a str) -> impl Iterator<Item = (String, &'a Table)> {
    let entries = root.get(section).and_then(|entry| entry.node.as_table());
    entries
        .into_iter()
        .flat_map(Table::iter)
        .filter_map(move |entry| {
            let path = format!("{section}.{}", entry.key);
            Some((path, entry.node.as_table()?))
        })
}

fn is_kind(table: &Table, key: &str, name: &str) -> bool {
    table
        .get(key)
        .is_some_and(|entry| entry.node.as_str() == Some(name))
}

struct Walk<'a> {
    derived: &'a BTreeMap<String, String>,
    settings: Vec<Setting>,
}

impl Walk<'_> {
    fn table(
        &mut self,
        path: &str,
        table: Option<&Table>,
        lists: &[&'static [Key]],
        below: Option<&Node>,
    ) {
        for about in lists.iter().flat_map(|list| list.iter()) {
            let key = match path {
                "" => about.name.to_owned(),
                path => format!("{path}.{}", about.name),
            };
            let node = table.and_then(|table| find(table, about.name));
            // A list of operators is told one by one, unless there are none.
            let is_told_apart = |node: &Node| {
                about.name == "ops" && node.as_array().is_some_and(|items| !items.is_empty())
            };
            if node.is_some_and(is_told_apart) {
                continue;
            }
            let setting = match node {
                Some(node) => written(key, about, node, below),
                None => self.unwritten(key, about),
            };
            self.settings.push(setting);
        }
    }

    /// The operators of a stream. What isn't written of one is left out: there would be too much of it.
    fn ops(&mut self, stream: &str, ops: &Node) {
        for (index, item) in ops.as_array().unwrap_or_default().iter().enumerate() {
            let Some(table) = item.as_table() else {
                continue;
            };
            let Some(spec) = OPS.iter().find(|spec| is_kind(table, "op", spec.name)) else {
                continue;
            };
            let path = format!("{stream}.ops.{index}");
            for about in spec.all_keys().into_iter().flatten() {
                if let Some(node) = find(table, about.name) {
                    let key = format!("{path}.{}", about.name);
                    let below = ops.over.as_deref();
                    self.settings.push(written(key, about, node, below));
                }
            }
        }
    }

    fn unwritten(&self, key: String, about: &'static Key) -> Setting {
        let value = match about.presence {
            Presence::Default(value) => {
                let node = parse_value(value, &Location::whole(Layer::Default, "default"));
                Some(shown(about, &Node { raw: None, ..node }))
            }
            Presence::Derived { .. } => self.derived.get(&key).cloned(),
            Presence::Required(_) | Presence::Optional(_) => None,
        };
        Setting {
            key,
            value,
            about,
            overridden: Vec::new(),
            location: None,
        }
    }
}

/// The value at a dotted name.
fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Node> {
    let mut steps = name.split('.');
    let mut node = &table.get(steps.next()?)?.node;
    for step in steps {
        node = &node.as_table()?.get(step)?.node;
    }
    Some(node)
}

/// A value that is written; `below` is what a lower layer has in the place of the whole that it is in.
fn written(key: String, about: &'static Key, node: &Node, below: Option<&Node>) -> Setting {
    let mut overridden = Vec::new();
    let mut next = node.over.as_deref().or(below);
    while let Some(node) = next {
        overridden.push(Overridden {
            value: shown(about, node),
            location: node.at.clone(),
        });
        next = node.over.as_deref();
    }
    Setting {
        key,
        value: Some(shown(about, node)),
        about,
        overridden,
        location: Some(node.at.clone()),
    }
}
