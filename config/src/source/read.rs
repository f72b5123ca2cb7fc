//! Reads sources, and checks them against each other.

use std::net::SocketAddr;
use std::time::Duration;

use super::table::{LATER, SOURCES};
use super::{Limits, Silence, Source, SourceKind};
use crate::error::{Problem, Report};
use crate::section::Section;
use crate::settings::{Receiver, block_interval, positive};
use crate::tree::{Entry, Table};
use crate::typed::Typed;
use crate::value::table;
use crate::{Admin, Name};

/// Reads all sources, in the order of the file.
pub(crate) fn read(
    sources: &Table,
    receiver: Option<&Receiver>,
    batch: Option<Duration>,
    report: &mut Report,
) -> Vec<Option<Source>> {
    sources
        .iter()
        .map(|entry| read_one(entry, sources, receiver, batch, report))
        .collect()
}

fn read_one(
    entry: &Entry,
    siblings: &Table,
    receiver: Option<&Receiver>,
    batch: Option<Duration>,
    report: &mut Report,
) -> Option<Source> {
    let path = format!("sources.{}", entry.key);
    let content = match table(&entry.node, "a table with a `type`") {
        Ok(content) => content,
        Err(flaw) => {
            let (at, problem, help) = flaw.into_problem(path);
            report.error(&at, problem, help);
            return None;
        }
    };
    let known: Vec<&str> = SOURCES.iter().map(|spec| spec.name).collect();
    let kind = Typed {
        what: "source",
        known: &known,
        later: LATER,
    };
    let type_name = kind.type_of(&path, entry, content, siblings, report)?;
    let spec = SOURCES.iter().find(|spec| spec.name == type_name)?;
    let place = format!("[{path}] (type {type_name})");
    let mut section = Section::open(report, path, &place, &entry.at, content, &spec.all_keys());
    let kind = (spec.build)(&mut section);
    let after = section.get_if("silent_after", positive);
    let then = section.get("on_silence");
    let silence = after.zip(then).map(|(after, then)| Silence { after, then });
    let limits = spec.is_receiver.then(|| {
        let default = receiver.map_or(Duration::from_millis(200), |r| r.block_interval);
        let max_rate = section
            .get("max_rate")
            .or(receiver.and_then(|r| r.max_rate));
        if let Some(rate) = max_rate {
            section.derive("max_rate", rate.to_string());
        }
        // A bad interval is reported; the default only stands in for it.
        let block_interval = block_interval(&mut section, batch, default).unwrap_or(default);
        Limits {
            block_interval,
            max_rate,
        }
    });
    let name = Name::parse(&entry.key).ok()?;
    Some(Source {
        name,
        kind: kind?,
        silence,
        limits,
        location: entry.at.clone(),
    })
}

/// Checks the sources of a whole pipeline against each other and the admin address.
pub(crate) fn check_addresses(
    sources: &[Option<Source>],
    admin: Option<&Admin>,
    report: &mut Report,
) {
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    taken.extend(
        admin
            .and_then(|a| a.listen)
            .map(|address| (address, "[admin]".to_owned())),
    );
    for source in sources.iter().flatten() {
        let SourceKind::Http { listen, .. } = &source.kind else {
            continue;
        };
        let key = format!("sources.{}.listen", source.name);
        match listen {
            None if admin.is_some_and(|admin| admin.listen.is_none()) => {
                let expected = "an address, since the admin side is off".into();
                report.error(&source.location, Problem::Missing { key, expected }, None);
            }
            None => {}
            Some(address) => {
                let other = taken
                    .iter()
                    .find(|(other, _)| other == address && other.port() != 0);
                if let Some((_, owner)) = other {
                    let reason = format!("`{address}` is the address of {owner}, too");
                    let problem = Problem::Invalid {
                        key: key.clone(),
                        reason,
                    };
                    report.error(&source.location, problem, None);
                }
                taken.push((*address, format!("[sources.{}]", source.name)));
            }
        }
    }
}
