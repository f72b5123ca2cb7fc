//! [`Change`]: what differs between a running pipeline and a new one, and whether it can be taken over
//! without a restart.

use std::collections::BTreeMap;

use crate::{Pipeline, Setting};

/// A setting that differs. A source, stream or sink that only one of the pipelines has is one change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The dotted key.
    pub key: String,
    /// The running value, as TOML text; `None` where there is none.
    pub running: Option<String>,
    /// The new value.
    pub new: Option<String>,
    /// Where the new value comes from, in words.
    pub origin: String,
    /// Why it needs a restart; `None` where a running pipeline takes it.
    pub needs_restart: Option<&'static str>,
}

/// Why keys that a running pipeline doesn't take need a restart, by what they begin with; the first that
/// fits counts.
const NEEDS_RESTART: &[(&str, &str)] = &[
    ("name", "checkpoints and outputs are known by the name"),
    (
        "batch_interval",
        "batch times follow from it, and windows are counted in it",
    ),
    ("concurrent_jobs", "threads are started once"),
    ("checkpoint.url", "the location is owned from the start on"),
    (
        "checkpoint.",
        "a start compares the graph with the checkpoint",
    ),
    ("wal.", "the logs are open"),
    ("admin.listen", "the port is bound at the start"),
    ("log.format", "the log is opened once"),
    ("sources.", "the graph is fixed while it runs"),
    ("streams.", "the graph is fixed while it runs"),
    ("sinks.", "the graph is fixed while it runs"),
];

/// Why all others do.
const READ_ONCE: &str = "it is read at the start";

impl Pipeline {
    /// What differs in `new`, in the order of the running pipeline, with what is new behind.
    ///
    /// ```
    /// use tidemill_config::Layers;
    ///
    /// let text = "name = 'a'\nbatch_interval = '1s'\ncheckpoint.url = 'memory:'\n\
    ///             [sources.lines]\ntype = 'http'\n[sinks.out]\nfrom = 'lines'\ntype = 'discard'\n";
    /// let running = Layers::of("a.toml", text).pipeline()?;
    /// let sets = ["stop.timeout=90s", "batch_interval=2s"].map(str::to_owned);
    /// let changes = running.changes(&Layers::of("a.toml", text).with_sets(&sets).pipeline()?);
    /// let refused: Vec<_> = changes.iter().filter(|change| change.needs_restart.is_some()).collect();
    /// assert_eq!((changes.len(), refused.len()), (2, 1));
    /// assert_eq!(refused[0].key, "batch_interval");
    /// # Ok::<(), tidemill_config::ConfigErrors>(())
    /// ```
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let (ours, theirs) = (by_key(self), by_key(new));
        let mut changes: Vec<Change> = Vec::new();
        let mut add = |change: Change| {
            if changes.last().is_none_or(|last| last.key != change.key) {
                changes.push(change);
            }
        };
        for setting in &self.settings {
            match theirs.get(setting.key.as_str()) {
                Some(new) if new.value == setting.value => {}
                Some(new) => add(change(setting, Some(setting), Some(new))),
                None => match part(&setting.key).filter(|part| !has_part(new, part)) {
                    Some(part) => add(whole(part, true)),
                    None => add(change(setting, Some(setting), None)),
                },
            }
        }
        for setting in &new.settings {
            if ours.contains_key(setting.key.as_str()) {
                continue;
            }
            match part(&setting.key).filter(|part| !has_part(self, part)) {
                Some(part) => add(whole(part, false)),
                None => add(change(setting, None, Some(setting))),
            }
        }
        // Operators that are written otherwise have other keys, most of which were never set.
        changes.retain(|change| change.running != change.new);
        changes
    }
}

fn by_key(pipeline: &Pipeline) -> BTreeMap<&str, &Setting> {
    let settings = pipeline.settings.iter();
    settings
        .map(|setting| (setting.key.as_str(), setting))
        .collect()
}

/// The source, stream or sink that a key is of: `sources.lines`.
fn part(key: &str) -> Option<&str> {
    let (section, rest) = key.split_once('.')?;
    if !matches!(section, "sources" | "streams" | "sinks") {
        return None;
    }
    let name = rest.split('.').next().unwrap_or_default();
    key.get(..section.len() + 1 + name.len())
}

fn has_part(pipeline: &Pipeline, wanted: &str) -> bool {
    let mut settings = pipeline.settings.iter();
    settings.any(|setting| part(&setting.key) == Some(wanted))
}

fn change(about: &Setting, running: Option<&Setting>, new: Option<&Setting>) -> Change {
    let value = |setting: Option<&Setting>| setting.and_then(|setting| setting.value.clone());
    Change {
        key: about.key.clone(),
        running: value(running),
        new: value(new),
        origin: new.map_or_else(|| "no longer there".to_owned(), Setting::origin),
        needs_restart: (!about.about.reloadable).then(|| why(&about.key)),
    }
}

/// A part that is there on one side only.
fn whole(part: &str, is_running: bool) -> Change {
    let there = |is_there: bool| is_there.then(|| "there".to_owned());
    Change {
        key: part.to_owned(),
        running: there(is_running),
        new: there(!is_running),
        origin: if is_running {
            "no longer there"
        } else {
            "added"
        }
        .to_owned(),
        needs_restart: Some(why(part)),
    }
}

fn why(key: &str) -> &'static str {
    let reason = NEEDS_RESTART
        .iter()
        .find(|(start, _)| key.starts_with(start));
    reason.map_or(READ_ONCE, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use crate::Layers;

    const TEXT: &str = "name = 'a'\nbatch_interval = '1s'\ncheckpoint.url = 'memory:'\n\
        [sources.lines]\ntype = 'http'\n[streams.s]\nfrom = 'lines'\nops = [{ op = 'split' }]\n\
        [sinks.out]\nfrom = 's'\ntype = 'discard'\n";

    /// `key: running -> new`, `!` behind what needs a restart.
    fn changed(text: &str, sets: &[&str]) -> Vec<String> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let running = Layers::of("f", TEXT).pipeline().unwrap();
        let new = Layers::of("f", text).with_sets(&sets).pipeline().unwrap();
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let line = |change: crate::Change| {
            let mark = if change.needs_restart.is_some() {
                "!"
            } else {
                ""
            };
            format!(
                "{}: {} -> {}{mark}",
                change.key,
                shown(&change.running),
                shown(&change.new)
            )
        };
        running.changes(&new).into_iter().map(line).collect()
    }

    #[test]
    fn what_means_the_same_is_no_change() {
        assert_eq!(changed(&format!("# more\n{TEXT}"), &[]), [] as [&str; 0]);
        let same = [
            "stop.timeout=1m",
            "checkpoint.interval=10000ms",
            "storage.reserve=64 MiB",
        ];
        assert_eq!(changed(TEXT, &same), [] as [&str; 0]);
    }

    #[test]
    fn what_follows_from_a_change_is_told_too() {
        assert_eq!(
            changed(TEXT, &["receiver.max_rate=5", "batch_interval=100ms"]),
            [
                "batch_interval: \"1s\" -> \"100ms\"!",
                "receiver.block_interval: \"200ms\" -> \"100ms\"!",
                "receiver.max_rate: none -> 5",
                "sources.lines.block_interval: \"200ms\" -> \"100ms\"!",
                "sources.lines.max_rate: none -> 5",
            ]
        );
    }

    #[test]
    fn parts_that_come_and_go_are_one_change_each() {
        let more = format!("{TEXT}[sources.more]\ntype = 'socket'\naddress = 'a:1'\n");
        assert_eq!(changed(&more, &[]), ["sources.more: none -> there!"]);
        let other = TEXT.replace("streams.s", "streams.t").replace("'s'", "'t'");
        assert_eq!(
            changed(&other, &[]),
            [
                "streams.s: there -> none!",
                "sinks.out.from: \"s\" -> \"t\"!",
                "streams.t: none -> there!"
            ]
        );
        let ops = TEXT.replace(
            "{ op = 'split' }",
            "{ op = 'split', on = ',' }, { op = 'count' }",
        );
        assert_eq!(
            changed(&ops, &[]),
            [
                "streams.s.ops.0.on: none -> \",\"!",
                "streams.s.ops.1.op: none -> \"count\"!"
            ]
        );
    }
}
