//! Where spans go, and which: our own settings and the `OTEL_*` variables that every program with
//! OpenTelemetry reads come in, a checked [`Target`] goes out. Ours win.

use crate::config::Config;
use latchwork_runtime::trace::Sampling;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;

/// A share between 0 and 1, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Millionths of the whole.
    pub millionths: u32,
}

impl Ratio {
    /// All of it.
    const WHOLE: Self = Self {
        millionths: 1_000_000,
    };

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let share: f64 = text.trim().parse().ok()?;
        (0.0..=1.0).contains(&share).then(|| Self {
            millionths: (share * 1e6).round() as u32,
        })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.millionths) / 1e6)
    }
}

/// Headers of a request, as `name=value,name=value`, values percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let headers = pairs.map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = http::HeaderName::try_from(name.trim()).ok()?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            http::HeaderValue::from_str(&value).ok()?;
            Some((name.as_str().to_owned(), value.into_owned()))
        });
        headers.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Headers {
    /// Without the values, which are credentials as a rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.keys().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{name}=***")?;
        }
        Ok(())
    }
}

/// Whether a text is the address of a collector.
pub(crate) fn is_url(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    })
}

/// Where spans go, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Address that they are posted to.
    pub(crate) url: String,
    /// Sent along with every request.
    pub(crate) headers: BTreeMap<String, String>,
    /// What this server is called.
    pub(crate) resource: Vec<(String, String)>,
    /// Which traces are recorded.
    pub(crate) sampling: Sampling,
}

impl Target {
    /// From the settings, and the environment where they are silent. `None`: nothing is traced.
    ///
    /// # Errors
    /// The variable of the environment that cannot be understood, and why.
    pub(crate) fn of(
        config: &Config,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is = |name: &str, word: &str| {
            variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        // A variable for traces wins over the one for everything.
        let otlp = |what: &str| {
            let of_traces = format!("OTEL_EXPORTER_OTLP_TRACES_{what}");
            let of_all = format!("OTEL_EXPORTER_OTLP_{what}");
            let named = |name: String| variable(&name).map(|value| (name, value));
            named(of_traces).or_else(|| named(of_all))
        };
        let url = match (&config.tracing_endpoint, otlp("ENDPOINT")) {
            (Some(endpoint), _) => with_path(endpoint),
            (None, Some((name, value))) => {
                if !is_url(&value) {
                    return Err(format!("{name} is {value:?}, which is no http:// address"));
                }
                if let Some((name, protocol)) = otlp("PROTOCOL")
                    && protocol != "http/protobuf"
                {
                    return Err(format!(
                        "{name} is {protocol:?}, and http/protobuf is what is spoken here: set it \
                         so, with the collector's address for HTTP (port 4318 as a rule)"
                    ));
                }
                // That for everything is a base, that for traces is the whole address.
                if name.contains("TRACES") {
                    value
                } else {
                    format!("{}/v1/traces", value.trim_end_matches('/'))
                }
            }
            (None, None) => return Ok(None),
        };
        let headers = match (&config.tracing_headers, otlp("HEADERS")) {
            (Some(headers), _) => headers.0.clone(),
            // Not shown: it may be a secret.
            (None, Some((name, value))) => match Headers::parse(&value) {
                Some(headers) => headers.0,
                None => {
                    return Err(format!(
                        "{name} is not a list such as name=value,name=value"
                    ));
                }
            },
            (None, None) => BTreeMap::new(),
        };
        Ok(Some(Self {
            url,
            headers,
            resource: resource(config, &variable),
            sampling: sampling(config, &variable)?,
        }))
    }
}

/// An address without a path is that of a collector, whose path for traces is known.
fn with_path(endpoint: &str) -> String {
    let bare = (endpoint.parse::<http::Uri>()).is_ok_and(|uri| uri.path() == "/");
    if bare {
        format!("{}/v1/traces", endpoint.trim_end_matches('/'))
    } else {
        endpoint.to_owned()
    }
}

fn resource(config: &Config, variable: &impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let given = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let given = given.split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8_lossy();
        Some((key.trim().to_owned(), value.into_owned()))
    });
    let mut all = BTreeMap::from([
        ("service.name".to_owned(), "latchwork".to_owned()),
        (
            "service.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ]);
    all.extend(given);
    let name = config.tracing_service_name.clone();
    if let Some(name) = name.or_else(|| variable("OTEL_SERVICE_NAME")) {
        all.insert("service.name".to_owned(), name);
    }
    all.into_iter().collect()
}

fn sampling(
    config: &Config,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Sampling, String> {
    let sampler = variable("OTEL_TRACES_SAMPLER");
    let sampler = sampler.as_deref().unwrap_or("parentbased_always_on");
    let own = sampler.strip_prefix("parentbased_");
    let share = match own.unwrap_or(sampler) {
        "always_on" => Ratio::WHOLE,
        "always_off" => Ratio { millionths: 0 },
        "traceidratio" => match variable("OTEL_TRACES_SAMPLER_ARG") {
            None => Ratio::WHOLE,
            Some(text) => Ratio::parse(&text).ok_or_else(|| {
                format!("OTEL_TRACES_SAMPLER_ARG is {text:?}, which is no number from 0 to 1")
            })?,
        },
        _ => {
            return Err(format!(
                "OTEL_TRACES_SAMPLER is {sampler:?}: always_on, always_off and traceidratio are \
                 known, each also after parentbased_"
            ));
        }
    };
    Ok(Sampling {
        millionths: config.tracing_sample_ratio.unwrap_or(share).millionths,
        follows_caller: own.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &Config, variables: &[(&str, &str)]) -> Result<Option<Target>, String> {
        Target::of(config, |wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted)?;
            Some(found.1.to_owned())
        })
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn nothing_is_traced_unless_there_is_a_collector() {
        let none = Config::default();
        assert_eq!(of(&none, &[]), Ok(None));
        assert_eq!(
            of(&none, &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]),
            Ok(None)
        );
        assert_eq!(
            of(&none, &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]),
            Ok(None)
        );
    }

    #[test]
    fn the_standard_variables_are_read_and_ours_win() {
        let target = of(
            &Config::default(),
            &[
                ENDPOINT,
                (
                    "OTEL_EXPORTER_OTLP_HEADERS",
                    "authorization=Bearer%20x, a=1",
                ),
                ("OTEL_SERVICE_NAME", "orders"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=lost,zone=a"),
                ("OTEL_TRACES_SAMPLER", "traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ],
        );
        let target = target.unwrap().unwrap();
        assert_eq!(target.url, "http://collector:4318/v1/traces");
        assert_eq!(target.headers["authorization"], "Bearer x");
        assert_eq!(target.headers["a"], "1");
        let named = |wanted: &str| {
            let found = target.resource.iter().find(|(key, _)| key == wanted);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(
            (named("service.name"), named("zone")),
            (Some("orders"), Some("a"))
        );
        assert_eq!(
            target.sampling,
            Sampling {
                millionths: 250_000,
                follows_caller: false
            }
        );
        let config = Config {
            tracing_endpoint: Some("https://other/custom".into()),
            tracing_sample_ratio: Ratio::parse("1"),
            tracing_service_name: Some("mine".into()),
            ..Config::default()
        };
        let target = of(&config, &[ENDPOINT, ("OTEL_SERVICE_NAME", "orders")]);
        let target = target.unwrap().unwrap();
        assert_eq!(target.url, "https://other/custom");
        assert!(
            target
                .resource
                .contains(&("service.name".into(), "mine".into()))
        );
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/t");
        let target = of(&Config::default(), &[ENDPOINT, whole]).unwrap().unwrap();
        assert_eq!(target.url, "http://c/t");
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (variable, said) in [
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "http/protobuf"),
            (
                ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
                "OTEL_EXPORTER_OTLP_HEADERS",
            ),
            (("OTEL_TRACES_SAMPLER", "jaeger_remote"), "jaeger_remote"),
            (
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector"),
                "collector",
            ),
        ] {
            let refusal = of(&Config::default(), &[ENDPOINT, variable]).unwrap_err();
            assert!(refusal.contains(said), "{refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
        let bad = [
            ENDPOINT,
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "7"),
        ];
        assert!(of(&Config::default(), &bad).is_err());
    }

    #[test]
    fn headers_and_ratios_are_written_as_they_can_be_set() {
        let headers = Headers::parse("authorization=Bearer%20x%2Cy,b=2").unwrap();
        assert_eq!(headers.0["authorization"], "Bearer x,y");
        assert_eq!(headers.to_string(), "authorization=***,b=***");
        for wrong in ["x", "a b=c", "a=%0a"] {
            assert_eq!(Headers::parse(wrong), None, "{wrong}");
        }
        let ratio = Ratio::parse("0.015").unwrap();
        assert_eq!(ratio.to_string(), "0.015");
        assert_eq!((Ratio::parse("1.1"), Ratio::parse("NaN")), (None, None));
    }
}
