//! Opening the database, with patience for one that is just closing.
//!
//! sled's own threads hold its file lock for a moment after the last handle is gone. Our lock keeps every
//! other driver out, so whoever still holds sled's is an earlier life of this process on its way out.

use std::time::Duration;

/// How often, and how far apart, a locked database is tried: five seconds in all.
const TRIES: u32 = 500;
const BETWEEN: Duration = Duration::from_millis(10);

/// Opens the database; one that is still locked is tried again for a while.
pub(super) fn open(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut tries = 1;
    loop {
        match config.open() {
            Err(error) if is_locked(&error) && tries < TRIES => {
                tries += 1;
                std::thread::sleep(BETWEEN);
            }
            opened => return opened,
        }
    }
}

/// sled 0.34.7 gives this error no kind of its own; its words are all there is to tell it by.
pub(super) fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(io) if io.to_string().contains("could not acquire lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_closed_late_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let config = sled::Config::new().path(folder.path());
        let first = config.open().unwrap();
        assert!(is_locked(&config.open().unwrap_err()));
        let closing = std::thread::spawn(move || drop(first));
        open(&config).unwrap();
        closing.join().unwrap();
    }
}
