//! The text that is scraped: families and samples come in, a page goes out.
//!
//! Two formats with the same samples: Prometheus text 0.0.4, and OpenMetrics 1.0 for those who
//! ask for it. They differ in how a counter's family is called and in the last line.

use latchwork_runtime::metrics::Observed;
use std::fmt::{self, Write};

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text exposition format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The content type of the page.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What an `Accept` header asks for: OpenMetrics only if it is named, and not liked less.
    pub(crate) fn of<'a>(accepts: impl Iterator<Item = &'a str>) -> Self {
        let (mut open, mut plain) = (0.0, 0.0);
        for item in accepts.flat_map(|accept| accept.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |quality| quality.parse::<f64>().ok())
                .unwrap_or(0.0);
            if name.eq_ignore_ascii_case("application/openmetrics-text") {
                open = quality.max(open);
            } else if name.eq_ignore_ascii_case("text/plain") {
                plain = quality.max(plain);
            }
        }
        if open > 0.0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Labels of a sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page as it is written.
pub(super) struct Text {
    format: Format,
    page: String,
    name: &'static str,
    kind: Kind,
}

/// How a sample of a counter is told from its family.
const TOTAL: &str = "_total";
/// Units that a name may end with.
const UNITS: [&str; 2] = ["seconds", "bytes"];

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            page: String::with_capacity(32 << 10),
            name: "",
            kind: Kind::Gauge,
        }
    }

    /// Begins a family: its name without `_total`, and what it means.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        (self.name, self.kind) = (name, kind);
        let open = self.format == Format::OpenMetrics;
        let suffix = if kind == Kind::Counter && !open {
            TOTAL
        } else {
            ""
        };
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.put(format_args!("# HELP {name}{suffix} {help}\n"));
        self.put(format_args!("# TYPE {name}{suffix} {word}\n"));
        let unit = UNITS.into_iter().find(|unit| {
            name.strip_suffix(unit)
                .is_some_and(|rest| rest.ends_with('_'))
        });
        if let Some(unit) = unit.filter(|_| open) {
            self.put(format_args!("# UNIT {name} {unit}\n"));
        }
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl fmt::Display) {
        let suffix = if self.kind == Kind::Counter {
            TOTAL
        } else {
            ""
        };
        self.line(suffix, labels, None, value);
    }

    /// The samples of a histogram: `per_unit` of what was observed are one of the family's unit.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, seen: &Observed, per_unit: f64) {
        let mut count = 0;
        for (place, in_bucket) in seen.buckets.iter().enumerate() {
            count += in_bucket;
            let bound = match seen.bounds.get(place) {
                Some(bound) => (*bound as f64 / per_unit).to_string(),
                None => "+Inf".to_owned(),
            };
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, seen.sum as f64 / per_unit);
        self.line("_count", labels, None, count);
    }

    /// The page.
    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.put(format_args!("# EOF\n"));
        }
        self.page
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: Labels<'_>,
        bound: Option<&str>,
        value: impl fmt::Display,
    ) {
        let name = self.name;
        self.put(format_args!("{name}{suffix}"));
        let bound = bound.map(|bound| ("le", bound));
        let mut before = '{';
        for (label, text) in labels.iter().copied().chain(bound) {
            self.put(format_args!("{before}{label}=\"{}\"", Escaped(text)));
            before = ',';
        }
        let after = if before == '{' { "" } else { "}" };
        self.put(format_args!("{after} {value}\n"));
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = self.page.write_fmt(text);
    }
}

/// The value of a label, as it is written between quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            match part.char_indices().next_back() {
                Some((at, '\n')) => write!(f, "{}\\n", &part[..at])?,
                Some((at, special @ ('\\' | '"'))) => write!(f, "{}\\{special}", &part[..at])?,
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_runtime::metrics::Histogram;

    fn page(format: Format) -> String {
        let mut text = Text::new(format);
        text.family("calls", Kind::Counter, "Calls.");
        text.sample(&[("path", "a\"b\\c\nd")], 3);
        text.sample(&[], 4);
        text.family("wait_seconds", Kind::Histogram, "How long.");
        let waits = Histogram::new(&[500, 1_500_000]);
        for wait in [100, 500, 2_000_000] {
            waits.observe(wait);
        }
        text.histogram(&[("of", "x")], &waits.read(), 1e6);
        text.end()
    }

    #[test]
    fn both_formats_have_the_same_samples() {
        let samples = r#"calls_total{path="a\"b\\c\nd"} 3
calls_total 4
"#;
        let waits = r#"wait_seconds_bucket{of="x",le="0.0005"} 2
wait_seconds_bucket{of="x",le="1.5"} 2
wait_seconds_bucket{of="x",le="+Inf"} 3
wait_seconds_sum{of="x"} 2.0006
wait_seconds_count{of="x"} 3
"#;
        assert_eq!(
            page(Format::Prometheus),
            format!(
                "# HELP calls_total Calls.\n# TYPE calls_total counter\n{samples}\
                 # HELP wait_seconds How long.\n# TYPE wait_seconds histogram\n{waits}"
            )
        );
        assert_eq!(
            page(Format::OpenMetrics),
            format!(
                "# HELP calls Calls.\n# TYPE calls counter\n{samples}\
                 # HELP wait_seconds How long.\n# TYPE wait_seconds histogram\n\
                 # UNIT wait_seconds seconds\n{waits}# EOF\n"
            )
        );
    }

    #[test]
    fn open_metrics_is_for_those_who_name_it() {
        let of = |accept| Format::of([accept].into_iter());
        for accept in [
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
            "application/openmetrics-text",
        ] {
            assert_eq!(of(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "*/*",
            "text/html",
            "text/plain, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(of(accept), Format::Prometheus, "{accept}");
        }
    }
}
