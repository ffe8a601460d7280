//! The first superuser: made when there is none, so that somebody can come in.

use std::time::{Duration, Instant};

use actors::ids::UserId;
use actors::user::{Command, Profile, Role, User};
use actors::values::{Email, Metadata, Name, SecretHash};
use anyhow::{Context as _, bail};
use engine::{Entity as _, Meta, Reply};
use uuid::Uuid;

use crate::app::App;
use crate::auth::secret;
use crate::http::list;

/// The variables with the first superuser's address and password.
pub const EMAIL_VARIABLE: &str = "QUENTY_ADMIN_EMAIL";
/// See [`EMAIL_VARIABLE`].
pub const PASSWORD_VARIABLE: &str = "QUENTY_ADMIN_PASSWORD";
/// The address if none is given.
const EMAIL: &str = "admin@localhost";
/// How long the journal has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said of the first superuser before there is one.
#[derive(Clone, Default)]
pub struct FirstSuperuser {
    /// The address; a usual one, if not given.
    pub email: Option<String>,
    /// The password; one is made and printed, if not given.
    pub password: Option<String>,
}

impl FirstSuperuser {
    /// As the variables say.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            email: std::env::var(EMAIL_VARIABLE).ok(),
            password: std::env::var(PASSWORD_VARIABLE).ok(),
        }
    }
}

/// Makes the first superuser if the installation has none, and prints how to sign in.
///
/// # Errors
/// When the address is none, or the journal does not answer.
pub async fn first_superuser(app: &App, said: FirstSuperuser) -> anyhow::Result<()> {
    let users = app.engine.entities::<User>()?;
    let mut query = list::everything(User::KIND, Some(Uuid::nil()));
    query.limit = 1;
    if !users.list(&query).await?.is_empty() {
        return Ok(());
    }
    let email = said.email.unwrap_or_else(|| EMAIL.to_owned());
    let email = Email::new(&email).with_context(|| format!("{EMAIL_VARIABLE} {email:?}"))?;
    let given = said.password;
    let password = given.clone().unwrap_or_else(secret::password);
    let hash = app.passwords.hash(&password).await?;
    let command = Command::Register {
        profile: Profile {
            email: email.clone(),
            name: Name::new("Administrator")?,
        },
        role: Role::Superuser,
        password: SecretHash::new(&hash)?,
        reference: None,
        metadata: Metadata::default(),
    };
    // Before it is made: a password that was never shown would lock everybody out.
    match given {
        Some(_) => {
            eprintln!("making the superuser {email} with the password of {PASSWORD_VARIABLE}");
        }
        None => eprintln!("making the superuser {email} with the password {password}"),
    }
    let meta = Meta {
        deadline: Instant::now() + PATIENCE,
        ..Meta::new(Uuid::nil(), "bootstrap", "bootstrap", PATIENCE)
    };
    match users
        .send(UserId::from(Uuid::now_v7()), command, meta)
        .await?
    {
        Reply::Done(_) | Reply::Seen(_) => {}
        Reply::Refused(rejection) => bail!("the first superuser: {rejection}"),
    }
    Ok(())
}
