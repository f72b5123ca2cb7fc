//! The Prometheus text format, version 0.0.4: families of samples with help, type and labels.

use std::fmt::{Display, Write as _};

/// What kind of figure a family holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only ever grows, until the process starts anew. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

/// A text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// A gauge with one sample without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// A counter with one sample without labels.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The samples of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A histogram: `buckets` are upper bounds and how many fell into each and no lower one.
    pub(super) fn histogram(
        &mut self,
        labels: Labels<'_>,
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        let mut so_far = 0;
        for (bound, in_bucket) in buckets {
            so_far += in_bucket;
            self.line("_bucket", labels, Some(&bound.to_string()), so_far);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let labels = labels.iter().copied().chain(le.map(|le| ("le", le)));
        for (index, (name, value)) in labels.clone().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            self.text.push_str(&format!("{name}=\"{value}\""));
        }
        if labels.count() > 0 {
            self.text.push('}');
        }
        // Writing to a string can't fail.
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_format() {
        let mut text = Exposition::default();
        text.gauge("up", "Whether\nit is.", 1);
        let mut family = text.family("seconds", Kind::Histogram, "How long.");
        family.histogram(&[("log", "a\"b")], [(0.1, 2), (0.5, 1)].into_iter(), 4, 1.5);
        let meant = "\
# HELP up Whether\\nit is.
# TYPE up gauge
up 1
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{log=\"a\\\"b\",le=\"0.1\"} 2
seconds_bucket{log=\"a\\\"b\",le=\"0.5\"} 3
seconds_bucket{log=\"a\\\"b\",le=\"+Inf\"} 4
seconds_sum{log=\"a\\\"b\"} 1.5
seconds_count{log=\"a\\\"b\"} 4
";
        assert_eq!(text.into_text(), meant);
    }
}
