//! The metrics of a server that nobody else asks anything: they count what was done, and no more.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;
use tokio::sync::watch;

use super::client::{Api, Change};
use super::server::{Home, PASSWORD};

/// Every sample by its name and labels.
type Samples = BTreeMap<String, f64>;

/// Reads the text format of Prometheus.
async fn samples(at: SocketAddr) -> Samples {
    let answer = reqwest::get(format!("http://{at}/metrics")).await.unwrap();
    let form = answer.headers()["content-type"].to_str().unwrap();
    assert!(form.starts_with("text/plain"), "{form}");
    let text = answer.text().await.unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// By how much a series has grown.
fn growth((before, after): (&Samples, &Samples), series: &str) -> f64 {
    let value = |samples: &Samples| samples.get(series).copied().unwrap_or_default();
    value(after) - value(before)
}

/// How much is done between two readings.
async fn do_a_known_amount(api: &Api) {
    for _ in 0..3 {
        assert_eq!(api.ask("/auth/me").await.status, 200);
    }
    for way in ["/nowhere", "/elsewhere"] {
        assert_eq!(api.ask(way).await.status, 404);
    }
    for name in ["One", "Two"] {
        let company = json!({ "name": name, "currency": "BRL" });
        let made = api.ask_for(&Change::new(name, "/companies", company)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    // The same request once more: answered from what is kept, and decided by nobody.
    let company = json!({ "name": "Two", "currency": "BRL" });
    let again = api
        .ask_for(&Change::new("Two", "/companies", company))
        .await;
    assert!(again.is_replay);
}

#[tokio::test]
async fn metrics_count_requests_decisions_and_commits() {
    let home = Home::on_sqlite();
    let server = home.serve().await;
    let found_at = watch::channel(server.address).1;
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    let before = samples(server.metrics).await;
    do_a_known_amount(&api).await;
    let after = samples(server.metrics).await;
    let exactly = [
        (
            r#"quenty_http_requests_total{method="GET",route="/api/v1/auth/me",status="200"}"#,
            3.0,
        ),
        (
            r#"quenty_http_request_seconds_count{method="GET",route="/api/v1/auth/me"}"#,
            3.0,
        ),
        (
            r#"quenty_http_requests_total{method="GET",route="unknown",status="404"}"#,
            2.0,
        ),
        (
            r#"quenty_http_requests_total{method="POST",route="/api/v1/companies",status="201"}"#,
            3.0,
        ),
        (
            r#"quenty_decisions_total{kind="company",outcome="done"}"#,
            2.0,
        ),
        (
            r#"quenty_decisions_total{kind="company",outcome="failed"}"#,
            0.0,
        ),
        (r#"quenty_commit_failures_total{context="customer"}"#, 0.0),
    ];
    for (series, expected) in exactly {
        let grown = growth((&before, &after), series);
        assert!(
            (grown - expected).abs() < 0.5,
            "{series}: {grown} and not {expected}"
        );
    }
    // One after the other, so in a transaction each; policies and answers have theirs, too.
    for series in ["quenty_commit_seconds_count", "quenty_commit_decisions_sum"] {
        let series = format!("{series}{{context=\"customer\"}}");
        let grown = growth((&before, &after), &series);
        assert!(grown >= 2.0, "{series}: {grown}");
    }
    server.terminate().await;
}
