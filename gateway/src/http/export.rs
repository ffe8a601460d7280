//! `GET /export`: everything of one company as JSON lines.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use engine::feed::Positions;
use engine::journal::Query;
use futures::Stream;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::app::{App, CONTEXTS};
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::events;
use crate::http::list;
use crate::http::resource::{Resource, shown};
use crate::kinds;
use crate::live::feed;
use crate::problem::Problem;

/// Lines ready for a client who is slow to take them.
const READY: usize = 256;
/// Resources, or events, read at a time.
const PAGE: u32 = 500;

/// The last line, by which a whole export is told from one that broke off.
pub const END: &str = "{\"object\":\"end\"}\n";

/// The media type of JSON lines.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The route of the export.
#[must_use]
pub fn routes(api: Api) -> Api {
    api.add(
        Route::get(
            "/export",
            "Writes everything of the company: its resources, then its events",
        )
        .gives_other(
            StatusCode::OK,
            "application/x-ndjson",
            "A JSON object a line; the last is `{\"object\":\"end\"}`, without which the \
                 export broke off.",
        ),
        export,
    )
}

async fn export(call: Call) -> Result<Response, Problem> {
    call.admin()?;
    let mut response = Response::new(body(call.app.clone(), call.company()?));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, MEDIA_TYPE);
    Ok(response)
}

fn body(app: Arc<App>, tenant: Uuid) -> Body {
    let (lines, ready) = mpsc::channel(READY);
    let writer = Writer { app, tenant, lines };
    tokio::spawn(async move {
        if let Err(error) = writer.write().await {
            tracing::warn!(%error, "an export broke off");
            // Breaks the body off as well. Whoever no longer listens need not know.
            let _ = writer.lines.send(Err(io::Error::other(error))).await;
        }
    });
    Body::from_stream(stream(ready))
}

fn stream(ready: mpsc::Receiver<Line>) -> impl Stream<Item = Line> {
    futures::stream::unfold(ready, |mut ready| async move {
        Some((ready.recv().await?, ready))
    })
}

/// A line of the body, or why there are no more.
type Line = io::Result<Bytes>;

/// Writes what one company has of all kinds.
pub struct Writer {
    app: Arc<App>,
    tenant: Uuid,
    lines: mpsc::Sender<Line>,
}

/// Writes all resources of a kind.
pub fn resources<R: Resource>(writer: &Writer) -> BoxFuture<'_, anyhow::Result<()>> {
    Box::pin(writer.resources::<R>())
}

impl Writer {
    async fn write(&self) -> anyhow::Result<()> {
        for export in kinds::ALL.iter().filter_map(|kind| kind.export) {
            export(self).await?;
        }
        for context in CONTEXTS {
            self.events(context).await?;
        }
        Ok(self
            .lines
            .send(Ok(Bytes::from_static(END.as_bytes())))
            .await?)
    }

    async fn resources<R: Resource>(&self) -> anyhow::Result<()> {
        let entities = self.app.engine.entities::<R>()?;
        let mut query = Query {
            descending: false,
            limit: PAGE,
            ..list::everything(R::KIND, Some(self.tenant))
        };
        loop {
            let page = entities.list(&query).await?;
            for document in &page {
                let deadline = std::time::Instant::now() + self.app.config.gateway.request_timeout;
                let resource = match R::listed(document) {
                    Some(resource) => Some(resource),
                    None => {
                        let id = document.id.into();
                        let entity = entities.get(self.tenant, id, deadline).await?;
                        entity.and_then(|entity| shown(&entity).ok())
                    }
                };
                if let Some(resource) = resource {
                    self.put(resource).await?;
                }
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE as usize) else {
                return Ok(());
            };
            query.after = Some((last.created_at, last.id));
        }
    }

    async fn events(&self, context: &'static str) -> anyhow::Result<()> {
        let engine = &self.app.engine;
        let ends = engine.heads(context).await?;
        let mut after = Positions::new();
        while ends
            .iter()
            .any(|(shard, end)| after.get(shard).is_none_or(|at| at < end))
        {
            let (page, _) = feed::look(engine, context, self.tenant, &after, PAGE).await?;
            for event in &page.events {
                self.put(events::shown(context, event)).await?;
            }
            after.extend(page.looked_at);
        }
        Ok(())
    }

    async fn put(&self, line: Value) -> anyhow::Result<()> {
        let line = Bytes::from(format!("{line}\n"));
        Ok(self.lines.send(Ok(line)).await?)
    }
}
