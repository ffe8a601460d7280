//! Every setting, typed; read from the shipped `config.toml`, a file, and the environment.

mod layers;

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub use layers::Error;
use layers::Layers;

/// The defaults: the file that ships.
const DEFAULTS: &str = include_str!("../../../config.toml");
/// The file that is read when none is named, if it is there.
const USUAL_FILE: &str = "config.toml";

/// The configuration in force.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The front door.
    pub gateway: Gateway,
    /// Where everything is kept.
    pub storage: Storage,
    /// The engine's bounds.
    pub engine: engine::Config,
    /// Who may come in, and how that is proved.
    pub auth: Auth,
    /// Logs, metrics and traces.
    pub telemetry: Telemetry,
}

/// The front door. The reasons for the defaults are in `config.toml`, here and below.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Where the API is served.
    pub listen: SocketAddr,
    /// Connections held at once, WebSockets included.
    pub max_connections: NonZeroU32,
    /// How long a new connection may take to send a whole request head.
    #[serde(rename = "header_timeout_ms", deserialize_with = "milliseconds")]
    pub header_timeout: Duration,
    /// How long a kept connection may stay without a request.
    #[serde(rename = "idle_timeout_ms", deserialize_with = "milliseconds")]
    pub idle_timeout: Duration,
    /// How long a request's body may take.
    #[serde(rename = "body_timeout_ms", deserialize_with = "milliseconds")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    #[serde(rename = "write_timeout_ms", deserialize_with = "milliseconds")]
    pub write_timeout: Duration,
    /// The largest body taken.
    pub max_body_bytes: NonZeroUsize,
    /// The largest request head taken.
    pub max_header_bytes: NonZeroU32,
    /// HTTP/2 requests under way at once on one connection.
    pub max_streams: NonZeroU32,
    /// How long a request may take in all.
    #[serde(rename = "request_timeout_ms", deserialize_with = "milliseconds")]
    pub request_timeout: Duration,
    /// How long a call that starts a saga waits for its outcome.
    #[serde(rename = "saga_wait_ms", deserialize_with = "milliseconds")]
    pub saga_wait: Duration,
    /// How long requests are still taken after the signal to stop.
    #[serde(rename = "drain_delay_ms", deserialize_with = "milliseconds")]
    pub drain_delay: Duration,
    /// How long requests under way then have to finish.
    #[serde(rename = "drain_timeout_ms", deserialize_with = "milliseconds")]
    pub drain_timeout: Duration,
    /// Origins of web pages that may call the API.
    pub cors_origins: Vec<String>,
}

/// Where everything is kept. The reasons for the defaults are in `config.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// `sqlite:<folder>` or `postgres://…`.
    url: String,
    /// The same for single contexts; empty to use `url`.
    customer_url: String,
    order_url: String,
    shipping_url: String,
    /// Shards of each context; fixed once its storage exists.
    pub shards: NonZeroU16,
    /// Connections that read, for each context.
    pub readers: NonZeroU32,
    /// How long a start waits for a server that is not there yet.
    #[serde(rename = "wait_ms", deserialize_with = "milliseconds")]
    pub wait: Duration,
}

impl Storage {
    /// Whether everything is in files that no other process can have open.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        let urls = [
            &self.url,
            &self.customer_url,
            &self.order_url,
            &self.shipping_url,
        ];
        urls.iter()
            .all(|url| url.is_empty() || url.starts_with("sqlite:"))
    }

    /// Where a context is kept.
    #[must_use]
    pub fn url(&self, context: &str) -> &str {
        let own = match context {
            "customer" => &self.customer_url,
            "order" => &self.order_url,
            "shipping" => &self.shipping_url,
            _ => "",
        };
        if own.is_empty() { &self.url } else { own }
    }
}

/// Who may come in, and how that is proved.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// What access tokens name as their issuer.
    pub issuer: String,
    /// What access tokens name as their audience.
    pub audience: String,
    /// Where the signing key is kept.
    pub signing_key_file: PathBuf,
    /// The signing key itself, as PEM; empty to use the file.
    pub signing_key: Secret,
    /// How long an access token holds.
    #[serde(rename = "access_token_s", deserialize_with = "seconds")]
    pub access_token: Duration,
    /// How long a session lives without being refreshed.
    #[serde(rename = "session_idle_s", deserialize_with = "seconds")]
    pub session_idle: Duration,
    /// How long a session lives at most.
    #[serde(rename = "session_s", deserialize_with = "seconds")]
    pub session: Duration,
    /// argon2id: memory for one hash.
    pub password_memory_kib: NonZeroU32,
    /// argon2id: passes over the memory.
    pub password_passes: NonZeroU32,
    /// argon2id: lanes.
    pub password_lanes: NonZeroU32,
    /// Passwords hashed at once.
    pub password_workers: NonZeroU32,
    /// Logins waiting for their turn.
    pub password_queue: NonZeroU32,
    /// Access tokens whose signature need not be checked again.
    pub token_cache: NonZeroUsize,
}

/// Logs, metrics and traces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The form of the log.
    pub log_format: LogFormat,
    /// What is logged, as directives of an `EnvFilter`.
    pub log_filter: String,
    /// Where metrics are served.
    #[serde(deserialize_with = "optional")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces go, by OTLP over HTTP.
    #[serde(deserialize_with = "optional")]
    pub otlp_endpoint: Option<String>,
    /// The share of requests that are traced, from 0 to 1.
    pub otlp_sample_ratio: f64,
    /// What the traces call this installation.
    pub service_name: String,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line, for log collectors.
    Json,
}

/// A value that is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Config {
    /// Reads the configuration: the defaults, then the named file or, if it is there, the usual
    /// one, then the environment.
    ///
    /// # Errors
    /// When a key or a value is not understood; the message says which, where, and what was
    /// probably meant.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        layers_in_force(file, std::env::vars())?.read()
    }

    /// Like [`Config::load`], with the environment given.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        layers_in_force(file, environment)?.read()
    }

    /// The configuration in force as TOML, without its secrets.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn print(file: Option<&Path>) -> Result<String, Error> {
        let layers = layers_in_force(file, std::env::vars())?;
        let text = layers.print();
        layers.read::<Self>()?;
        Ok(text)
    }
}

fn layers_in_force(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Layers, Error> {
    let mut layers = Layers::new(DEFAULTS)?;
    match file {
        Some(path) => layers.file(path)?,
        None if Path::new(USUAL_FILE).exists() => layers.file(Path::new(USUAL_FILE))?,
        None => {}
    }
    layers.environment(environment)?;
    Ok(layers)
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

/// An empty text is nothing: TOML has no null, and every key must stand in the shipped file.
fn optional<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
