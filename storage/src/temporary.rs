//! The names of files that are not yet in place: one pattern, known to writers and readers.

/// How temporary names end. They also start with a dot, so that folder watchers pass them over.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether `name` (a last path component) is one that [`mod@crate::durable`] gives to files not yet in place.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}
