//! Events as the API shows them.

use engine::Recorded;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct View {
    /// Its id.
    id: String,
}

/// An event as the API shows it.
#[must_use]
pub fn render(event: &Recorded) -> Value {
    json!({ "id": event.id() })
}
