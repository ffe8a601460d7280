//! What the server says on a live connection.

use serde::Deserialize;

use crate::api::{Event, Resource};

/// A message of the server on a live connection.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Message {
    /// A topic is followed from here.
    Subscribed {
        /// Which.
        topic: String,
        /// Where its next event follows.
        cursor: String,
        /// The resource at that point.
        snapshot: Option<Resource>,
    },
    /// Something happened.
    Event {
        /// The topic.
        topic: String,
        /// Where the next event follows.
        cursor: String,
        /// What happened.
        event: Event,
    },
    /// The connection was too slow, and events were left out.
    Lagged {
        /// The topic.
        topic: String,
    },
    /// Something is wrong.
    Error {
        /// What.
        code: String,
        /// In words.
        detail: Option<String>,
        /// The topic, if it is about one.
        topic: Option<String>,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Whether an error says how the server is, as while it restarts, and nothing of what was asked.
pub(super) fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "unavailable" | "too-late" | "overloaded" | "outcome-unknown"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_unknown_ones_passed_over() {
        let read = |text| serde_json::from_str::<Message>(text).unwrap();
        assert!(matches!(read(r#"{"type":"pong"}"#), Message::Other));
        assert!(matches!(
            read(
                r#"{"type":"subscribed","topic":"t","cursor":"3","snapshot":{"id":"shp_1","version":3,"object":"shipment"}}"#
            ),
            Message::Subscribed {
                snapshot: Some(Resource { version: 3, .. }),
                ..
            }
        ));
        assert!(matches!(
            read(r#"{"type":"error","code":"not-found","detail":"no"}"#),
            Message::Error { topic: None, .. }
        ));
    }
}
