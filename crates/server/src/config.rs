//! Settings: text from four places comes in, one checked [`Config`] goes out.
//!
//! ```text
//!   defaults  <  latchwork.toml  <  LATCHWORK_* environment  <  flags
//! ```
//!
//! The table of settings below is the only list of them: the file's keys, the environment's
//! names and the flags all come from it, and so does the reference that `--help` prints.
//! Whatever is not in it is refused, with the nearest name that is.

use crate::ingress::SecretHeaders;
use crate::telemetry::{Headers, LogFormat, Ratio, is_url};
use crate::transport::Ranges;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read from the working directory if none is named.
pub const FILE: &str = "latchwork.toml";
/// What the names of settings in the environment begin with.
pub const ENV_PREFIX: &str = "LATCHWORK_";
/// The variable that names the file.
pub const FILE_VARIABLE: &str = "LATCHWORK_CONFIG";

/// Variables with our prefix that name the file, or that other programs of this project read.
const FOREIGN: [&str; 6] = [
    FILE_VARIABLE,
    "LATCHWORK_BIN",
    "LATCHWORK_TOKEN",
    "LATCHWORK_CA_FILE",
    "LATCHWORK_CERT_FILE",
    "LATCHWORK_KEY_FILE",
];

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $default:expr, $read:expr, $expects:literal;)+) => {
        /// Everything that can be set.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $ty,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// All settings, in the order of the reference.
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                key: stringify!($name),
                help: concat!($($doc),+),
                expects: $expects,
                set: |config, text| {
                    config.$name = $read(text)?;
                    Some(())
                },
                get: |config| config.$name.written(),
            },)+
        ];
    };
}

settings! {
    /// Where callers reach the ingress, as host:port. Default 127.0.0.1:8080.
    ingress_addr: String = "127.0.0.1:8080".to_owned(), address, "host:port, such as 0.0.0.0:8080";
    /// Where operators reach the admin API, as host:port. Default 127.0.0.1:9070.
    admin_addr: String = "127.0.0.1:9070".to_owned(), address, "host:port, such as 127.0.0.1:9070";
    /// A TOML file of tokens, which both ports then ask for; `latchwork token create --help` shows how
    /// it looks. Read again when it changes. Default: nobody is asked, which only loopback addresses
    /// allow.
    auth_file: Option<PathBuf> = None, some_path, "a path";
    /// How long is kept what operators did, for the table sys_audit. Default 90d.
    audit_age_max: Duration = Duration::from_secs(90 * 24 * 60 * 60), duration, "a duration, such as 90d or 12h";
    /// Rows of that table that are kept; of requests that were refused, as many again. Default 100000.
    audit_rows_max: usize = 100_000, positive, "a number of at least 1";
    /// Whether the server may listen where strangers reach it although it asks nobody for a token,
    /// because something else keeps them out. Default false.
    insecure_no_auth: bool = false, truth, "true or false";
    /// A PEM file with the server's certificate and those that vouch for it. With it and its key both
    /// ports speak TLS. Read again when it changes. Default: they do not.
    tls_cert_file: Option<PathBuf> = None, some_path, "a path";
    /// A PEM file with the key of that certificate.
    tls_key_file: Option<PathBuf> = None, some_path, "a path";
    /// A PEM file with those who vouch for clients; whoever shows no certificate of theirs gets no
    /// connection. Default: clients need none.
    tls_client_ca_file: Option<PathBuf> = None, some_path, "a path";
    /// A PEM file with those who vouch for deployments, besides those whom the system trusts.
    deployment_ca_file: Option<PathBuf> = None, some_path, "a path";
    /// A PEM file with a certificate that is shown to deployments which ask for one. Default: none is.
    deployment_cert_file: Option<PathBuf> = None, some_path, "a path";
    /// A PEM file with the key of that certificate.
    deployment_key_file: Option<PathBuf> = None, some_path, "a path";
    /// The directory that holds everything durable; made if missing. Default ./latchwork-data.
    data_dir: PathBuf = PathBuf::from("./latchwork-data"), path, "a path";
    /// Number of partitions, each with a log and a thread of its own; fixed when the data
    /// directory is made. Default: what the directory has, 1 for a new one.
    partitions: Option<u16> = None, partitions, "a number from 1 to 1024";
    /// Attempts that may run at a time; further ones wait for their turn. Default 10000.
    attempts_max: usize = 10_000, positive, "a number of at least 1";
    /// Memory that running attempts may hold for journals and state; further ones wait for their
    /// turn. Default: a quarter of what the machine or the container has, at least 32MiB.
    attempts_bytes_max: u64 = attempts_share(), bytes, "a size, such as 256MiB";
    /// What the journal of one invocation may grow to; one that has more is paused, with the
    /// reason. Default 128MiB.
    invocation_bytes_max: u64 = 128 << 20, bytes, "a size, such as 128MiB";
    /// Connections that each of the two ports serves at a time; further ones are refused with 503.
    /// Default 10000, or a quarter of the files that the process may open if that is less.
    connections_max: usize = 10_000, positive, "a number of at least 1";
    /// The largest request body that is accepted. Default 32MiB.
    request_bytes_max: usize = 32 << 20, bytes_usize, "a size of at least 1, such as 32MiB or 500kB";
    /// Headers of calls that handlers get, and journals hold, only if the handler asks for them
    /// (keep_headers of its service): names with commas between them, in which * stands for any text.
    /// Default authorization,proxy-authorization,cookie.
    secret_headers: SecretHeaders = SecretHeaders::default(), SecretHeaders::parse, "names of headers such as authorization,cookie,x-*-token";
    /// Memory for the bodies of requests that are being received; one that finds no room is refused
    /// with 429. Default: an eighth of what the machine or the container has, at least 64MiB.
    receiving_bytes_max: usize = receiving_share(), bytes_usize, "a size of at least 1, such as 256MiB";
    /// Memory for the caches of the tables. Default: an eighth of what the machine or the
    /// container has, at least 8MiB and at most 256MiB.
    cache_bytes: u64 = cache_share(), bytes, "a size, such as 64MiB";
    /// Free space on the disk of the data directory below which the health checks answer 503; below
    /// half of it, new work is refused with 507. Default 128MiB; 0 for never.
    disk_bytes_min: u64 = 128 << 20, bytes, "a size, such as 128MiB";
    /// How long a SQL statement may run. Default 10s.
    query_time_max: Duration = Duration::from_secs(10), duration, "a duration, such as 10s or 500ms";
    /// Rows that a SQL statement may answer with. Default 100000.
    query_rows_max: usize = 100_000, positive, "a number of at least 1";
    /// Memory that a SQL statement may take, and the most bytes of its answer. Two run at a time.
    /// Default 64MiB.
    query_bytes_max: usize = 64 << 20, bytes_usize, "a size of at least 1, such as 64MiB";
    /// Series that one family of metrics may have of handlers; the handlers that come after are
    /// counted together, as `other`. Default 1000.
    metrics_series_max: usize = 1_000, positive, "a number of at least 1";
    /// How long running attempts may go on recording after SIGTERM. Default 5s.
    shutdown_grace: Duration = Duration::from_secs(5), duration, "a duration, such as 5s or 500ms";
    /// Threads that serve connections; partitions have their own. Default: half the CPUs.
    rim_threads: usize = half_the_cpus(), positive, "a number of at least 1";
    /// Addresses that deployments may be at, as ranges with commas between them. The narrowest range
    /// of this setting and the next decides on an address. Default none: all but the denied ones.
    deployments_allow: Ranges = Ranges::default(), Ranges::parse, "a list of addresses and ranges such as 10.0.0.0/8,::1";
    /// Addresses that no deployment may be at; 0.0.0.0/0,::/0 for all that are not allowed. Those at
    /// which clouds tell secrets of the machine (169.254.0.0/16 and others) are denied unless allowed.
    /// Default none but those.
    deployments_deny: Ranges = Ranges::default(), Ranges::parse, "a list of addresses and ranges such as 10.0.0.0/8,::1";
    /// A PEM file (PKCS#8) with the Ed25519 key that requests to endpoints are signed with.
    /// Default: they are not signed.
    identity_key_file: Option<PathBuf> = None, some_path, "a path";
    /// A folder whose files are the web UI, read at each request, for whoever works on them. Default:
    /// those that are compiled in.
    ui_dir: Option<PathBuf> = None, some_path, "a path";
    /// Where spans are sent, as OTLP over HTTP: the address of a collector, such as
    /// http://localhost:4318, to which /v1/traces is added if it has no path. Default: what
    /// OTEL_EXPORTER_OTLP_ENDPOINT says, else nothing is traced.
    tracing_endpoint: Option<String> = None, url, "an address such as http://localhost:4318";
    /// Headers for the collector, as name=value,name=value with values percent-encoded. Default:
    /// what OTEL_EXPORTER_OTLP_HEADERS says, else none.
    tracing_headers: Option<Headers> = None, headers, "a list such as name=value,name=value";
    /// Share of the traces that begin here which is recorded, from 0 to 1; callers decide for
    /// theirs. Default: what OTEL_TRACES_SAMPLER says, else 1.
    tracing_sample_ratio: Option<Ratio> = None, ratio, "a number from 0 to 1";
    /// How this server is called in traces. Default: what OTEL_SERVICE_NAME says, else latchwork.
    tracing_service_name: Option<String> = None, some_text, "a name";
    /// How lines to stderr are written: text, or json with one object a line. Default text.
    log_format: LogFormat = LogFormat::Text, LogFormat::parse, "text or json";
    /// What is logged to stderr: error, warn, info, debug or trace, and more exactly by module,
    /// as in info,latchwork_runtime=debug. Default info.
    log: String = "info".to_owned(), log_filter, "a level, or a list such as info,latchwork_runtime=debug";
}

/// One setting: how it is called, what it means, how its text is read.
pub struct Setting {
    /// The name in the file. Flags and environment derive theirs from it.
    pub key: &'static str,
    /// What it does, with its default.
    pub help: &'static str,
    /// Which texts are right.
    pub expects: &'static str,
    set: fn(&mut Config, &str) -> Option<()>,
    get: fn(&Config) -> Option<String>,
}

impl Setting {
    /// The flag without its dashes: `admin-addr`.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The variable in the environment: `LATCHWORK_ADMIN_ADDR`.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.to_uppercase())
    }

    /// Its value in a configuration, as it would be set; nothing if it has none.
    pub fn value(&self, config: &Config) -> Option<String> {
        (self.get)(config)
    }
}

/// A value as the text that sets it.
trait Written {
    fn written(&self) -> Option<String>;
}

impl Written for String {
    fn written(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Written for PathBuf {
    fn written(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl Written for Duration {
    fn written(&self) -> Option<String> {
        let ms = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        Some(latchwork_protocol::ingress::duration_text(ms))
    }
}

impl<T: Written> Written for Option<T> {
    fn written(&self) -> Option<String> {
        self.as_ref()?.written()
    }
}

macro_rules! written_as_shown {
    ($($ty:ty)+) => {
        $(impl Written for $ty {
            fn written(&self) -> Option<String> {
                Some(self.to_string())
            }
        })+
    };
}

written_as_shown! { u16 usize u64 bool Ratio Ranges Headers LogFormat SecretHeaders }

/// Where a text was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In the environment.
    Environment,
    /// On the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment => f.write_str("in the environment"),
            Self::Flag => f.write_str("on the command line"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that no setting has.
    #[error("unknown setting {name} {place}{} `latchwork serve --help` lists all",
        nearest.as_ref().map(|n| format!(": did you mean {n}?")).unwrap_or_else(|| ".".to_owned()))]
    Unknown {
        /// As it was written.
        name: String,
        /// Where.
        place: Source,
        /// The most similar name there is, if one is similar.
        nearest: Option<String>,
    },
    /// A value that its setting cannot have.
    #[error("{name} {place} is {found:?}: it must be {expects}")]
    Value {
        /// As the setting is called there.
        name: String,
        /// Where.
        place: Source,
        /// The value.
        found: String,
        /// What would be right.
        expects: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is no TOML.
    #[error("the configuration {path} is not TOML: {reason}")]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// Texts from all places, not yet looked at.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    /// Path and text of the file.
    pub file: Option<(PathBuf, String)>,
    /// Names and values of variables; those that do not begin with [`ENV_PREFIX`] are skipped.
    pub environment: Vec<(String, String)>,
    /// Keys of settings and values from the command line.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// Reads the environment, and the file: the given one, else that of [`FILE_VARIABLE`],
    /// else [`FILE`] if it is there.
    ///
    /// # Errors
    /// If a file was named, or is there, and cannot be read.
    pub fn gather(
        file: Option<PathBuf>,
        flags: Vec<(&'static str, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<_> = std::env::vars_os()
            .map(|(name, value)| {
                let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
                (text(name), text(value))
            })
            .collect();
        let named = file.or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
        let file = match named {
            Some(path) => Some(read_file(&path)?),
            None if Path::new(FILE).exists() => Some(read_file(Path::new(FILE))?),
            None => None,
        };
        Ok(Self {
            file,
            environment,
            flags,
        })
    }

    /// Whether any place has a value for the setting of this key.
    pub fn has(&self, key: &str) -> bool {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        setting.is_some_and(|setting| self.place(setting).is_some())
    }

    /// Where the value of a setting is from: the last place that has it; nothing if it is the
    /// default.
    pub fn place(&self, setting: &Setting) -> Option<Source> {
        if self.flags.iter().any(|(key, _)| *key == setting.key) {
            return Some(Source::Flag);
        }
        let variable = setting.variable();
        if self.environment.iter().any(|(name, _)| *name == variable) {
            return Some(Source::Environment);
        }
        let (path, text) = self.file.as_ref()?;
        let table: toml::Table = text.parse().ok()?;
        table
            .contains_key(setting.key)
            .then(|| Source::File(path.clone()))
    }
}

fn read_file(path: &Path) -> Result<(PathBuf, String), ConfigError> {
    std::fs::read_to_string(path)
        .map(|text| (path.to_owned(), text))
        .map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })
}

impl Config {
    /// Lays the sources over the defaults, each over the one before.
    ///
    /// # Errors
    /// For the first name that is unknown and the first value that is wrong.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some((path, text)) = &sources.file {
            let table: toml::Table =
                text.parse()
                    .map_err(|error: toml::de::Error| ConfigError::Toml {
                        path: path.clone(),
                        reason: error.to_string(),
                    })?;
            for (key, value) in table {
                let text = match value {
                    toml::Value::String(text) => text,
                    other => other.to_string(),
                };
                config.set(
                    key,
                    |setting| setting.key.to_owned(),
                    &text,
                    Source::File(path.clone()),
                )?;
            }
        }
        for (name, value) in &sources.environment {
            if name.starts_with(ENV_PREFIX) && !is_foreign(name) {
                config.set(name.clone(), Setting::variable, value, Source::Environment)?;
            }
        }
        for (key, value) in &sources.flags {
            let name = format!("--{}", key.replace('_', "-"));
            config.set(
                name,
                |setting| format!("--{}", setting.flag()),
                value,
                Source::Flag,
            )?;
        }
        Ok(config)
    }

    fn set(
        &mut self,
        name: String,
        called: impl Fn(&Setting) -> String,
        text: &str,
        place: Source,
    ) -> Result<(), ConfigError> {
        let Some(setting) = SETTINGS.iter().find(|setting| called(setting) == name) else {
            let nearest = nearest(&name, SETTINGS.iter().map(called));
            return Err(ConfigError::Unknown {
                name,
                place,
                nearest,
            });
        };
        (setting.set)(self, text).ok_or_else(|| ConfigError::Value {
            name,
            place,
            found: text.to_owned(),
            expects: setting.expects,
        })
    }
}

/// Whether a variable with our prefix is not meant for us. A service that is called latchwork
/// makes Kubernetes put variables like `LATCHWORK_PORT_8080_TCP` into every container.
fn is_foreign(name: &str) -> bool {
    FOREIGN.contains(&name)
        || name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || name.ends_with("_PORT")
}

/// The name most like a mistaken one, if it is at all like it.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, &known), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    (!host.is_empty()).then(|| text.to_owned())
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

fn some_path(text: &str) -> Option<Option<PathBuf>> {
    path(text).map(Some)
}

fn partitions(text: &str) -> Option<Option<u16>> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .map(Some)
}

fn url(text: &str) -> Option<Option<String>> {
    is_url(text).then(|| Some(text.to_owned()))
}

fn headers(text: &str) -> Option<Option<Headers>> {
    Headers::parse(text).map(Some)
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn ratio(text: &str) -> Option<Option<Ratio>> {
    Ratio::parse(text).map(Some)
}

fn some_text(text: &str) -> Option<Option<String>> {
    (!text.trim().is_empty()).then(|| Some(text.to_owned()))
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| *count > 0)
}

fn bytes_usize(text: &str) -> Option<usize> {
    bytes(text)?.try_into().ok().filter(|size| *size > 0)
}

/// A number with an optional unit, decimal or binary.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Needs a unit: a bare number would be milliseconds, which nobody would guess.
fn duration(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    latchwork_protocol::ingress::parse_delay(text)
        .ok()
        .map(Duration::from_millis)
}

fn log_filter(text: &str) -> Option<String> {
    text.parse::<tracing_subscriber::filter::Targets>().ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn half_the_cpus() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (cpus / 2).max(1)
}

fn cache_share() -> u64 {
    (memory() / 8).clamp(8 << 20, 256 << 20)
}

fn receiving_share() -> usize {
    usize::try_from(memory() / 8)
        .unwrap_or(usize::MAX)
        .max(64 << 20)
}

fn attempts_share() -> u64 {
    (memory() / 4).max(32 << 20)
}

/// What the container may use, or the machine has, in bytes; 0 if neither is known.
fn memory() -> u64 {
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        })
        .map(|kib| kib << 10);
    match (container, machine) {
        (Some(container), Some(machine)) => container.min(machine),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Sources {
        Sources {
            file: Some((FILE.into(), file.to_owned())),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            flags: flags
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned()))
                .collect(),
        }
    }

    fn refusal(sources: &Sources) -> String {
        Config::load(sources).unwrap_err().to_string()
    }

    #[test]
    fn a_later_source_wins() {
        let file = "admin_addr = 'file:1'\ningress_addr = 'file:2'\nattempts_max = 3\nlog = 'warn'";
        let config = Config::load(&sources(
            file,
            &[
                ("LATCHWORK_ADMIN_ADDR", "env:1"),
                ("LATCHWORK_INGRESS_ADDR", "env:2"),
                ("HOME", "/"),
            ],
            &[("admin_addr", "flag:1")],
        ))
        .unwrap();
        assert_eq!(config.admin_addr, "flag:1");
        assert_eq!(config.ingress_addr, "env:2");
        assert_eq!(config.attempts_max, 3);
        assert_eq!(config.log, "warn");
        assert_eq!(config.data_dir, Config::default().data_dir);
    }

    #[test]
    fn a_value_is_written_as_it_can_be_set() {
        let sources = sources(
            "partitions = 4\nshutdown_grace = '90s'\ntracing_sample_ratio = 0.25\nlog_format = 'json'",
            &[("LATCHWORK_PARTITIONS", "8")],
            &[("log", "warn")],
        );
        let config = Config::load(&sources).unwrap();
        let places: Vec<_> = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.key, sources.place(setting)?)))
            .collect();
        assert_eq!(
            places,
            [
                ("partitions", Source::Environment),
                ("shutdown_grace", Source::File(FILE.into())),
                ("tracing_sample_ratio", Source::File(FILE.into())),
                ("log_format", Source::File(FILE.into())),
                ("log", Source::Flag),
            ]
        );
        let mut again = Config::default();
        for setting in SETTINGS {
            if let Some(text) = setting.value(&config) {
                assert!(
                    (setting.set)(&mut again, &text).is_some(),
                    "{}",
                    setting.key
                );
            }
        }
        assert_eq!(again, config);
    }

    #[test]
    fn sizes_and_durations_have_units() {
        let config = Config::load(&sources(
            "request_bytes_max = '2 MiB'\ncache_bytes = 4096\nshutdown_grace = '1m 10s'\npartitions = 4",
            &[],
            &[],
        ))
        .unwrap();
        assert_eq!(config.request_bytes_max, 2 << 20);
        assert_eq!(config.cache_bytes, 4096);
        assert_eq!(config.shutdown_grace, Duration::from_secs(70));
        assert_eq!(config.partitions, Some(4));
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_known_one() {
        let in_file = refusal(&sources("admin_adr = 'a:1'", &[], &[]));
        assert!(
            in_file.contains("admin_adr in latchwork.toml: did you mean admin_addr?"),
            "{in_file}"
        );
        let in_environment = refusal(&sources("", &[("LATCHWORK_DATADIR", "x")], &[]));
        assert!(
            in_environment.contains("did you mean LATCHWORK_DATA_DIR?"),
            "{in_environment}"
        );
        let unlike = refusal(&sources("zzz = 1", &[], &[]));
        assert!(!unlike.contains("did you mean"), "{unlike}");
    }

    #[test]
    fn wrong_values_are_refused_with_their_place_and_what_is_right() {
        for (file, environment, said) in [
            (
                "partitions = 0",
                None,
                "partitions in latchwork.toml is \"0\": it must be a number from 1 to 1024",
            ),
            ("shutdown_grace = 5", None, "must be a duration"),
            (
                "",
                Some(("LATCHWORK_ADMIN_ADDR", "9070")),
                "LATCHWORK_ADMIN_ADDR in the environment is \"9070\": it must be host:port",
            ),
            ("", Some(("LATCHWORK_LOG", "info,=x=")), "LATCHWORK_LOG"),
            ("a = = b", None, "latchwork.toml is not TOML"),
        ] {
            let refusal = refusal(&sources(file, environment.as_slice(), &[]));
            assert!(refusal.contains(said), "{refusal}");
        }
    }

    #[test]
    fn variables_that_a_cluster_injects_are_not_settings() {
        let injected = [
            ("LATCHWORK_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("LATCHWORK_SERVICE_HOST", "10.0.0.1"),
            ("LATCHWORK_ADMIN_PORT", "tcp://10.0.0.1:9070"),
            ("LATCHWORK_BIN", "target/release/latchwork"),
        ];
        assert_eq!(
            Config::load(&sources("", &injected, &[])).unwrap(),
            Config::default()
        );
    }
}
