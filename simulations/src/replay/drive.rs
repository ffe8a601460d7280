//! Takes orders through their steps.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::body;
use super::mapping::Step;
use super::pace::Pace;
use super::plan::{Plan, Planned};
use super::progress::Progress;
use super::viewers::Viewers;
use super::world::World;
use crate::api::{Order, Resource};

/// A run in which so many orders failed is broken off: the server is not there, or not ours.
const FAILURES_AT_MOST: u64 = 50;
/// What a saga brings about is waited for this long.
const SETTLING: Duration = Duration::from_secs(60);
/// The first pause between two looks at it; each is twice the one before.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// What became of an order.
#[derive(Debug, Default)]
pub(super) struct Driven {
    /// Its id.
    pub order: Option<String>,
    /// Its shipment's id.
    pub shipment: Option<String>,
    /// Why its steps were not all taken.
    pub failure: Option<String>,
}

/// Who takes orders through their steps.
pub(super) struct Driver {
    pub(super) world: Arc<World>,
    pub(super) pace: Pace,
    pub(super) viewers: Viewers,
    pub(super) progress: Arc<Progress>,
    pub(super) turns: Arc<Semaphore>,
}

/// An order under way.
struct Run<'a> {
    driver: &'a Driver,
    planned: &'a Planned,
    /// Who watches its shipment.
    viewer: usize,
    order: String,
    shipment: Option<Resource>,
    turn: Option<OwnedSemaphorePermit>,
}

/// Takes all orders of a plan through their steps, as they were bought. What comes back is in the
/// plan's order, and ends where the run was broken off.
pub(super) async fn drive(driver: Driver, plan: &Plan) -> Result<Vec<Driven>> {
    let driver = Arc::new(driver);
    let mut under_way = JoinSet::new();
    for (index, planned) in plan.orders.iter().enumerate() {
        if driver.progress.failures.load(Ordering::Relaxed) > FAILURES_AT_MOST {
            break;
        }
        if let Some(due) = driver.pace.due(planned.order.purchased) {
            tokio::time::sleep_until(due.into()).await;
        }
        let turn = Arc::clone(&driver.turns).acquire_owned().await?;
        let (driver, planned) = (Arc::clone(&driver), planned.clone());
        under_way.spawn(async move {
            let run = Run::new(&driver, &planned, index, turn);
            (index, run.finish().await)
        });
    }
    let mut driven = Vec::new();
    driven.resize_with(under_way.len(), Driven::default);
    while let Some(done) = under_way.join_next().await {
        let (index, outcome) = done?;
        driven[index] = outcome;
    }
    Ok(driven)
}

impl<'a> Run<'a> {
    fn new(
        driver: &'a Driver,
        planned: &'a Planned,
        viewer: usize,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            driver,
            planned,
            viewer,
            order: String::new(),
            shipment: None,
            turn: Some(turn),
        }
    }

    async fn finish(mut self) -> Driven {
        let outcome = self.take_all().await;
        let progress = &self.driver.progress;
        Progress::count(&progress.orders);
        if outcome.is_err() {
            Progress::count(&progress.failures);
        }
        if let Some(shipment) = &self.shipment {
            let viewers = &self.driver.viewers;
            viewers
                .finish(self.viewer, &shipment.id, shipment.version)
                .await;
        }
        Driven {
            order: Some(self.order).filter(|id| !id.is_empty()),
            shipment: self.shipment.map(|shipment| shipment.id),
            failure: outcome.err().map(|error| format!("{error:#}")),
        }
    }

    async fn take_all(&mut self) -> Result<()> {
        for step in self.planned.ending.steps() {
            self.wait_for(*step).await?;
            let taken = self.take(*step).await;
            taken.with_context(|| format!("{step:?} order {}", self.planned.order.id))?;
        }
        Ok(())
    }

    /// Whoever waits for the data's time lets others have the turn.
    async fn wait_for(&mut self, step: Step) -> Result<()> {
        if let Some(due) = self.driver.pace.due(step.at(&self.planned.order)) {
            self.turn = None;
            tokio::time::sleep_until(due.into()).await;
            self.turn = Some(Arc::clone(&self.driver.turns).acquire_owned().await?);
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Draft => self.write_down(step).await.map(drop),
            Step::Place => match self.write_down(step).await?.status.as_str() {
                "placed" => self.until(|status| status != "placed").await,
                _ => Ok(()),
            },
            Step::Cancel => {
                let body = json!({ "reason": "cancelled by the customer" });
                self.act(step, "cancel", body).await.map(drop)
            }
            Step::Pick => self.act(step, "pick", json!({})).await.map(drop),
            Step::Pack => self.act(step, "pack", json!({})).await.map(drop),
            Step::Ship => self.ship(step).await,
            Step::Book | Step::Depart | Step::TurnBack | Step::Deliver => self.scan(step).await,
            Step::Return => {
                // A run that is taken up may find it returned already.
                self.until(|status| matches!(status, "delivered" | "returned"))
                    .await?;
                let body = body::give_back(&self.planned.order);
                self.act(step, "return", body).await.map(drop)
            }
        }
    }

    async fn write_down(&mut self, step: Step) -> Result<Order> {
        let world = &self.driver.world;
        let body = body::order(self.planned, world, step == Step::Draft)?;
        let order: Order = world.client.post("/orders", &self.key(step), body).await?;
        self.order.clone_from(&order.id);
        Ok(order)
    }

    async fn act(&self, step: Step, action: &str, body: serde_json::Value) -> Result<Order> {
        let path = format!("/orders/{}/{action}", self.order);
        let client = &self.driver.world.client;
        client.post(&path, &self.key(step), body).await
    }

    async fn ship(&mut self, step: Step) -> Result<()> {
        let body = body::shipment(self.planned);
        let order = self.act(step, "ship", body).await?;
        let id = order.shipments.last().context("no shipment was made")?;
        let path = format!("/shipments/{id}");
        let client = &self.driver.world.client;
        let shipment = settle(|| client.find::<Resource>(&path)).await?;
        self.driver.viewers.follow(self.viewer, id).await;
        self.shipment = Some(shipment);
        Ok(())
    }

    async fn scan(&mut self, step: Step) -> Result<()> {
        let shipment = self.shipment.as_ref().context("there is no shipment")?;
        let path = format!("/shipments/{}/events", shipment.id);
        let body = body::scans(step, &self.planned.order);
        let client = &self.driver.world.client;
        self.shipment = Some(client.post(&path, &self.key(step), body).await?);
        Ok(())
    }

    async fn until(&self, is_settled: fn(&str) -> bool) -> Result<()> {
        let client = &self.driver.world.client;
        let path = format!("/orders/{}", self.order);
        settle(|| async {
            let order: Order = client.get(&path).await?;
            Ok(is_settled(&order.status).then_some(()))
        })
        .await
    }

    fn key(&self, step: Step) -> String {
        format!("order:{}/{step:?}", self.planned.order.id)
    }
}

/// Looks until there is what a saga was to bring about.
async fn settle<T, F>(look: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let give_up_at = Instant::now() + SETTLING;
    let mut pause = FIRST_LOOK;
    while Instant::now() < give_up_at {
        if let Some(settled) = look().await? {
            return Ok(settled);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    bail!("the server did not settle it within {SETTLING:?}")
}
