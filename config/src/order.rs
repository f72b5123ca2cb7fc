//! The order in which streams can be built: parents first, else as in the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Problem, Report};
use crate::tree::{Entry, Table};
use crate::value::{FromNode, OneOrMany};

/// Entries of `streams`, parents before children; `is_stream` tells streams from sources. Those in a circle, which is reported, or behind one
/// come last, so that the rest of them is still checked.
pub(crate) fn parents_first<'a>(
    streams: &'a Table,
    is_stream: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Vec<&'a Entry> {
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = streams
        .iter()
        .map(|entry| {
            let known = parents(entry).into_iter().filter(|name| is_stream(name));
            (entry.key.as_str(), known.collect())
        })
        .collect();
    let mut order = Vec::with_capacity(waiting.len());
    loop {
        let ready = |entry: &&Entry| {
            let parents = waiting.get(entry.key.as_str());
            parents.is_some_and(|all| all.iter().all(|name| !waiting.contains_key(name.as_str())))
        };
        let batch: Vec<&Entry> = streams.iter().filter(ready).collect();
        if batch.is_empty() {
            break;
        }
        for entry in &batch {
            waiting.remove(entry.key.as_str());
        }
        order.extend(batch);
    }
    report_circles(streams, &waiting, report);
    order.extend(
        streams
            .iter()
            .filter(|entry| waiting.contains_key(entry.key.as_str())),
    );
    order
}

/// What a stream reads, as far as it can be told without checking.
fn parents(entry: &Entry) -> Vec<String> {
    let Some(stream) = entry.node.as_table() else {
        return Vec::new();
    };
    let ops = stream
        .get("ops")
        .and_then(|ops| ops.node.as_array())
        .unwrap_or_default();
    let unions = ops.iter().filter_map(|op| op.as_table()?.get("with"));
    stream
        .get("from")
        .into_iter()
        .chain(unions)
        .filter_map(|inputs| OneOrMany::from_node(&inputs.node).ok())
        .flat_map(|inputs| inputs.0.into_iter().map(|(name, _)| name))
        .collect()
}

/// Each stream left waiting has a parent that waits, too: following these ends in a circle.
fn report_circles(
    streams: &Table,
    waiting: &BTreeMap<&str, BTreeSet<String>>,
    report: &mut Report,
) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in streams
        .iter()
        .filter(|entry| waiting.contains_key(entry.key.as_str()))
    {
        let mut path: Vec<&str> = Vec::new();
        let mut name = entry.key.as_str();
        while seen.insert(name) {
            path.push(name);
            let parents = waiting.get(name).into_iter().flatten();
            let next = parents
                .map(String::as_str)
                .find_map(|parent| waiting.get_key_value(parent));
            let Some((parent, _)) = next else { break };
            name = parent;
        }
        let Some(start) = path.iter().position(|step| *step == name) else {
            continue;
        };
        let Some(at) = streams.get(name).map(|entry| entry.at.clone()) else {
            continue;
        };
        // Followed from child to parent; records flow the other way.
        let mut circle: Vec<&str> = path.iter().skip(start).rev().copied().collect();
        circle.rotate_right(1);
        circle.push(name);
        let circle: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        report.error(&at, Problem::Cycle(circle.join(" → ")), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::parse_file;

    fn order(text: &str) -> (Vec<String>, String) {
        let mut report = Report::default();
        let table = parse_file(crate::Layer::File, &"f".into(), text, &mut report);
        let is_stream = |name: &str| table.get(name).is_some();
        let order = parents_first(&table, is_stream, &mut report);
        let order = order.iter().map(|entry| entry.key.clone()).collect();
        (order, report.into_errors().to_string())
    }

    #[test]
    fn parents_come_first_and_the_file_s_order_is_kept() {
        let (names, errors) = order(
            "[c]\nfrom = 'b'\n[a]\nfrom = 'x'\n[b]\nfrom = 'x'\n\
             ops = [{ op = 'union', with = ['a'] }]\n",
        );
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(errors, "");
    }

    #[test]
    fn each_circle_is_reported_once_in_the_direction_of_records() {
        let (names, errors) = order(
            "[a]\nfrom = 'c'\n[b]\nfrom = 'a'\n[c]\nfrom = 'b'\n[d]\nfrom = 'c'\n[e]\nfrom = 'e'\n",
        );
        assert_eq!(names.len(), 5);
        assert_eq!(
            errors,
            "f:1:2: streams feed each other in a circle: `a` → `b` → `c` → `a`\n\
             f:9:2: streams feed each other in a circle: `e` → `e`"
        );
    }
}
