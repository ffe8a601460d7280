//! People who watch shipments, each over a connection of their own.

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::progress::Progress;
use super::viewer::{Instruction, Viewer};
use super::watch::{Entry, Watch};
use crate::client::Client;

/// Shipments that a viewer was told of and has not looked at yet.
const INBOX: usize = 64;

/// Tells viewers what to look at. When it is dropped they see the rest, and leave.
pub(super) struct Viewers(Vec<mpsc::Sender<Instruction>>);

/// The viewers themselves.
pub(super) struct Audience(Vec<JoinHandle<Vec<Watch>>>);

/// Seats so many viewers.
pub(super) fn seat(
    client: &Client,
    viewers: usize,
    progress: &Arc<Progress>,
) -> (Viewers, Audience) {
    let seat = |_| {
        let (told, inbox) = mpsc::channel(INBOX);
        let viewer = Viewer::new(client.clone(), Arc::clone(progress), inbox);
        (told, tokio::spawn(viewer.watch()))
    };
    let (told, tasks) = (0..viewers).map(seat).unzip();
    (Viewers(told), Audience(tasks))
}

impl Viewers {
    /// A viewer follows a shipment; every other one comes in with a snapshot.
    pub(super) async fn follow(&self, viewer: usize, shipment: &str) {
        let entry = match viewer.is_multiple_of(2) {
            true => Entry::Beginning,
            false => Entry::Snapshot,
        };
        let watch = Watch::new(shipment.to_owned(), entry);
        self.tell(viewer, Instruction::Follow(watch)).await;
    }

    /// Nothing will happen to a shipment after this version.
    pub(super) async fn finish(&self, viewer: usize, shipment: &str, version: u64) {
        let shipment = shipment.to_owned();
        self.tell(viewer, Instruction::Finish { shipment, version })
            .await;
    }

    async fn tell(&self, viewer: usize, instruction: Instruction) {
        if let Some(seats) = viewer.checked_rem(self.0.len()) {
            // A viewer that gave up is found out when what it saw is looked at.
            let _ = self.0[seats].send(instruction).await;
        }
    }
}

impl Audience {
    /// What all of them saw, once they have left.
    pub(super) async fn leave(self) -> Result<Vec<Watch>> {
        let mut all = Vec::new();
        for viewer in self.0 {
            all.extend(viewer.await?);
        }
        Ok(all)
    }
}
