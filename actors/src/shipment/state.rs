//! What is known of a shipment, and how each event changes it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index};
use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::command::{Carrier, Command, Line, Parcel};
use super::event::{Created, Event, Parties, ScanRecorded};
use super::rejection::Rejection;
use super::scan::Scan;
use super::status::Status;
use super::tracking_number::TrackingNumber;
use crate::claims;
use crate::ids::{OrderId, ShipmentId};
use crate::values::{CountryCode, Metadata, Reference, Text};

/// What is known of a shipment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    /// Where it stands; `None` while it has not been made.
    pub status: Option<Status>,
    /// The order that it serves, if any.
    pub order: Option<OrderId>,
    /// What is inside.
    pub lines: Arc<Vec<Line>>,
    /// The parcels.
    pub parcels: Arc<Vec<Parcel>>,
    /// The country that it goes to.
    pub destination: Option<CountryCode>,
    /// Who sends and who receives it; absent once erased.
    pub parties: Option<Arc<Parties>>,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    pub service: Option<Text<60>>,
    /// Its numbers, the present one first. It is found by any of them.
    pub tracking_numbers: Vec<TrackingNumber>,
    /// The carrier's number that it was to have and did not get.
    pub forgone_number: Option<TrackingNumber>,
    /// When it was to arrive when it was made.
    pub promised_delivery: Option<DateTime<Utc>>,
    /// The client's own name for it.
    pub reference: Option<Reference>,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// The carrier's scans, in order of the carrier's time.
    pub scans: Vector<Arc<Scan>>,
    /// Whether it was called off by us; no scan changes the status after that.
    pub is_called_off: bool,
    /// Why it was called off.
    pub cancel_reason: Option<Text<500>>,
    /// Whether its order was cancelled before the shipment had been made.
    pub is_forestalled: bool,
    /// Whether its order was cancelled too late.
    pub is_cancel_missed: bool,
}

impl Shipment {
    /// Whether it has been made. One that is only forestalled has events, but is not there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.status.is_some()
    }

    /// Its present number.
    #[must_use]
    pub fn tracking_number(&self) -> Option<&TrackingNumber> {
        self.tracking_numbers.first()
    }

    /// When it should arrive: what the scan with the latest carrier's time says of it, otherwise
    /// what was said when it was made.
    #[must_use]
    pub fn estimated_delivery(&self) -> Option<DateTime<Utc>> {
        self.scans
            .iter()
            .rev()
            .find_map(|scan| scan.estimated_delivery)
            .or(self.promised_delivery)
    }

    /// Whether the carrier has ever had the parcels.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.scans.iter().any(|scan| scan.status.has_left())
    }

    fn created(self, event: &Created) -> Self {
        Self {
            status: Some(Status::Created),
            order: event.order,
            lines: Arc::new(event.lines.clone()),
            parcels: Arc::new(event.parcels.clone()),
            destination: Some(event.destination),
            parties: event.personal.clone().map(Arc::new),
            carrier: event.carrier,
            service: event.service.clone(),
            tracking_numbers: vec![event.tracking_number.clone()],
            promised_delivery: event.estimated_delivery,
            reference: event.reference.clone(),
            metadata: event.metadata.clone(),
            ..self
        }
    }

    fn scanned(mut self, event: &ScanRecorded) -> Self {
        let details = event.personal.as_ref();
        let scan = Scan {
            code: event.code.clone(),
            status: event.scanned,
            place: event.place.clone(),
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            reason: event.reason.clone(),
            estimated_delivery: event.estimated_delivery,
            description: details.and_then(|details| details.description.clone()),
            coordinates: details.and_then(|details| details.coordinates),
        };
        if let Err(place) = self.find(&scan) {
            self.scans.insert(place, Arc::new(scan));
        }
        self.status = event.status.or(self.status);
        self
    }

    /// Where a scan stands in the list, or would.
    pub(super) fn find(&self, scan: &Scan) -> Result<usize, usize> {
        self.scans.binary_search_by(|filed| filed.order(scan))
    }
}

impl Entity for Shipment {
    const KIND: &'static str = "shipment";
    const CONTEXT: &'static str = "shipping";
    const SCHEMA: u32 = 2;

    type Id = ShipmentId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        super::decide::decide(self, command, context)
    }

    fn evolve(mut self, event: &Event) -> Self {
        match event {
            Event::Created(event) => self.created(event),
            Event::Numbered { tracking_number } => {
                self.tracking_numbers.insert(0, tracking_number.clone());
                self
            }
            Event::NumberRefused { tracking_number } => Self {
                forgone_number: Some(tracking_number.clone()),
                ..self
            },
            Event::ScanRecorded(event) => self.scanned(event),
            Event::Cancelled { reason, .. } => Self {
                status: Some(Status::Cancelled),
                is_called_off: true,
                cancel_reason: reason.clone(),
                ..self
            },
            Event::CancelForestalled { .. } => Self {
                is_forestalled: true,
                ..self
            },
            Event::CancelMissed {} => Self {
                is_cancel_missed: true,
                ..self
            },
        }
    }

    fn index(&self) -> Index {
        let numbers = self.tracking_numbers.iter().map(TrackingNumber::as_str);
        let reference = self.reference.as_ref().map(Reference::as_str);
        Index {
            reference: reference.map(str::to_owned),
            status: self.status.map_or("", Status::name),
            parent: self.order.map(Into::into),
            text: numbers.chain(reference).collect::<Vec<_>>().join(" "),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let numbers = self.tracking_numbers.iter().map(|number| Claim {
            scope: ClaimScope::Installation,
            key: format!("tracking:{number}"),
            rejection: Rejection::NumberTaken,
        });
        let reference = claims::reference(
            ClaimScope::Tenant,
            self.reference.as_ref(),
            Rejection::ReferenceTaken,
        );
        numbers.chain(reference).collect()
    }

    fn instead(command: &Command, _: &Rejection) -> Option<Command> {
        match command {
            Command::Number(number) => Some(Command::ForgoNumber(number.clone())),
            Command::Create(_)
            | Command::ForgoNumber(_)
            | Command::Record(_)
            | Command::Cancel { .. }
            | Command::CancelForOrder { .. } => None,
        }
    }
}
