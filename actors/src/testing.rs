//! How entities are tested: given events, when a command, then events or a refusal.
//!
//! ```text
//! given::<Order>([placed()]).when(Command::Cancel).then([Event::Cancelled]);
//! given::<Order>([]).when(Command::Cancel).refused(Rejection::NotFound);
//! ```

use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, Utc};
use engine::{Context, Entity, NewEvent};
use serde_json::Value;
use uuid::Uuid;

/// The tenant of every entity under test.
pub const TENANT: Uuid = Uuid::from_u128(0xC0);
/// The id of the entity under test.
pub const ENTITY: Uuid = Uuid::from_u128(0xE0);

/// When every test begins.
pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000).unwrap()
}

/// The context of a decision on a version, so many seconds after the start.
pub fn context(version: u64, seconds: i64) -> Context {
    Context {
        entity: ENTITY,
        version,
        tenant: TENANT,
        now: start() + TimeDelta::seconds(seconds),
        clock: start() + TimeDelta::seconds(seconds),
        principal: "usr_test".into(),
        request_id: "test".into(),
    }
}

/// An entity to which the events have happened.
pub fn given<E: Entity>(events: impl IntoIterator<Item = E::Event>) -> Given<E> {
    let mut given = Given {
        state: E::default(),
        context: context(0, 0),
    };
    for event in events {
        given.context.version += 1;
        given.state = given.state.evolve(&event);
    }
    given
}

/// An entity with a past.
pub struct Given<E> {
    state: E,
    context: Context,
}

impl<E: Entity> Given<E> {
    /// The state that the events led to.
    pub fn state(&self) -> &E {
        &self.state
    }

    /// Lets time pass.
    #[must_use]
    pub fn after_seconds(mut self, seconds: i64) -> Self {
        self.context.now += TimeDelta::seconds(seconds);
        self.context.clock += TimeDelta::seconds(seconds);
        self
    }

    /// Lets the clock have run ahead once: it is right again, but the entity's time stays there.
    #[must_use]
    pub fn ahead_of_clock_by_seconds(mut self, seconds: i64) -> Self {
        self.context.now += TimeDelta::seconds(seconds);
        self
    }

    /// Sends a command.
    pub fn when(self, command: E::Command) -> Then<E> {
        Then {
            outcome: self.state.decide(&command, &self.context),
            given: self,
        }
    }
}

/// What a command led to.
pub struct Then<E: Entity> {
    given: Given<E>,
    outcome: Result<Vec<E::Event>, E::Rejection>,
}

impl<E: Entity> Then<E>
where
    E::Event: PartialEq,
    E::Rejection: PartialEq,
{
    /// Exactly these events.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = E::Event>) -> Given<E> {
        assert_eq!(self.outcome, Ok(events.into_iter().collect()));
        self.happened()
    }

    /// This refusal.
    #[track_caller]
    pub fn refused(self, rejection: E::Rejection) {
        assert_eq!(self.outcome, Err(rejection));
    }

    /// Whatever was decided happens; a refusal fails the test.
    #[track_caller]
    pub fn happened(mut self) -> Given<E> {
        for event in self.outcome.unwrap() {
            self.given.context.version += 1;
            self.given.state = self.given.state.evolve(&event);
        }
        self.given
    }
}

/// Runs commands, each so many seconds after the one before, and checks what holds for every
/// entity: commands and refusals survive the way to another node, the events read back from their
/// stored form, and replaying them gives the state. After every command `invariant` looks at the
/// state and the events so far.
pub fn run<E>(
    commands: impl IntoIterator<Item = (u32, E::Command)>,
    invariant: impl Fn(&E, &[E::Event]),
) -> (E, Vec<E::Event>)
where
    E: Entity + PartialEq,
    E::Event: PartialEq,
{
    let (mut state, mut events, mut seconds) = (E::default(), Vec::new(), 0);
    for (pause, command) in commands {
        seconds += i64::from(pause);
        let context = context(events.len() as u64, seconds);
        let outcome = state.decide(&through_json(&command), &context);
        if let Err(rejection) = &outcome {
            let read = through_json(rejection);
            assert_eq!(read.to_string(), rejection.to_string());
        }
        for event in outcome.into_iter().flatten() {
            state = state.evolve(&stored::<E>(&event));
            events.push(event);
        }
        invariant(&state, &events);
        // Asked for here so that a panic in them is found too.
        let _ = (state.index(), state.claims(), state.timers());
    }
    let replayed = events.iter().fold(E::default(), E::evolve);
    assert_eq!(replayed, state, "replaying the events gives the state");
    assert_eq!(through_json(&state), state, "the state reads back");
    (state, events)
}

/// An event after it was written and read as a journal does it.
pub fn stored<E: Entity>(event: &E::Event) -> E::Event
where
    E::Event: PartialEq,
{
    let written = NewEvent::encode(event).unwrap();
    let mut data: Value = serde_json::from_str(&written.data).unwrap();
    assert_eq!(data["type"], written.name, "the name is the type tag");
    if let Some(personal) = written.personal {
        data["personal"] = serde_json::from_str(&personal).unwrap();
    }
    let read = serde_json::from_value(data).unwrap();
    assert_eq!(&read, event, "the event reads back");
    read
}

/// A value after it was written as JSON and read.
pub fn through_json<T>(value: &T) -> T
where
    T: serde::Serialize + serde::de::DeserializeOwned + Debug,
{
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}
