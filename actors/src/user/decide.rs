//! What a command does to a user.

use chrono::{DateTime, TimeDelta, Utc};
use engine::Context;

use super::command::{Command, Patch, Role};
use super::event::{Event, Registered, Updated};
use super::rejection::Rejection;
use super::state::{State, Status, User};
use crate::values::set;

/// Failed sign-ins in a row that an account takes without being locked.
const FAILURES_FREE: u32 = 4;
/// The longest lock is 2^10 minutes, some 17 hours: that bounds the events that somebody who only
/// guesses can cause to two a day, and lets the owner in again without anybody's help.
const LOCK_DOUBLINGS_MAX: u32 = 10;

type Decision = Result<Vec<Event>, Rejection>;

pub(super) fn decide(user: &User, command: &Command, context: &Context) -> Decision {
    let Some(state) = &user.0 else {
        return register(command, context);
    };
    match (state.status, command) {
        (_, Command::Register { .. }) => Err(Rejection::AlreadyExists),
        (_, Command::Update { patch }) => state.update(patch, context),
        (_, Command::ChangePassword { password }) if state.password.as_ref() == Some(password) => {
            Ok(vec![])
        }
        (_, Command::ChangePassword { password }) => Ok(vec![Event::PasswordChanged {
            secret: Some(password.clone()),
        }]),
        (Status::Active, Command::RecordFailure) => Ok(state.fail(context.now)),
        (Status::Active, Command::RecordSuccess) => state.succeed(context.now),
        (Status::Active, Command::Deactivate) => Ok(vec![Event::Deactivated {}]),
        (Status::Active, Command::Activate) => Ok(vec![]),
        (Status::Deactivated, Command::RecordSuccess) => Err(Rejection::UserDeactivated),
        (Status::Deactivated, Command::Activate) => Ok(vec![Event::Activated {}]),
        // There is nothing to be guessed: nobody is let in.
        (Status::Deactivated, Command::RecordFailure | Command::Deactivate) => Ok(vec![]),
    }
}

fn register(command: &Command, context: &Context) -> Decision {
    match command {
        Command::Register {
            profile,
            role,
            password,
            reference,
            metadata,
        } => {
            check_role(*role, context)?;
            Ok(vec![Event::Registered(Box::new(Registered {
                role: *role,
                reference: reference.clone(),
                metadata: metadata.clone(),
                secret: Some(password.clone()),
                personal: Some(profile.clone()),
            }))])
        }
        Command::Update { .. }
        | Command::ChangePassword { .. }
        | Command::RecordFailure
        | Command::RecordSuccess
        | Command::Activate
        | Command::Deactivate => Err(Rejection::NotFound),
    }
}

fn check_role(role: Role, context: &Context) -> Result<(), Rejection> {
    match (role, context.tenant.is_nil()) {
        (Role::Superuser, true) | (Role::Admin | Role::Viewer, false) => Ok(()),
        (Role::Superuser, false) | (Role::Admin | Role::Viewer, true) => {
            Err(Rejection::RoleOutOfPlace)
        }
    }
}

impl State {
    fn update(&self, patch: &Patch, context: &Context) -> Decision {
        let before = Updated {
            role: self.role,
            reference: self.reference.clone(),
            metadata: self.metadata.clone(),
            personal: Some(self.profile.clone().ok_or(Rejection::Erased)?),
        };
        let mut after = before.clone();
        set(&mut after.role, &patch.role);
        set(&mut after.reference, &patch.reference);
        set(&mut after.metadata, &patch.metadata);
        if let Some(profile) = &mut after.personal {
            set(&mut profile.name, &patch.name);
        }
        check_role(after.role, context)?;
        if after == before {
            return Ok(vec![]);
        }
        Ok(vec![Event::Updated(Box::new(after))])
    }

    /// While the account is locked nothing is counted: whoever goes on guessing learns nothing, and
    /// cannot make the lock any longer.
    fn fail(&self, now: DateTime<Utc>) -> Vec<Event> {
        if self.is_locked(now) {
            return vec![];
        }
        let failures = self.failures.saturating_add(1);
        let locked_until = failures
            .checked_sub(FAILURES_FREE + 1)
            .map(|beyond| now + TimeDelta::minutes(1 << beyond.min(LOCK_DOUBLINGS_MAX)));
        vec![Event::SignInFailed {
            failures,
            locked_until,
        }]
    }

    fn succeed(&self, now: DateTime<Utc>) -> Decision {
        if self.is_locked(now) {
            return Err(Rejection::AccountLocked);
        }
        if self.failures == 0 {
            return Ok(vec![]);
        }
        Ok(vec![Event::FailuresForgiven {}])
    }
}
