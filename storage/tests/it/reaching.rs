//! Reaching a server: one that is late is waited for, one that says no is not.

use std::time::Duration;

use engine::journal::Error;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::make::{database, server};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that nobody listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Takes a connection and refuses it as Postgres does: an ErrorResponse.
async fn refuse(listener: &TcpListener, code: &str) {
    let (mut client, _) = listener.accept().await.unwrap();
    // The start of the protocol; its length comes first.
    let length = client.read_u32().await.unwrap();
    let mut rest = vec![0; length as usize - 4];
    client.read_exact(&mut rest).await.unwrap();
    let fields = format!("SFATAL\0VFATAL\0C{code}\0Mnot yet\0\0");
    client.write_u8(b'E').await.unwrap();
    let length = u32::try_from(fields.len() + 4).unwrap();
    client.write_u32(length).await.unwrap();
    client.write_all(fields.as_bytes()).await.unwrap();
}

/// Stands in for a server that comes late: first nobody listens, then it starts up, then it has
/// too many clients, and then it is the server at the address.
async fn come_late(port: u16, server: String) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    refuse(&listener, "57P03").await;
    refuse(&listener, "53300").await;
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(&server).await.unwrap();
        tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// Reaches a database that must say no, and not be asked again.
async fn refused_at_once(url: &str) -> String {
    let reached = tokio::time::timeout(PATIENCE, storage::reach(url, 4 * PATIENCE)).await;
    match reached.unwrap() {
        Err(Error::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let Some(server) = server() else { return };
    let database = database(&server).await;
    let there: PgConnectOptions = database.url.parse().unwrap();
    let address = format!("{}:{}", there.get_host(), there.get_port());
    let port = free_port().await;
    let late = format!(
        "postgres://{}@127.0.0.1:{port}/{}?sslmode=disable",
        there.get_username(),
        there.get_database().unwrap()
    );
    let too_early = storage::reach(&late, Duration::ZERO).await;
    assert!(matches!(too_early, Err(Error::Unavailable(_))));
    let coming = tokio::spawn(come_late(port, address));
    storage::reach(&late, PATIENCE).await.unwrap();
    assert!(!coming.is_finished());
    coming.abort();
}

#[tokio::test]
async fn a_server_that_never_comes_is_given_up() {
    let url = format!("postgres://nobody@127.0.0.1:{}/no", free_port().await);
    let begun = std::time::Instant::now();
    let reached = tokio::time::timeout(PATIENCE, storage::reach(&url, Duration::from_secs(2)));
    let reached = reached.await.unwrap();
    assert!(matches!(reached, Err(Error::Unavailable(_))), "{reached:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "it did not wait");
}

#[tokio::test]
async fn a_server_that_says_no_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://nobody:wrong@127.0.0.1:{port}/no?sslmode=disable");
    // A wrong password, and a database that is not there.
    for code in ["28P01", "3D000"] {
        let (why, ()) = tokio::join!(refused_at_once(&url), refuse(&listener, code));
        assert!(why.contains("not yet"), "{why}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_waited_for() {
    let Some(server) = server() else { return };
    let (start, _) = server.rsplit_once('/').unwrap();
    let why = refused_at_once(&format!("{start}/quenty_no_such_database")).await;
    assert!(why.contains("does not exist"), "{why}");
}

#[tokio::test]
async fn files_are_always_there() {
    storage::reach("sqlite:nowhere", Duration::ZERO)
        .await
        .unwrap();
}
