//! Logs, traces and metrics: set up once, at the start.

use std::io::IsTerminal as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogFormat, Telemetry};

/// How often the metrics' recorder tidies up: histograms grow until they are drained.
const UPKEEP: Duration = Duration::from_secs(5);
/// Bounds of the histograms of times, in seconds: from a read in memory to the request deadline.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// What must be kept until the end, so that the last traces leave.
pub struct Guard {
    tracer: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(tracer) = self.tracer.take()
            && let Err(error) = tracer.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Starts logging, and tracing if it is configured.
///
/// # Errors
/// When the filter or the endpoint is not understood.
pub fn start(config: &Telemetry) -> anyhow::Result<Guard> {
    let mut filter = EnvFilter::try_new(&config.log_filter)
        .with_context(|| format!("telemetry.log_filter {:?}", config.log_filter))?;
    let tracer = tracer(config)?;
    if tracer.is_some() {
        filter = filter.add_directive(format!("{}=debug", engine::TRACES).parse()?);
    }
    let traces = tracer
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("quenty")));
    tracing_subscriber::registry()
        .with(filter)
        .with(log(config.log_format))
        .with(traces)
        .try_init()
        .context("starting the log")?;
    Ok(Guard { tracer })
}

fn log(
    format: LogFormat,
) -> Box<dyn Layer<tracing_subscriber::layer::Layered<EnvFilter, Registry>> + Send + Sync> {
    // Standard output belongs to the program's own answers, such as an export.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // Colours are for people, and every span pays for them.
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Pretty => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

fn tracer(config: &Telemetry) -> anyhow::Result<Option<SdkTracerProvider>> {
    let Some(endpoint) = &config.otlp_endpoint else {
        return Ok(None);
    };
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .with_context(|| format!("telemetry.otlp_endpoint {endpoint:?}"))?;
    let sampler = Sampler::TraceIdRatioBased(config.otlp_sample_ratio);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(sampler)))
        .with_resource(
            Resource::builder()
                .with_service_name(config.service_name.clone())
                .build(),
        )
        .build();
    Ok(Some(provider))
}

/// The recorder of metrics: one for the process, however often it is asked for.
///
/// # Errors
/// When something else already records metrics in this process.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    static FIRST: Mutex<()> = Mutex::new(());

    let _first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .context("bounds of the histograms")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("installing the recorder of metrics")?;
    Ok(RECORDER.get_or_init(|| handle).clone())
}

/// Keeps the recorder tidy until the process ends.
pub async fn tidy_metrics(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

/// What the metrics' own listener serves.
pub fn metrics_router(handle: PrometheusHandle) -> Router {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Router::new().route(
        "/metrics",
        get(move || async move { (content_type, handle.render()) }),
    )
}
