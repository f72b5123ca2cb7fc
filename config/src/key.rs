//! [`Key`]: one key of a pipeline file, as data.

/// One key of a section.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// What its value is, in words: "a duration".
    pub value: &'static str,
    /// Whether it must be there, and what holds when it isn't.
    pub presence: Presence,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// Whether a key must be written, and what holds when it isn't. Values are TOML text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must be written; holds an example.
    Required(&'static str),
    /// Off or without limit unless it is written; holds an example.
    Optional(&'static str),
    /// Has a default; holds it.
    Default(&'static str),
    /// Its default follows from something else.
    Derived {
        /// A typical value.
        example: &'static str,
        /// What the default is, in words.
        from: &'static str,
    },
}

impl Key {
    pub(crate) const fn required(
        name: &'static str,
        value: &'static str,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            presence: Presence::Required(example),
            doc,
        }
    }

    pub(crate) const fn optional(
        name: &'static str,
        value: &'static str,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            presence: Presence::Optional(example),
            doc,
        }
    }

    pub(crate) const fn default(
        name: &'static str,
        value: &'static str,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            presence: Presence::Default(default),
            doc,
        }
    }

    pub(crate) const fn derived(
        name: &'static str,
        value: &'static str,
        example: &'static str,
        from: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            presence: Presence::Derived { example, from },
            doc,
        }
    }
}
