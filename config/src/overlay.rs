//! The layers above the files: environment variables, and over these `--set KEY=VALUE`.
//!
//! Both write into the parsed tree before anything is checked, so a bad overlay meets the same checks as
//! a bad file; its [`Location`] is its own name. A key's steps are table keys, or numbers counted from 0
//! in a list (`streams.counts.ops.0.on`).

use crate::error::{Problem, Report};
use crate::tree::{Entry, MAX_DEPTH, Node, Table, Value, parse_value};
use crate::{Layer, Location};

/// What names of environment variables that set keys begin with.
pub const ENVIRONMENT_PREFIX: &str = "TIDEMILL__";

/// How the steps of a key find their entry in a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    /// Letter for letter.
    Exact,
    /// Ignoring case, and with `_` for `-`: all that an environment variable can spell.
    Loose,
}

/// Lays environment variables over the tree, in order of their names so that the result is the same
/// whatever order the system lists them in.
pub(crate) fn apply_environment(
    tree: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
    report: &mut Report,
) {
    let mut ours: Vec<(String, String)> = variables
        .filter(|(name, _)| {
            name.get(..ENVIRONMENT_PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(ENVIRONMENT_PREFIX))
        })
        .collect();
    ours.sort();
    for (name, value) in ours {
        let at = Location::whole(Layer::Environment, format!("environment {name}"));
        let key = name.get(ENVIRONMENT_PREFIX.len()..).unwrap_or_default();
        let steps: Vec<&str> = key.split("__").collect();
        set(tree, &steps, &value, Match::Loose, &at, report);
    }
}

/// Lays `KEY=VALUE` arguments over the tree; later ones win.
pub(crate) fn apply_sets(tree: &mut Table, sets: &[String], report: &mut Report) {
    for argument in sets {
        let Some((key, value)) = argument.split_once('=') else {
            let at = Location::whole(Layer::Argument, format!("--set {argument}"));
            let reason = "expected KEY=VALUE, found no `=`".to_owned();
            report.error(
                &at,
                Problem::Invalid {
                    key: argument.clone(),
                    reason,
                },
                None,
            );
            continue;
        };
        let key = key.trim();
        let at = Location::whole(Layer::Argument, format!("--set {key}"));
        let steps: Vec<&str> = key.split('.').collect();
        set(tree, &steps, value.trim(), Match::Exact, &at, report);
    }
}

fn set(
    tree: &mut Table,
    steps: &[&str],
    value: &str,
    by: Match,
    at: &Location,
    report: &mut Report,
) {
    let invalid = |reason: String| Problem::Invalid {
        key: steps.join("."),
        reason,
    };
    if steps.iter().any(|step| step.is_empty()) {
        report.error(at, invalid("a step of the key is empty".into()), None);
        return;
    }
    if steps.len() > MAX_DEPTH {
        report.error(at, invalid(format!("more than {MAX_DEPTH} steps")), None);
        return;
    }
    if let Err(reason) = put(tree, steps, parse_value(value, at), by, at) {
        report.error(at, invalid(reason), None);
    }
}

/// Puts the node at the end of the path, making tables on the way.
fn put(
    table: &mut Table,
    steps: &[&str],
    node: Node,
    by: Match,
    at: &Location,
) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        return Err("the key is empty".into());
    };
    let key = spelling(table, step, by);
    let make = || Entry {
        key: key.clone(),
        at: at.clone(),
        node: Node::new(Value::Table(Table::default()), at.clone()),
    };
    if rest.is_empty() && table.get(&key).is_none() {
        // Nothing is there to be laid over.
        table.entry(&key, || Entry { node, ..make() });
        return Ok(());
    }
    let Some(entry) = table.entry(&key, make) else {
        return Ok(());
    };
    if rest.is_empty() {
        entry.at = at.clone();
    }
    descend(&mut entry.node, &key, rest, node, by, at)
}

fn descend(
    target: &mut Node,
    key: &str,
    rest: &[&str],
    node: Node,
    by: Match,
    at: &Location,
) -> Result<(), String> {
    let Some((step, after)) = rest.split_first() else {
        Node::replace(target, node);
        return Ok(());
    };
    let described = target.describe();
    match &mut target.value {
        Value::Table(table) => put(table, rest, node, by, at),
        Value::Array(items) => {
            let count = items.len();
            let item = step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index));
            match item {
                Some(item) => descend(item, step, after, node, by, at),
                None if count == 0 => Err(format!("`{key}` is an empty list")),
                None => Err(format!(
                    "`{key}` is a list: expected a number from 0 to {}, found `{step}`",
                    count - 1
                )),
            }
        }
        _ => Err(format!(
            "`{key}` is {described}, so there can be no `{step}` in it"
        )),
    }
}

/// The key as the table spells it, or as it would be added.
fn spelling(table: &Table, step: &str, by: Match) -> String {
    if by == Match::Exact || table.get(step).is_some() {
        return step.to_owned();
    }
    let fold = |key: &str| key.to_ascii_lowercase().replace('-', "_");
    let wanted = fold(step);
    match table.iter().find(|entry| fold(&entry.key) == wanted) {
        Some(entry) => entry.key.clone(),
        None => step.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::parse_file;

    const FILE: &str = "name = 'a'\nlist = [{ on = 1 }]\n[sources.my-lines]\naddress = 'x'\n";

    fn tree() -> Table {
        parse_file(Layer::File, &"f".into(), FILE, &mut Report::default())
    }

    fn lookup<'a>(table: &'a Table, path: &str) -> &'a Node {
        let mut steps = path.split('.');
        let mut node = &table.get(steps.next().unwrap()).unwrap().node;
        for step in steps {
            node = match &node.value {
                Value::Table(table) => &table.get(step).unwrap().node,
                Value::Array(items) => &items[step.parse::<usize>().unwrap()],
                _ => panic!("no table at {step}"),
            };
        }
        node
    }

    #[test]
    fn the_environment_finds_keys_whatever_their_case() {
        let mut tree = tree();
        let mut report = Report::default();
        let variables = [
            (
                "TIDEMILL__SOURCES__MY_LINES__ADDRESS".to_owned(),
                "h:1".to_owned(),
            ),
            ("TIDEMILL__LIST__0__ON".to_owned(), "2".to_owned()),
            ("TIDEMILL_LOG".to_owned(), "not ours".to_owned()),
        ];
        apply_environment(&mut tree, variables.into_iter(), &mut report);
        assert_eq!(report.into_errors().to_string(), "");
        let address = lookup(&tree, "sources.my-lines.address");
        assert_eq!(address.as_str(), Some("h:1"));
        assert_eq!(
            address.at.to_string(),
            "environment TIDEMILL__SOURCES__MY_LINES__ADDRESS"
        );
        assert!(matches!(
            lookup(&tree, "list.0.on").value,
            Value::Integer(2)
        ));
    }

    #[test]
    fn a_later_set_wins_and_missing_tables_are_made() {
        let mut tree = tree();
        let mut report = Report::default();
        let sets = ["wal.receiver=false", "name=b", "name=c"].map(str::to_owned);
        apply_sets(&mut tree, &sets, &mut report);
        assert_eq!(report.into_errors().to_string(), "");
        assert!(matches!(
            lookup(&tree, "wal.receiver").value,
            Value::Boolean(false)
        ));
        assert_eq!(lookup(&tree, "name").as_str(), Some("c"));
    }

    #[test]
    fn a_bad_path_names_the_overlay() {
        for (set, expected) in [
            ("name", "--set name: `name`: expected KEY=VALUE"),
            (
                "name.x=1",
                "`name` is the string \"a\", so there can be no `x` in it",
            ),
            (
                "list.7.on=1",
                "`list` is a list: expected a number from 0 to 0, found `7`",
            ),
            ("a..b=1", "a step of the key is empty"),
            ("=1", "a step of the key is empty"),
        ] {
            let mut report = Report::default();
            apply_sets(&mut tree(), &[set.to_owned()], &mut report);
            let text = report.into_errors().to_string();
            assert!(text.contains(expected), "{set}: {text}");
        }
    }

    #[test]
    fn an_endless_key_is_refused() {
        let mut report = Report::default();
        let key = vec!["a"; 100_000].join(".");
        apply_sets(&mut Table::default(), &[format!("{key}=1")], &mut report);
        assert!(report.into_errors().to_string().contains("more than"));
    }
}
