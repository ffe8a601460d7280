//! What is watched and read: topics, streams, tracking, the feed; and going on from a cursor.

use serde_json::{Value, json};

use super::{World, text, topic};

#[tokio::test]
async fn a_websocket_watches_topics_and_resumes_them() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let topic = topic(&shipment);
    let mut socket = world.signed_in().await;
    let hello = socket.subscribe(&topic, None).await;
    assert_eq!(hello["type"], "subscribed");
    assert_eq!(
        (&hello["topic"], &hello["cursor"]),
        (&json!(topic), &json!("1"))
    );
    assert_eq!(hello["snapshot"], shipment);
    let company = socket.subscribe("company", None).await;
    assert_eq!(company["snapshot"], Value::Null);
    world.scan(&shipment, 0..2, "left").await;
    let (mut of_shipment, mut of_company) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let message = socket.next().await;
        let topic = text(&message, "topic").to_owned();
        let events = if topic == "company" {
            &mut of_company
        } else {
            &mut of_shipment
        };
        events.push(message["event"].clone());
    }
    assert_eq!(of_shipment, of_company);
    assert_eq!(of_shipment[0]["type"], "shipment.scan_recorded");
    assert_eq!(of_shipment[0]["data"]["personal"]["description"], "left");
    assert_eq!(
        (&of_shipment[0]["version"], &of_shipment[1]["version"]),
        (&json!(2), &json!(3))
    );
    let history = format!(
        "/shipments/{}/history?after_version=1",
        text(&shipment, "id")
    );
    assert_eq!(
        world.get(&history).await.1["data"],
        Value::from(of_shipment)
    );
    let mut again = world.signed_in().await;
    again
        .subscribe("company", Some(text(&company, "cursor")))
        .await;
    assert_eq!(again.next().await["event"], of_company[0]);
    assert_eq!(again.next().await["event"], of_company[1]);
    socket
        .say(&json!({"type": "unsubscribe", "topic": topic}))
        .await;
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    world.scan(&shipment, 2..3, "left").await;
    assert_eq!(socket.next().await["topic"], "company");
}

#[tokio::test]
async fn server_sent_events_say_the_same_and_resume() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let topic = topic(&shipment);
    let mut stream = world.stream(&topic, None).await;
    let hello = stream.next().await;
    assert_eq!((hello.id.as_str(), hello.event.as_str()), ("1", "snapshot"));
    assert_eq!(hello.data["snapshot"], shipment);
    world.scan(&shipment, 0..3, "left").await;
    let event = stream.next().await;
    assert_eq!((event.id.as_str(), event.event.as_str()), ("2", "event"));
    assert_eq!(event.data["event"]["type"], "shipment.scan_recorded");
    drop(stream);
    let mut again = world.stream(&topic, Some("2")).await;
    assert_eq!(again.next().await.event, "snapshot");
    assert_eq!(again.next().await.id, "3");
    assert_eq!(again.next().await.id, "4");
    assert_eq!(world.get("/live/sse?topic=stock").await.0, 404);
    assert_eq!(world.get("/live/sse?topic=company&from=x").await.0, 422);
}

#[tokio::test]
async fn anybody_tracks_a_shipment_by_its_number() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let number = text(&shipment, "tracking_number");
    let mut socket = world
        .socket(&format!("/tracking/{number}/live"))
        .await
        .unwrap();
    let hello = socket.next().await;
    assert_eq!(
        (&hello["type"], &hello["topic"]),
        (&json!("subscribed"), &json!("tracking"))
    );
    world.scan(&shipment, 0..2, "signed by Ana").await;
    let mut said = vec![hello.to_string()];
    for version in [2, 3] {
        let message = socket.next().await;
        assert_eq!(message["event"]["version"], version);
        said.push(message.to_string());
    }
    let client = reqwest::Client::new();
    let open = async |path: &str| {
        let response = client.get(world.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, tracking) = open(&format!("/tracking/{number}")).await;
    assert_eq!(status, 200);
    let (_, scans) = open(&format!("/tracking/{}/events", number.to_lowercase())).await;
    let both: [Value; 2] = [&tracking, &scans].map(|it| serde_json::from_str(it).unwrap());
    assert_eq!(both[0]["status"], "in_transit");
    assert_eq!(both[0]["events"], both[1]["data"]);
    said.extend([tracking, scans]);
    for secret in ["Ana", "Rua", "usr_", "operator", "shp_"] {
        assert!(
            !said.iter().any(|it| it.contains(secret)),
            "{secret} in {said:?}"
        );
    }
    for unknown in ["QT0", "QT000000000000000000000000", "X Y%00Z"] {
        assert_eq!(
            open(&format!("/tracking/{unknown}")).await.0,
            404,
            "{unknown}"
        );
    }
    let forbidden = socket.subscribe("company", None).await;
    assert_eq!(forbidden["code"], "forbidden");
    let mut resumed = world
        .socket(&format!("/tracking/{number}/live?from=2"))
        .await
        .unwrap();
    resumed.next().await;
    assert_eq!(resumed.next().await["event"]["version"], 3);
}

#[tokio::test]
async fn a_companys_events_are_read_page_by_page() {
    let world = World::new(&[]).await;
    for number in 0..7 {
        let shipment = world.shipment().await;
        world.scan(&shipment, number..number + 1, "left").await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.get(&format!("/events?limit=4{after}")).await;
        assert_eq!(status, 200, "{page}");
        let events = page["data"].as_array().unwrap();
        assert!(events.len() <= 4);
        after = format!("&after={}", text(&page, "next_cursor"));
        if events.is_empty() {
            break;
        }
        seen.extend(events.iter().map(|event| event["id"].to_string()));
    }
    // The company's own first event, and two of each shipment.
    assert_eq!(seen.len(), 15);
    let shipment = world.shipment().await;
    let (_, page) = world.get(&format!("/events?{after}")).await;
    assert_eq!(page["data"][0]["resource"], shipment["id"]);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 15);
    assert_eq!(world.get("/events?after=x").await.0, 422);
}
