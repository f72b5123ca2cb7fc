//! How many files and connections the process may have open.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than any pipeline needs; some systems allow so many that tables sized by it are huge.
const ENOUGH: u64 = 65_536;

/// Files that logs, checkpoints, sources and sinks may have open meanwhile.
const ENGINE: usize = 256;

/// Allows as many as the system lets the process allow itself: the usual 1024 are for programs that watch them
/// by `select`, and fewer than clients may have connections. Answers how many it may have.
fn allow_many() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_none_or(|current| current >= wanted) {
        return limit.current.unwrap_or(ENOUGH);
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is: {:?}", limit.current);
            limit.current.unwrap_or(ENOUGH)
        }
    }
}

/// How many connections each of so many `addresses` may have: what is `wanted`, if files are left for the engine.
pub(super) fn connections(wanted: NonZeroUsize, addresses: usize) -> NonZeroUsize {
    let files = allow_many();
    let most = room(files, addresses);
    if wanted <= most {
        return wanted;
    }
    tracing::warn!(
        "http.max_connections is {most} instead of {wanted}: the process may have {files} files open; raise LimitNOFILE"
    );
    most
}

fn room(files: u64, addresses: usize) -> NonZeroUsize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let most = files.saturating_sub(ENGINE) / addresses.max(1);
    NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_keeps_its_files() {
        assert_eq!(room(65_536, 1).get(), 65_280);
        assert_eq!(room(1024, 2).get(), 384);
        assert_eq!(room(64, 1).get(), 1);
    }
}
