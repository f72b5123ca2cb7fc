//! The text that Prometheus reads: families of samples with help, type and labels. In two forms that differ in
//! little: its own, version 0.0.4, and OpenMetrics 1.0.
//!
//! By hand, since the libraries there are keep the figures themselves, and here they are in the engine's
//! snapshots; and prometheus-client, the one that lets others give them, writes only the second form.

use std::fmt::{Display, Write as _};

use tidemill_wal::LatencyHistogram;

/// Which form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    /// Prometheus' own: what everybody gets who doesn't ask for another.
    #[default]
    Plain,
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// What an `Accept` header likes best.
    pub(super) fn accepted(accept: &str) -> Self {
        let open = quality(accept, OPEN_METRICS);
        match open > 0.0 && open >= quality(accept, "text/plain") {
            true => Self::OpenMetrics,
            false => Self::Plain,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How much an `Accept` header likes a type; 0 when it doesn't name it.
fn quality(accept: &str, media_type: &str) -> f64 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts.next()?.eq_ignore_ascii_case(media_type);
        let q = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        is_it.then_some(q.unwrap_or(1.0))
    });
    ranges.fold(0.0, f64::max)
}

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
pub(super) struct Exposition {
    text: String,
    format: Format,
}

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self {
            text: String::with_capacity(16 << 10),
            format,
        }
    }

    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let (family, kind) = match (kind, self.format) {
            // There `_total` belongs to the sample.
            (Kind::Counter, Format::OpenMetrics) => {
                (name.strip_suffix("_total").unwrap_or(name), "counter")
            }
            (Kind::Counter, Format::Plain) => (name, "counter"),
            (Kind::Gauge, _) => (name, "gauge"),
            (Kind::Histogram, _) => (name, "histogram"),
        };
        let quote = match self.format {
            Format::OpenMetrics => "\\\"",
            Format::Plain => "\"",
        };
        // Writing to a string can't fail.
        let _ = write!(self.text, "# HELP {family} ");
        push_escaped(&mut self.text, help, quote);
        let _ = writeln!(self.text, "\n# TYPE {family} {kind}");
        Family {
            text: &mut self.text,
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

    /// A family whose samples differ in the value of one label; nothing where there are none.
    pub(super) fn each<'a, V: Display>(
        &mut self,
        (name, kind, help): (&'static str, Kind, &str),
        label: &str,
        samples: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let mut family = self.family(name, kind, help);
        samples.for_each(|(value, figure)| family.sample(&[(label, value)], figure));
    }

    pub(super) fn into_text(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Text on one line.
fn push_escaped(text: &mut String, value: &str, quote: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' => text.push_str(quote),
            other => text.push(other),
        }
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

    /// Durations, in seconds.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, durations: &LatencyHistogram) {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let mut so_far = 0;
        for (bound, in_bucket) in durations.buckets() {
            so_far += in_bucket;
            // With a point, as OpenMetrics wants it: both forms then name the same series.
            let bound = format!("{:?}", seconds(bound));
            self.line("_bucket", labels, Some(&bound), so_far);
        }
        let count = durations.count();
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, seconds(durations.sum_micros()));
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let labels = labels.iter().copied().chain(le.map(|le| ("le", le)));
        let mut is_first = true;
        for (name, value) in labels {
            self.text.push(if is_first { '{' } else { ',' });
            is_first = false;
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value, "\\\"");
            self.text.push('"');
        }
        if !is_first {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(format: Format) -> String {
        let mut text = Exposition::new(format);
        text.gauge("up", "Whether\n\"it\" is.", 1);
        text.counter("beats_total", "How often.", 7);
        let mut family = text.family("seconds", Kind::Histogram, "How long.");
        let mut durations = LatencyHistogram::new(&[100_000, 1_000_000]);
        for ms in [50, 100, 350, 2_000] {
            durations.record(std::time::Duration::from_millis(ms));
        }
        family.histogram(&[("log", "a\"b")], &durations);
        text.each(
            ("none", Kind::Gauge, "Nothing."),
            "of",
            Vec::<(&str, u8)>::new(),
        );
        text.each(("two", Kind::Gauge, "Both."), "of", [("a", 1), ("b", 2)]);
        text.into_text()
    }

    #[test]
    fn the_text_is_that_of_the_format() {
        let meant = "\
# HELP up Whether\\n\"it\" is.
# TYPE up gauge
up 1
# HELP beats_total How often.
# TYPE beats_total counter
beats_total 7
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{log=\"a\\\"b\",le=\"0.1\"} 2
seconds_bucket{log=\"a\\\"b\",le=\"1.0\"} 3
seconds_bucket{log=\"a\\\"b\",le=\"+Inf\"} 4
seconds_sum{log=\"a\\\"b\"} 2.5
seconds_count{log=\"a\\\"b\"} 4
# HELP two Both.
# TYPE two gauge
two{of=\"a\"} 1
two{of=\"b\"} 2
";
        assert_eq!(some(Format::Plain), meant);
        let meant = meant
            .replace("\"it\"", "\\\"it\\\"")
            .replace("HELP beats_total", "HELP beats")
            .replace("TYPE beats_total", "TYPE beats");
        assert_eq!(some(Format::OpenMetrics), format!("{meant}# EOF\n"));
    }

    #[test]
    fn who_asks_for_open_metrics_gets_it() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                             text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(of_prometheus), Format::OpenMetrics);
        for plain in [
            "",
            "*/*",
            "text/plain",
            "text/plain;q=0.8, application/openmetrics-text; q=0.2",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(Format::accepted(plain), Format::Plain, "{plain}");
        }
    }
}
