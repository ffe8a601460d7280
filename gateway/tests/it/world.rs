//! The whole program on SQLite and on Postgres, one of each for all tests: cases share it as
//! companies do, and each works in a company of its own.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use gateway::app::App;
use gateway::bootstrap::{FirstSuperuser, first_superuser};
use gateway::config::Config;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::postgres::skip;

/// Whoever runs the installation.
const ROOT: &str = "root@quenty.example";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// How long access tokens hold, in seconds.
pub(crate) const TOKEN_S: u32 = 86_400;
/// A Postgres server to make a database on.
const SERVER: &str = "QUENTY_TEST_POSTGRES_URL";

/// Outlives each test, as the worlds do.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

static SQLITE: OnceCell<World> = OnceCell::const_new();
static POSTGRES: OnceCell<World> = OnceCell::const_new();

/// The running program on one backend.
pub(crate) struct World {
    /// Signed in as the superuser.
    pub(crate) root: Client,
    /// For what no client can ask for.
    pub(crate) app: Arc<App>,
    folder: TempDir,
}

/// Runs each case on both backends.
macro_rules! cases {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[test] fn $case() { $crate::world::on_sqlite(super::$case); })*
        }
        mod postgres {
            $(#[test] fn $case() {
                let name = concat!(module_path!(), "::", stringify!($case));
                $crate::world::on_postgres(name, super::$case);
            })*
        }
    };
}

pub(crate) fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(&'static World) -> F) {
    RUNTIME.block_on(async {
        let start = || async {
            let folder = TempDir::new().unwrap();
            let url = format!("sqlite:{}", folder.path().display());
            World::start(folder, url).await
        };
        case(SQLITE.get_or_init(start).await).await;
    });
}

pub(crate) fn on_postgres<F: Future<Output = ()>>(
    name: &str,
    case: impl FnOnce(&'static World) -> F,
) {
    let Ok(server) = std::env::var(SERVER) else {
        return skip(name, "QUENTY_TEST_POSTGRES_URL names no server");
    };
    RUNTIME.block_on(async {
        let start = || async {
            let url = database(&server).await;
            World::start(TempDir::new().unwrap(), url).await
        };
        case(POSTGRES.get_or_init(start).await).await;
    });
}

async fn database(server: &str) -> String {
    let name = format!("quenty_gateway_{}", std::process::id());
    let mut connection = PgConnection::connect(server).await.unwrap();
    for statement in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let (start, _) = server.rsplit_once('/').unwrap();
    format!("{start}/{name}")
}

impl World {
    async fn start(folder: TempDir, url: String) -> Self {
        let key = folder.path().join("key.pem");
        let settings = [
            ("STORAGE__URL", url),
            ("STORAGE__SHARDS", "8".to_owned()),
            ("AUTH__SIGNING_KEY_FILE", key.display().to_string()),
            // The same one serves all tests, however long those between its first and its last take.
            ("AUTH__ACCESS_TOKEN_S", TOKEN_S.to_string()),
            // As cheap as argon2 goes: what a good hash costs is not tried here.
            ("AUTH__PASSWORD_MEMORY_KIB", "8".to_owned()),
            ("AUTH__PASSWORD_PASSES", "1".to_owned()),
        ];
        let settings = settings.map(|(key, value)| (format!("QUENTY__{key}"), value));
        let app = App::start(Config::load_with(None, settings).unwrap())
            .await
            .unwrap();
        let said = FirstSuperuser {
            email: Some(ROOT.to_owned()),
            password: Some(PASSWORD.to_owned()),
        };
        first_superuser(&app, said).await.unwrap();
        let nobody = Client::new(app.router());
        Self {
            root: nobody.sign_in(ROOT).await,
            app,
            folder,
        }
    }

    /// Without a credential.
    pub(crate) fn nobody(&self) -> Client {
        self.root.without_token()
    }

    /// The key that signs access tokens, as PEM.
    pub(crate) fn signing_key(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("key.pem")).unwrap()
    }

    /// A new company's id and the address of its administrator.
    pub(crate) async fn company(&self) -> (String, String) {
        let body = json!({"name": "Acme", "currency": "BRL", "country": "BR"});
        let company = self.root.post("/companies", &body).await.gives(201).id();
        let email = self.user(&company, "admin").await;
        (company, email)
    }

    /// The address of a new user of a company.
    pub(crate) async fn user(&self, company: &str, role: &str) -> String {
        let email = format!("{}@acme.example", unique("u"));
        let body: Value =
            json!({"email": email, "name": "Ada", "password": PASSWORD, "role": role});
        let root = self.root.acting_in(company);
        root.post("/users", &body).await.gives(201);
        email
    }
}

/// A name that no other case has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
