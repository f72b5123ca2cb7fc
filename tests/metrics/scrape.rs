//! [`Scrape`]: the samples of one answer of `/metrics`.

use std::collections::BTreeMap;

use crate::cli_support::Daemon;

/// Samples by name and labels, as written.
pub struct Scrape(pub BTreeMap<String, f64>);

impl Scrape {
    pub fn of(daemon: &Daemon) -> Self {
        let answer = daemon.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self::parse(&answer.body)
    }

    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    /// A sample that must be there.
    pub fn value(&self, sample: &str) -> f64 {
        let value = self.0.get(sample);
        *value.unwrap_or_else(|| panic!("{sample} isn't in {:#?}", self.0))
    }

    /// A sample that may not be there yet.
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The names of all samples, without labels.
    pub fn names(&self) -> Vec<&str> {
        let names = self.0.keys();
        names
            .map(|sample| sample.split('{').next().unwrap())
            .collect()
    }
}
