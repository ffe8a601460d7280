//! What clients and the server say to each other about live topics.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// What a client may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    /// Who it is; the first message of a connection without a ticket.
    Auth {
        /// An access token or API key.
        token: String,
        /// The company that a superuser acts in.
        #[serde(default)]
        company: Option<String>,
    },
    /// That it wants a topic.
    Subscribe {
        /// The topic.
        topic: String,
        /// The cursor to go on from; a snapshot if there is none.
        #[serde(default)]
        from: Option<String>,
    },
    /// That it wants a topic no more.
    Unsubscribe {
        /// The topic.
        topic: String,
    },
    /// Whether the server is there.
    Ping {},
}

/// A message to a client, ready to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// What kind of message it is, as server-sent events name it.
    pub name: &'static str,
    /// Where the client stands once it has it.
    pub cursor: Option<Arc<str>>,
    /// The message as JSON.
    pub text: Utf8Bytes,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Form<'a> {
    Subscribed {
        topic: &'a str,
        cursor: &'a str,
        snapshot: Option<&'a Value>,
    },
    Event {
        topic: &'a str,
        cursor: &'a str,
        event: &'a RawValue,
    },
    Lagged {
        topic: &'a str,
        skipped: u64,
        cursor: &'a str,
        snapshot: Option<&'a Value>,
    },
    Error {
        code: &'a str,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<&'a str>,
    },
    Pong {},
}

impl Message {
    /// A topic is watched from now on.
    pub(super) fn subscribed(topic: &str, cursor: &str, snapshot: Option<&Value>) -> Self {
        let form = Form::Subscribed {
            topic,
            cursor,
            snapshot,
        };
        Self::new("snapshot", Some(cursor), &form)
    }

    /// Something happened; the text is in [`event`]'s form.
    pub(super) fn event(cursor: Arc<str>, text: Utf8Bytes) -> Self {
        Self {
            name: "event",
            cursor: Some(cursor),
            text,
        }
    }

    /// The client was too slow: events were left out, and this is how things stand.
    pub(super) fn lagged(
        topic: &str,
        skipped: u64,
        cursor: &str,
        snapshot: Option<&Value>,
    ) -> Self {
        let form = Form::Lagged {
            topic,
            skipped,
            cursor,
            snapshot,
        };
        Self::new("lagged", Some(cursor), &form)
    }

    /// Something that the client asked cannot be.
    pub(super) fn error(problem: &Problem, topic: Option<&str>) -> Self {
        let form = Form::Error {
            code: problem.code(),
            detail: problem.detail(),
            topic,
        };
        Self::new("error", None, &form)
    }

    /// The server is there.
    pub(super) fn pong() -> Self {
        Self::new("pong", None, &Form::Pong {})
    }

    fn new(name: &'static str, cursor: Option<&str>, form: &Form<'_>) -> Self {
        Self {
            name,
            cursor: cursor.map(Arc::from),
            text: write(form),
        }
    }
}

/// The text of an `event` message, shared by all whom it is sent to.
pub(super) fn event(topic: &str, cursor: &str, event: &RawValue) -> Utf8Bytes {
    write(&Form::Event {
        topic,
        cursor,
        event,
    })
}

/// The event inside of the text of an `event` message.
pub(super) fn event_in(text: &str) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Inside {
        event: Box<RawValue>,
    }
    serde_json::from_str(text).ok().map(|it: Inside| it.event)
}

/// Texts and values of our own making: writing them cannot fail.
fn write(form: &Form<'_>) -> Utf8Bytes {
    serde_json::to_string(form).unwrap_or_default().into()
}
