//! One JSON line a figure.

use serde_json::{Map, Value, json};

/// A figure in the making.
pub struct Report(Map<String, Value>);

impl Report {
    pub fn new(benchmark: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("benchmark".to_owned(), json!(benchmark));
        Self(fields)
    }

    /// A number; large ones without decimals.
    pub fn number(mut self, name: &str, value: f64) -> Self {
        let digits = if value.abs() >= 100.0 { 1.0 } else { 1_000.0 };
        self.0
            .insert(name.to_owned(), json!((value * digits).round() / digits));
        self
    }

    pub fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}

/// The value below which a share of the values lies; 0 without values.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
