//! The configuration: layers, and errors that say what was meant.

use std::path::PathBuf;
use std::time::Duration;

use gateway::config::{Config, Error, LogFormat};

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    File {
        _folder: folder,
        path,
    }
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load_with(Some(&file(text).path), environment)
}

#[test]
fn the_shipped_file_is_a_whole_configuration() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.gateway.request_timeout, Duration::from_secs(15));
    assert_eq!(config.telemetry.otlp_endpoint, None);
    assert!(config.telemetry.metrics_listen.unwrap().ip().is_loopback());
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let text =
        "[gateway]\nlisten = \"0.0.0.0:1\"\nmax_streams = 7\n[telemetry]\nlog_format = \"json\"";
    let config = load(
        text,
        &[
            ("QUENTY__GATEWAY__LISTEN", "0.0.0.0:2"),
            (
                "QUENTY__GATEWAY__CORS_ORIGINS",
                "https://a.example, https://b.example",
            ),
            ("QUENTY__TELEMETRY__OTLP_SAMPLE_RATIO", "0.5"),
            ("QUENTY_ADMIN_EMAIL", "not a setting"),
        ],
    )
    .unwrap();
    assert_eq!(config.gateway.listen.to_string(), "0.0.0.0:2");
    assert_eq!(config.gateway.max_streams.get(), 7);
    assert_eq!(
        config.gateway.cors_origins,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert!((config.telemetry.otlp_sample_ratio - 0.5).abs() < f64::EPSILON);
}

#[test]
fn errors_name_the_place_the_key_and_what_was_meant() {
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    let cases: [Case; 9] = [
        (
            "[gateway]\nlisen = \"x\"",
            &[],
            &["config.toml", "gateway.lisen", "gateway.listen"],
        ),
        (
            "[gatway]\nlisten = \"x\"",
            &[],
            &["config.toml", "gatway.listen", "gateway.listen"],
        ),
        (
            "[gateway]\nlisten = \"nowhere\"",
            &[],
            &["config.toml", "gateway.listen", "socket address"],
        ),
        (
            "[gateway]\nmax_connections = 0",
            &[],
            &["config.toml", "gateway.max_connections", "nonzero"],
        ),
        (
            "[gateway]\nmax_connections = \"9\"",
            &[],
            &["gateway.max_connections", "integer", "string"],
        ),
        (
            "[telemetry]\nlog_format = \"prety\"",
            &[],
            &["telemetry.log_format", "pretty"],
        ),
        ("[gateway\n", &[], &["config.toml", "line 1"]),
        (
            "",
            &[("QUENTY__GATEWAY__LISEN", "x")],
            &["QUENTY__GATEWAY__LISEN", "gateway.listen"],
        ),
        (
            "",
            &[("QUENTY__GATEWAY__MAX_STREAMS", "ten")],
            &["QUENTY__GATEWAY__MAX_STREAMS", "integer"],
        ),
    ];
    for (text, environment, expected) in cases {
        let said = load(text, environment).unwrap_err().to_string();
        for part in expected {
            assert!(said.contains(part), "{said:?} should contain {part:?}");
        }
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let missing = Config::load_with(Some(&PathBuf::from("/nowhere/quenty.toml")), []);
    let said = missing.unwrap_err().to_string();
    assert!(said.contains("/nowhere/quenty.toml"), "{said}");
}

#[test]
fn what_is_printed_reads_back_and_hides_secrets() {
    let secret = file("[auth]\nsigning_key = \"hush\"\n[gateway]\nmax_streams = 9");
    let printed = Config::print(Some(&secret.path)).unwrap();
    assert!(!printed.contains("hush"), "{printed}");
    let again = load(&printed, &[]).unwrap();
    assert_eq!(again.gateway.max_streams.get(), 9);
}
