//! Every kind of topic as everybody may try to watch it over a WebSocket: who does, and who finds
//! nothing there.

use std::net::SocketAddr;

use serde_json::json;
use tokio::net::TcpListener;

use crate::companies::one_of_each;
use crate::document::topics;
use crate::live::Socket;
use crate::shop::{self, Shop};
use crate::tenants;
use crate::world::{PASSWORD, World};

cases! {
    every_topic_tells_apart_who_watches
}

/// The program at an address of its own, since a WebSocket takes a connection.
async fn serve(world: &'static World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = &world.app;
    let served = gateway::server::run(
        listener,
        app.router(),
        &app.config.gateway,
        app.shutdown.clone(),
    );
    tokio::spawn(served);
    address
}

/// The credentials in the order of the matrix, with whether they are of our company.
async fn credentials(ours: &Shop, theirs: &Shop) -> [(Option<String>, bool); 5] {
    let world = ours.world;
    let token = async |email: &str| {
        let tokens = world.nobody().login(email, PASSWORD).await.gives(200);
        Some(tokens.text("access_token"))
    };
    let viewer = world.user(&ours.company, "viewer").await;
    let key = json!({"name": "erp", "scopes": ["read", "write"]});
    let key = theirs.admin.post("/api-keys", &key).await.gives(201);
    [
        (token(&ours.email).await, true),
        (token(&viewer).await, true),
        (token(&theirs.email).await, false),
        (None, false),
        (Some(key.text("secret")), false),
    ]
}

/// A connection of somebody, or of nobody.
async fn connect(address: SocketAddr, token: Option<&str>) -> Socket {
    let mut socket = Socket::open(address, "/live").await.unwrap();
    if let Some(token) = token {
        socket.say(&json!({"type": "auth", "token": token})).await;
    }
    socket
}

/// What somebody is told of a topic, in the words of the matrix.
async fn verdict(mut socket: Socket, topic: &str, is_known: bool, is_ours: bool) -> &'static str {
    if !is_known {
        socket
            .say(&json!({"type": "subscribe", "topic": topic}))
            .await;
        assert_eq!(socket.close_code().await, 4002);
        return "401";
    }
    let said = socket.subscribe(topic, None).await;
    match (said["type"].as_str(), said["code"].as_str()) {
        (Some("subscribed"), None) if is_ours => "ok",
        // Theirs is shown nothing but that they watch.
        (Some("subscribed"), None) if said["snapshot"].is_null() => "own",
        (Some("error"), Some("not-found")) => "404",
        _ => unreachable!("{said}"),
    }
}

async fn every_topic_tells_apart_who_watches(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let (all, address) = (one_of_each(&ours).await, serve(world).await);
    let id = |name| &all.iter().find(|(it, _)| *it == name).unwrap().1;
    let credentials = credentials(&ours, &theirs).await;
    let document = world.nobody().get("//openapi.json").await.gives(200);
    for kind in topics(&document.body) {
        let topic = match kind.as_str() {
            "company" => kind.clone(),
            "order" => format!("order:{}", id("orders")),
            "shipment" => format!("shipment:{}", id("shipments")),
            _ => unreachable!("a new kind of topic is tried here, too: {kind}"),
        };
        let mut verdicts = Vec::new();
        for (token, is_ours) in &credentials {
            let socket = connect(address, token.as_deref()).await;
            verdicts.push(verdict(socket, &topic, token.is_some(), *is_ours).await);
        }
        assert_eq!(
            verdicts,
            tenants::lines()[&format!("TOPIC {kind}")],
            "{kind}"
        );
    }
    nothing_is_overheard(&ours, address, &credentials).await;
}

/// What happens in a company reaches its own watchers, and nobody else, with no cursor either.
async fn nothing_is_overheard(
    ours: &Shop,
    address: SocketAddr,
    credentials: &[(Option<String>, bool); 5],
) {
    let mut own = connect(address, credentials[0].0.as_deref()).await;
    let cursor = own.subscribe("company", None).await["cursor"].clone();
    let mut strangers = Vec::new();
    for (token, is_ours) in credentials {
        if token.is_none() || *is_ours {
            continue;
        }
        let mut stranger = connect(address, token.as_deref()).await;
        let stolen = stranger.subscribe("company", cursor.as_str()).await;
        assert_eq!(stolen["code"], "invalid-cursor", "{stolen}");
        let hello = stranger.subscribe("company", None).await;
        assert_eq!(hello["type"], "subscribed", "{hello}");
        strangers.push(stranger);
    }
    let made = ours
        .admin
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    // Once one viewer has the event, every other who is to have it is told before a later pong.
    while own.next().await["event"]["resource"] != made["id"] {}
    for stranger in &mut strangers {
        stranger.say(&json!({"type": "ping"})).await;
        assert_eq!(stranger.next().await["type"], "pong");
    }
}
