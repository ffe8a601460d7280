//! Events that policies could not handle: listed page by page, each tried again by its id.

use std::time::Duration;

use actors::ids::{CompanyId, LocationId, OrderId, ProductId, ShipmentId};
use actors::shipment::{self, Shipment};
use actors::stock::{self, Action, Stock};
use chrono::Utc;
use engine::{Entity, Meta, Reply};
use serde_json::Value;
use uuid::Uuid;

use crate::shop::Shop;
use crate::world::World;

cases! {
    parked_events_are_paged_over_all_contexts
    any_parked_event_is_tried_again_by_its_id
    only_cursors_of_the_list_are_taken
}

async fn send<E: Entity>(world: &World, company: &str, id: E::Id, command: E::Command) {
    let tenant: CompanyId = company.parse().unwrap();
    let meta = Meta::new(tenant.into(), "tester", "r-1", Duration::from_secs(20));
    let entities = world.app.engine.entities::<E>().unwrap();
    let reply = entities.send(id, command, meta).await.unwrap();
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
}

/// Has a shipment and a stock item answer an order that does not exist, which parks an event in
/// each of their contexts.
async fn park_two(world: &World, company: &str) {
    let order = OrderId::from(Uuid::now_v7());
    let cancel = shipment::Command::CancelForOrder { order };
    send::<Shipment>(world, company, ShipmentId::from(Uuid::now_v7()), cancel).await;
    let reserve = stock::Command {
        product: ProductId::from(Uuid::now_v7()),
        location: LocationId::from(Uuid::now_v7()),
        action: Action::Reserve {
            order,
            quantity: 1,
            backorder: true,
            reserve_by: Utc::now() + chrono::TimeDelta::hours(1),
        },
    };
    send::<Stock>(world, company, reserve.addressee(), reserve).await;
}

/// The ids of so many parked events at least, over pages of this size.
async fn ids(world: &World, number: usize, limit: u32) -> Vec<String> {
    let first = format!("/parked?limit={limit}");
    let mut ids = Vec::new();
    let mut next = first.clone();
    loop {
        let page = world.root.get(&next).await.gives(200);
        assert!(page.data().len() <= limit as usize);
        ids.extend(page.data().iter().map(id));
        if let Some(cursor) = page["next_cursor"].as_str() {
            next = format!("{first}&cursor={cursor}");
        } else if ids.len() >= number {
            return ids;
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (ids, next) = (Vec::new(), first.clone());
        }
    }
}

fn id(parked: &Value) -> String {
    parked["id"].as_str().unwrap().to_owned()
}

async fn parked_events_are_paged_over_all_contexts(world: &'static World) {
    let shop = Shop::open(world).await;
    for _ in 0..3 {
        park_two(world, &shop.company).await;
    }
    let all = ids(world, 6, 100).await;
    let by_two = ids(world, all.len(), 2).await;
    let by_one = ids(world, all.len(), 1).await;
    for id in all {
        assert_eq!(by_one.iter().filter(|it| **it == id).count(), 1);
        assert_eq!(by_two.iter().filter(|it| **it == id).count(), 1);
    }
}

async fn any_parked_event_is_tried_again_by_its_id(world: &'static World) {
    let shop = Shop::open(world).await;
    park_two(world, &shop.company).await;
    let before = ids(world, 2, 100).await;
    for parked in &before {
        let path = format!("/parked/{parked}/retry");
        let retried = world.root.post(&path, &Value::Null).await;
        retried.gives(204);
    }
    // Still in vain, and still in their places.
    let mut after = world.root.all("/parked").await;
    after.retain(|parked| before.contains(&id(parked)));
    assert_eq!(after.iter().map(id).collect::<Vec<_>>(), before);
    let is_tried_again = |it: &Value| it["attempts"].as_u64() >= Some(2);
    assert!(after.iter().all(is_tried_again), "{after:?}");
    let unknown = format!("/parked/{}-1/retry", Uuid::now_v7().simple());
    let retried = world.root.post(&unknown, &Value::Null).await;
    retried.refuses(404, "not-found");
}

async fn only_cursors_of_the_list_are_taken(world: &'static World) {
    for cursor in ["x", "b3JkZXI", "ZWxzZXdoZXJlL3g", "%00"] {
        let path = format!("/parked?cursor={cursor}");
        world.root.get(&path).await.gives(422);
    }
}
