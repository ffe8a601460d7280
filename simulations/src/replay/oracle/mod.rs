//! Examines through the public API whether the server is where the plan says.

mod feed;
mod orders;
mod shipments;
mod stock;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::drive::Driven;
use super::plan::Plan;
use super::report::Check;
use super::watch::Watch;
use super::world::World;
use crate::api::Resource;

/// Sagas that are still under way when all orders are done have so long to finish.
const SETTLING: Duration = Duration::from_secs(60);
/// The pause between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Requests at a time.
const CONCURRENCY: usize = 8;

/// The newest version of every resource that is listed, by its id.
type Versions = HashMap<String, u64>;

/// Examines everything. What cannot be examined is a fault and does not hide the rest.
pub(super) async fn examine(
    world: &World,
    plan: &Plan,
    driven: &[Driven],
    watched: Option<&[Watch]>,
) -> Result<Vec<Check>> {
    let mut versions = versions(world).await?;
    let mut checks = vec![steps(plan, driven)];
    let orders = orders::examine(world, plan, driven, &mut versions).await;
    checks.extend(examined("orders that could be examined", orders));
    let stock = stock::examine(world, plan, &mut versions).await;
    checks.extend(examined("stock that could be examined", stock));
    let shipments = shipments::examine(world, driven, watched, &mut versions).await;
    checks.extend(examined("shipments that could be examined", shipments));
    let feed = feed::examine(world, &versions).await;
    checks.extend(examined("feed that could be examined", feed));
    Ok(checks)
}

fn examined(name: &'static str, outcome: Result<impl IntoIterator<Item = Check>>) -> Vec<Check> {
    match outcome {
        Ok(checks) => checks.into_iter().collect(),
        Err(error) => {
            let mut check = Check::new(name);
            check.that(false, || format!("{error:#}"));
            vec![check]
        }
    }
}

fn steps(plan: &Plan, driven: &[Driven]) -> Check {
    let mut check = Check::new("orders taken through all their steps");
    for (index, planned) in plan.orders.iter().enumerate() {
        let failure = match driven.get(index) {
            None => Some("was not begun"),
            Some(driven) => driven.failure.as_deref(),
        };
        check.that(failure.is_none(), || {
            format!(
                "order {}: {}",
                planned.order.id,
                failure.unwrap_or_default()
            )
        });
    }
    check
}

/// The resources that nothing else is examined of.
async fn versions(world: &World) -> Result<Versions> {
    let mut versions = Versions::new();
    let company = format!("/companies/{}", world.company);
    let company: Resource = world.client.get(&company).await?;
    versions.insert(company.id, company.version);
    for list in ["/users", "/locations", "/products", "/customers"] {
        let all: Vec<Resource> = world.client.list(list, &[]).await?;
        versions.extend(all.into_iter().map(|one| (one.id, one.version)));
    }
    Ok(versions)
}

/// Looks until it is as expected, or the time is over; gives what was seen last.
async fn settled<T>(
    look: impl AsyncFn() -> Result<T>,
    is_as_expected: impl Fn(&T) -> bool,
) -> Result<T> {
    let give_up_at = Instant::now() + SETTLING;
    loop {
        let seen = look().await?;
        if is_as_expected(&seen) || Instant::now() > give_up_at {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}
