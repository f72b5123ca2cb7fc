//! [`spread()`]: which entries slots held of which nothing can be read. Pure.

use std::collections::BTreeSet;

use super::terms::{Examined, Policy};
use crate::position::Sequence;

/// The numbers that the segments begin with. Segments in a row of which nothing can be read share what is
/// missing between those around them: as somebody noted it, else the first stands for all of it.
pub(super) fn spread(examined: &Examined, policy: &Policy) -> Vec<Sequence> {
    let segments = &examined.segments;
    let mut names: Vec<Sequence> = segments.iter().map(|segment| segment.name).collect();
    if examined.tears {
        // Files are named by their numbers.
        return names;
    }
    let noted: BTreeSet<Sequence> = policy.noted.values().map(|noted| noted.segment).collect();
    let mut begun: Option<Sequence> = None;
    for (index, segment) in segments.iter().enumerate() {
        if segment.header.is_some() {
            begun = None;
            continue;
        }
        let behind = segments
            .iter()
            .skip(index)
            .find(|other| other.header.is_some());
        let limit = behind.map_or(policy.known_end, |other| other.name);
        let name = match begun {
            None => segment.name,
            Some(before) => {
                let mut next = noted.range(before.next()..);
                let next = next.next().copied().filter(|next| *next < limit);
                next.unwrap_or(limit.max(before))
            }
        };
        if let Some(own) = names.get_mut(index) {
            *own = name;
        }
        begun = Some(name);
    }
    names
}
