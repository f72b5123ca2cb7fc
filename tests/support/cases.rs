//! How many cases a random test runs.

/// What `TIDEMILL_CASES` says, or so many.
pub fn cases(default: u32) -> u32 {
    let given = std::env::var("TIDEMILL_CASES").ok();
    given
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(default)
}
