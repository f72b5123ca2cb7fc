//! [`Key`]: one key of a pipeline file, as data.

/// One key of a section.
#[derive(Debug, PartialEq, Eq)]
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
    /// What its number counts, where the value doesn't say it.
    pub unit: &'static str,
    /// Whether a running pipeline takes a new value.
    pub reloadable: bool,
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
            unit: "",
            reloadable: false,
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
            unit: "",
            reloadable: false,
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
            unit: "",
            reloadable: false,
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
            unit: "",
            reloadable: false,
        }
    }

    /// The same, of a number that counts `unit`.
    pub(crate) const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same, of a key whose new value a running pipeline takes.
    pub(crate) const fn reloadable(self) -> Self {
        Self {
            reloadable: true,
            ..self
        }
    }

    /// The units of its value: those that it is written with, or what its number counts.
    pub fn units(&self) -> &'static str {
        match self.value {
            "a duration" => "ms, s, m, h, d",
            "a size" => "B, KiB, MiB, GiB, TiB",
            _ => self.unit,
        }
    }
}
