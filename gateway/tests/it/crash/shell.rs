//! What operators do from a shell.

use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;
use tokio::sync::watch;

use super::client::Api;
use super::server::{Home, PASSWORD};
use super::shop::Shop;

fn printed(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{}\n{out}\n{error}", output.status);
    out.into_owned()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn sign_in(address: SocketAddr, password: &str) -> Result<Api, u16> {
    Api::sign_in(watch::channel(address).1, password).await
}

#[tokio::test]
async fn the_configuration_in_force_is_printed() {
    let home = Home::on_sqlite();
    let file = "[gateway]\nmax_streams = 7\n";
    std::fs::write(home.folder().join("config.toml"), file).unwrap();
    let printed = printed(&home.run(None, &["config"]).await);
    let table: toml::Table = printed.parse().unwrap();
    assert_eq!(table["gateway"]["max_streams"].as_integer(), Some(7));
    assert_eq!(table["gateway"]["listen"].as_str(), Some("127.0.0.1:0"));
}

#[tokio::test]
async fn a_wrong_key_stops_the_start_and_says_what_was_meant() {
    let home = Home::on_sqlite();
    let file = "[gateway]\nlisen = \"127.0.0.1:0\"\n";
    std::fs::write(home.folder().join("config.toml"), file).unwrap();
    for command in ["serve", "config", "migrate"] {
        let said = refused(&home.run(None, &[command]).await);
        for part in ["config.toml", "gateway.lisen", "gateway.listen"] {
            assert!(said.contains(part), "{said:?} should contain {part:?}");
        }
    }
}

#[tokio::test]
async fn a_password_is_reset_through_the_running_server_or_without_one() {
    let home = Home::on_sqlite();
    let reset = ["admin", "reset-password", "admin@localhost"];
    let server = home.serve().await;
    let before = sign_in(server.address, PASSWORD).await.unwrap();
    let nobody = ["admin", "reset-password", "nobody@localhost"];
    refused(&home.run(Some(server.address), &nobody).await);
    let told = printed(&home.run_without_password(server.address, &reset).await);
    let new_password = told.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(before.ask("/auth/me").await.status, 401);
    assert_eq!(sign_in(server.address, PASSWORD).await.err(), Some(401));
    let between = sign_in(server.address, new_password).await.unwrap();
    assert_eq!(between.ask("/auth/me").await.status, 200);
    server.terminate().await;
    printed(&home.run(None, &reset).await);
    let server = home.serve().await;
    assert_eq!(sign_in(server.address, new_password).await.err(), Some(401));
    assert!(sign_in(server.address, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_company_is_exported_from_the_running_server_or_without_one() {
    let home = Home::on_sqlite();
    let server = home.serve().await;
    let api = sign_in(server.address, PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let companies = api.list("/companies").await;
    let company = companies[0]["id"].as_str().unwrap();
    let export = ["export", "--company", company];
    let running = printed(&home.run(Some(server.address), &export).await);
    server.terminate().await;
    let stopped = printed(&home.run(None, &export).await);
    assert_eq!(running, stopped);
    let lines: Vec<Value> = running
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(running.lines().last(), Some("{\"object\":\"end\"}"));
    for product in shop.common.iter().chain(&shop.scarce) {
        let times = lines.iter().filter(|line| line["id"] == **product).count();
        assert_eq!(times, 1, "{product}");
    }
    let nobody = ["export", "--company", "com_00000000000000000000000007"];
    refused(&home.run(None, &nobody).await);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for_without_telling_its_password() {
    let home = Home::on("postgres://quenty:hushhush@127.0.0.1:1/quenty".into());
    let file = "[storage]\nwait_ms = 1500\n";
    std::fs::write(home.folder().join("config.toml"), file).unwrap();
    for command in ["serve", "migrate"] {
        let said = refused(&home.run(None, &[command]).await);
        for part in ["WARN", "waiting for Postgres", "127.0.0.1", "refused"] {
            assert!(said.contains(part), "{said:?} should contain {part:?}");
        }
        assert!(!said.contains("hushhush"), "{said}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_files_is_told_so() {
    let home = Home::on_sqlite();
    let server = home.serve().await;
    let said = refused(&home.run(None, &["serve"]).await);
    assert!(
        said.contains("another process has the journal customer"),
        "{said}"
    );
    assert!(sign_in(server.address, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn neither_a_taken_port_nor_a_shell_displaces_a_server_on_postgres() {
    let Some(home) = Home::on_postgres("a server that is not displaced").await else {
        return;
    };
    let server = home.serve().await;
    let said = refused(&home.run(Some(server.address), &["serve"]).await);
    assert!(said.contains("listening on"), "{said}");
    let nowhere = ["export", "--company", "com_00000000000000000000000007"];
    let said = refused(&home.run(None, &nowhere).await);
    assert!(said.contains("no server answers"), "{said}");
    // Signing in writes: a server that had lost its shards could not.
    assert!(sign_in(server.address, PASSWORD).await.is_ok());
}
