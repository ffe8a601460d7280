//! `/live`: topics over WebSocket and as server-sent events, and tickets for browsers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::caller::Caller;
use crate::http::api::{Api, Route};
use crate::http::extract::{Limits, Query};
use crate::http::parameter::Form;
use crate::http::resource::json_response;
use crate::live::{
    End, Greeting, MESSAGE_BYTES, Session, TICKET_LIFE, TOPIC_PATTERN, Tenure, serve,
};
use crate::problem::Problem;
use crate::server::Place;

/// The header by which a client that lost its stream says where it stands.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How often a silent stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest message that a client may send before its connection breaks; those that are only
/// too long for us are answered.
const FRAME_BYTES: usize = 4 * MESSAGE_BYTES;
/// The longest message sent: the state of the largest order or shipment. No memory is set aside.
const WRITE_BYTES: usize = 16 << 20;

/// A ticket.
#[derive(Serialize, ToSchema)]
struct Ticket {
    /// Good once, as `?ticket=`, on the node that gave it.
    ticket: String,
    /// For how many seconds.
    expires_in: u64,
}

/// Adds the routes.
#[must_use]
pub fn routes(api: Api) -> Api {
    let ticket = "A ticket from `POST /live/tickets`, for browsers.";
    api.add(
        Route::get("/live", "Watches topics over a WebSocket")
            .open()
            .query("ticket", ticket, Form::Text)
            .gives_other(
                StatusCode::SWITCHING_PROTOCOLS,
                "application/json",
                "A WebSocket.",
            ),
        socket,
    )
    .add(
        Route::get("/live/sse", "Watches a topic as server-sent events")
            .needs(
                "topic",
                "`company`, `shipment:shp_…` or `order:ord_…`.",
                Form::Pattern(TOPIC_PATTERN),
            )
            .query(
                "from",
                "The cursor to go on from; Last-Event-ID goes before it.",
                Form::Text,
            )
            .or_ticket()
            .gives_other(StatusCode::OK, "text/event-stream", "A stream of events."),
        events,
    )
    .add(
        Route::post("/live/tickets", "Gives a ticket for one connection")
            .gives::<Ticket>(StatusCode::CREATED),
        ticket_for,
    )
}

async fn ticket_for(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    let ticket = Ticket {
        ticket: app.live.tickets.issue(caller)?,
        expires_in: TICKET_LIFE.as_secs(),
    };
    Ok(json_response(StatusCode::CREATED, &ticket))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketQuery {
    ticket: Option<String>,
}

async fn socket(
    State(app): State<Arc<App>>,
    Query(query): Query<SocketQuery>,
    Extension(limits): Extension<Limits>,
    place: Option<Extension<Place>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let greeting = match &query.ticket {
        Some(ticket) => Greeting::Known(redeem(&app, ticket, limits.deadline).await?),
        None => Greeting::Stranger,
    };
    take_over(app, upgrade, &headers, place, greeting)
}

/// Makes a connection a WebSocket.
///
/// # Errors
/// 400 or 426 when the client did not ask for one as it should; 403 when a web page of another
/// origin did.
pub fn take_over(
    app: Arc<App>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: &HeaderMap,
    place: Option<Extension<Place>>,
    greeting: Greeting,
) -> Result<Response, Problem> {
    check_origin(headers, &app.config.gateway.cors_origins)?;
    let upgrade = upgrade.map_err(|rejection| {
        let detail = "this is a WebSocket (RFC 6455, version 13): ask for the upgrade";
        let status = rejection.into_response().status();
        Problem::new(status, "upgrade-required", detail)
    })?;
    let response = upgrade
        // The defaults cost 134 KiB a connection, these some 5; with no write buffer, sending
        // waits for the client, which is what tells a slow one.
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES)
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .on_upgrade(async move |socket| {
            serve(app, socket, greeting).await;
            // The connection's place among all: kept as long as it lasts.
            drop(place);
        });
    Ok(response)
}

/// A browser says which page asks. Without the check any page that someone visits could use a
/// ticket that leaked; what is not a browser does not send the header.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let own = origin.split_once("://").map(|(_, authority)| authority);
    let is_own = own.is_some() && own == text(header::HOST);
    if is_own || allowed.iter().any(|it| it == "*" || it == origin) {
        return Ok(());
    }
    Err(Problem::forbidden("pages of this origin may not do this"))
}

async fn redeem(app: &App, ticket: &str, deadline: Instant) -> Result<Caller, Problem> {
    let caller = app.live.tickets.redeem(ticket)?;
    app.still_holds(&caller, deadline).await?;
    Ok(caller)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    topic: String,
    from: Option<String>,
    ticket: Option<String>,
}

async fn events(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<EventsQuery>::from_request_parts(&mut parts, &app).await?;
    let deadline = Limits::of(&parts.extensions)?.deadline;
    let caller = match &query.ticket {
        Some(ticket) => redeem(&app, ticket, deadline).await?,
        None => Caller::from_request_parts(&mut parts, &app).await?,
    };
    let last = parts.headers.get(LAST_EVENT_ID);
    let from = match last.map(|value| value.to_str().unwrap_or("?")) {
        Some(last) if !last.is_empty() => Some(last),
        _ => query.from.as_deref(),
    };
    let mut session = Session::new(Arc::clone(&app), Some(caller.tenant));
    session.subscribe(&query.topic, from).await?;
    let over = Box::pin(Tenure::new(app, Some(caller)).over());
    let stream = stream_of(Watching {
        session,
        over,
        _counted: Counted::new(),
    });
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    // nginx would hold events back until it has a buffer full of them.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(unbuffered, header::HeaderValue::from_static("no"));
    Ok(response)
}

struct Watching {
    session: Session,
    over: Pin<Box<dyn Future<Output = End> + Send>>,
    _counted: Counted,
}

/// The session as a stream. It makes a message only when the connection takes one.
fn stream_of(watching: Watching) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(Some(watching), async |watching| {
        let mut watching = watching?;
        tokio::select! {
            end = &mut watching.over => Some((Ok(last_event(end)), None)),
            message = watching.session.next() => {
                let mut event = Event::default().event(message.name).data(message.text.as_str());
                if let Some(cursor) = &message.cursor {
                    event = event.id(cursor);
                }
                Some((Ok(event), Some(watching)))
            }
        }
    })
}

/// Why the stream ends.
fn last_event(end: End) -> Event {
    let reason = serde_json::json!({
        "type": "error",
        "code": end.code(),
        "detail": end.detail(),
    });
    Event::default().event("error").data(reason.to_string())
}

/// A stream in the gauge, until dropped.
struct Counted(metrics::Gauge);

impl Counted {
    fn new() -> Self {
        let viewers = metrics::gauge!("quenty_live_viewers", "transport" => "sse");
        viewers.increment(1);
        Self(viewers)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn origin(origin: &str, allowed: &[&str]) -> bool {
        let headers = HeaderMap::from_iter([
            (
                header::HOST,
                HeaderValue::from_static("quenty.example:8000"),
            ),
            (header::ORIGIN, HeaderValue::from_str(origin).unwrap()),
        ]);
        let allowed: Vec<String> = allowed.iter().map(|it| (*it).to_owned()).collect();
        check_origin(&headers, &allowed).is_ok()
    }

    #[test]
    fn only_pages_of_known_origins_get_a_websocket() {
        assert!(check_origin(&HeaderMap::new(), &[]).is_ok());
        assert!(origin("https://quenty.example:8000", &[]));
        assert!(origin("https://shop.example", &["https://shop.example"]));
        assert!(origin("https://any.example", &["*"]));
        assert!(!origin("https://evil.example", &["https://shop.example"]));
        assert!(!origin("https://quenty.example", &[]));
        assert!(!origin("null", &[]));
    }
}
