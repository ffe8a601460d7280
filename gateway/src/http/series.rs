//! What answers are counted by: method, route and status.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use dashmap::DashMap;
use metrics::{Counter, Histogram};

/// What tells the series of an answer apart, with its status.
pub(super) struct Labels {
    method: &'static str,
    route: Option<MatchedPath>,
}

impl Labels {
    /// Of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: known(request.method()),
            route: request.extensions().get().cloned(),
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("unknown", MatchedPath::as_str)
    }

    /// Counts the answer.
    pub(super) fn count(&self, series: &AllSeries, response: &Response, took: Duration) {
        let status = response.status().as_u16();
        tracing::info!(
            target: "access",
            method = self.method,
            route = self.route(),
            status,
            milliseconds = took.as_secs_f64() * 1_000.0,
        );
        let seconds = took.as_secs_f64();
        let of_route = series.get(self.route());
        let known = of_route
            .as_ref()
            .and_then(|all| all.iter().find(|it| it.is_of(self.method, status)));
        if let Some(known) = known {
            return known.count(seconds);
        }
        drop(of_route);
        let new = Series::new(self, status);
        new.count(seconds);
        series.entry(self.route().into()).or_default().push(new);
    }
}

/// The series by route. Few, and asking the recorder for one costs more than what it counts.
pub(super) type AllSeries = DashMap<Box<str>, Vec<Series>>;

/// Where answers of one kind are counted.
pub(super) struct Series {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

impl Series {
    fn new(labels: &Labels, status: u16) -> Self {
        let (method, route) = (labels.method, labels.route().to_owned());
        Self {
            method,
            status,
            requests: metrics::counter!(
                "quenty_http_requests_total",
                "method" => method, "route" => route.clone(), "status" => status.to_string()
            ),
            seconds: metrics::histogram!(
                "quenty_http_request_seconds", "method" => method, "route" => route
            ),
        }
    }

    fn is_of(&self, method: &str, status: u16) -> bool {
        (self.method, self.status) == (method, status)
    }

    fn count(&self, seconds: f64) {
        self.requests.increment(1);
        self.seconds.record(seconds);
    }
}

/// A method of the client's invention must not become a series.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
