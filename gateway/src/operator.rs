//! What operators do from a shell, through the same API that everybody uses: of the running server
//! if there is one, else, on SQLite, of one that lives only for the request. The right is the signing
//! key, which only whoever runs the installation can read.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::app::{self, App};
use crate::auth::secret;
use crate::auth::token::Tokens;
use crate::bootstrap::PASSWORD_VARIABLE;
use crate::config::Config;
use crate::http::api::BASE;
use crate::http::export::END;

/// `quenty admin reset-password`.
///
/// # Errors
/// When there is no such user, or the server refuses.
pub async fn reset_password(config: Config, email: &str) -> anyhow::Result<()> {
    let given = std::env::var(PASSWORD_VARIABLE).ok();
    let password = given.clone().unwrap_or_else(secret::password);
    let body = json!({ "email": email, "password": password });
    let request = request(&config, Method::POST, "/auth/reset", &[], &body)?;
    let answer = send(config, request).await?;
    answer.into_body().collect().await?;
    match given {
        Some(_) => println!("{email} has the password of {PASSWORD_VARIABLE}"),
        None => println!("{email} has the password {password}"),
    }
    Ok(())
}

/// `quenty verify`.
///
/// # Errors
/// When a database cannot be read, or anything in one is wrong.
pub async fn verify(config: &Config) -> anyhow::Result<()> {
    let mut faults = 0;
    for (context, findings) in app::verify(config).await? {
        let (events, entities) = (findings.events, findings.entities);
        println!("{context}: {events} events of {entities} entities");
        for fault in &findings.faults {
            println!("{context}: {fault}");
        }
        faults += findings.faults.len();
    }
    ensure!(faults == 0, "{faults} faults");
    println!("everything holds together");
    Ok(())
}

/// `quenty export`.
///
/// # Errors
/// When there is no such company, the export breaks off, or the output cannot be written.
pub async fn export(config: Config, company: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let headers = [("quenty-company", company)];
    let request = request(&config, Method::GET, "/export", &headers, &Value::Null)?;
    let mut body = send(config, request).await?.into_body();
    let mut file: Box<dyn std::io::Write> = match output {
        Some(path) => Box::new(
            std::fs::File::create(path).with_context(|| format!("creating {}", path.display()))?,
        ),
        None => Box::new(std::io::stdout()),
    };
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the export broke off")?;
        let bytes: &[u8] = frame.data_ref().map_or(&[], |bytes| bytes);
        file.write_all(bytes)?;
        keep_end(&mut tail, bytes);
    }
    file.flush().context("writing the export")?;
    ensure!(tail == END.as_bytes(), "the export broke off");
    Ok(())
}

/// Appends to a tail what it needs to be compared with the end of an export.
fn keep_end(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(bytes);
    tail.drain(..tail.len().saturating_sub(END.len()));
}

fn request(
    config: &Config,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> anyhow::Result<Request<Body>> {
    let token = Tokens::new(&config.auth)?.issue(Uuid::nil(), Uuid::nil(), Uuid::nil())?;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{BASE}{path}"))
        .header(header::HOST, config.gateway.listen.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Body::from(body.to_string()))?)
}

async fn send(config: Config, request: Request<Body>) -> anyhow::Result<Response<Body>> {
    let response = match TcpStream::connect(config.gateway.listen).await {
        Ok(stream) => {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?.map(Body::new)
        }
        // Only where the files' lock says that no server runs: on Postgres one may, elsewhere, and
        // a second engine would take its shards over.
        Err(_) if config.storage.is_embedded() => {
            App::start(config).await?.router().oneshot(request).await?
        }
        Err(error) => {
            let place = config.gateway.listen;
            return Err(error).with_context(|| {
                format!("no server answers at {place}; on Postgres this is asked of a running one")
            });
        }
    };
    if response.status().is_success() {
        return Ok(response);
    }
    let body = response.into_body().collect().await?.to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    bail!("{}", problem["detail"].as_str().unwrap_or("no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_seen_however_it_arrives() {
        let whole = format!("{{\"object\":\"company\"}}\n{END}");
        for size in 1..=whole.len() {
            let mut tail = Vec::new();
            for bytes in whole.as_bytes().chunks(size) {
                keep_end(&mut tail, bytes);
            }
            assert_eq!(tail, END.as_bytes());
            keep_end(&mut tail, b"x");
            assert_ne!(tail, END.as_bytes());
        }
    }
}
