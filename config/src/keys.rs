//! The table of all keys: name, type, default and meaning, as data.
//!
//! It is the only place where a default is written: sections take theirs from here, `default.toml` is
//! rendered from here, and so are suggestions for mistyped names. Keys of sources, sinks and operators
//! stand beside their builders in `source`, `sink` and `op`.

use crate::key::Key;
use crate::{op, settings, sink, source, stream};

/// A section with its keys.
#[derive(Debug)]
#[non_exhaustive]
pub struct SectionKeys {
    /// The header, without brackets: `""` for the top, `checkpoint`, `sources.NAME`.
    pub section: &'static str,
    /// The value of `type` or `op` that these keys belong to, where there is one.
    pub kind: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, without those that all kinds share.
    pub keys: &'static [Key],
    /// Further keys that it has in common with some other kinds.
    pub shared: &'static [Key],
}

/// All sections there are, in the order of `default.toml`: the settings, then sources, streams,
/// operators and sinks. Those of several kinds begin with an entry of the keys that all kinds share.
pub fn sections() -> Vec<SectionKeys> {
    let mut all: Vec<SectionKeys> = Vec::new();
    let mut add = |section, kind, doc, keys, shared| {
        all.push(SectionKeys {
            section,
            kind,
            doc,
            keys,
            shared,
        });
    };
    for (section, doc, keys) in settings::SECTIONS {
        add(*section, None, *doc, *keys, &[]);
    }
    add(
        "sources.NAME",
        None,
        "Where records come from.",
        source::COMMON_KEYS,
        &[],
    );
    for spec in source::SOURCES {
        let shared = if spec.is_receiver {
            source::RECEIVER_KEYS
        } else {
            &[]
        };
        add("sources.NAME", Some(spec.name), spec.doc, spec.keys, shared);
    }
    add(
        "streams.NAME",
        None,
        "What is done with them.",
        stream::KEYS,
        &[],
    );
    add(
        "streams.NAME.ops",
        None,
        "One operator of a stream.",
        op::COMMON_KEYS,
        &[],
    );
    for spec in op::OPS {
        let shared = if spec.shuffles { op::SHUFFLE_KEYS } else { &[] };
        add(
            "streams.NAME.ops",
            Some(spec.name),
            spec.doc,
            spec.keys,
            shared,
        );
    }
    add(
        "sinks.NAME",
        None,
        "Where results go.",
        sink::COMMON_KEYS,
        &[],
    );
    for spec in sink::SINKS {
        add("sinks.NAME", Some(spec.name), spec.doc, spec.keys, &[]);
    }
    all
}
