//! Single cells of the real databases: read, damaged, and put back.

use rand::RngExt as _;
use rand::rngs::StdRng;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection as _, Decode, PgConnection, Row, SqliteConnection, Type,
};
use uuid::Uuid;

use super::server::Home;

/// The full state of a document, where it is not what lists show.
const STATE: &str = "state";
/// Of which version that is.
pub(super) const STATE_VERSION: &str = "state_version";
/// A column that is true or false.
const FLAGGED: &str = "flagged";

/// The columns of a table that are damaged.
pub(super) struct Columns {
    id: &'static str,
    place: [&'static str; 2],
    texts: &'static [&'static str],
    numbers: &'static [&'static str],
    ids: &'static [&'static str],
}

/// Of documents: those that decide neither whether the list of all has it nor where. What is a
/// list's is the database's own to find.
const OF_DOCUMENTS: Columns = Columns {
    id: "id",
    place: ["0", "0"],
    texts: &["listed", "status", "text", "reference", STATE],
    numbers: &[
        "schema",
        "updated_at",
        "listed_checksum",
        FLAGGED,
        STATE_VERSION,
        "state_checksum",
    ],
    ids: &["parent", "site"],
};
/// Of events: all that there are.
const OF_EVENTS: Columns = Columns {
    id: "entity",
    place: ["shard", "seq"],
    texts: &[
        "kind",
        "name",
        "data",
        "personal",
        "principal",
        "request_id",
        "cause",
    ],
    numbers: &[
        "shard",
        "seq",
        "version",
        "at",
        "schema",
        "checksum",
        "personal_checksum",
    ],
    ids: &["entity", "tenant"],
};

/// A table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Documents.
    Documents,
    /// Events.
    Events,
}

/// What is in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// A text.
    Text(String),
    /// A number or a moment.
    Number(i64),
    /// An id.
    Id(Uuid),
}

/// A cell, and where it is.
#[derive(Clone)]
pub(super) struct Cell {
    context: &'static str,
    table: Table,
    /// Its entity: kind and id.
    pub(super) entity: (String, Uuid),
    /// The version of its row.
    pub(super) version: i64,
    /// Of an event: shard and position.
    place: (i64, i64),
    /// Its column.
    pub(super) column: &'static str,
    /// What is in it.
    pub(super) value: Stored,
}

/// The cells of one row that are not null.
pub(super) type Cells = Vec<Cell>;

impl Table {
    /// All its rows in a context.
    pub(super) async fn rows(self, home: &Home, context: &'static str) -> Vec<Cells> {
        match Database::open(home, context).await {
            Database::Sqlite(mut it) => {
                let rows = sqlx::query(AssertSqlSafe(self.select()));
                let rows = rows.fetch_all(&mut it).await.unwrap();
                rows.iter().map(|row| self.cells(context, row)).collect()
            }
            Database::Postgres(mut it) => {
                let rows = sqlx::query(AssertSqlSafe(self.select()));
                let rows = rows.fetch_all(&mut it).await.unwrap();
                rows.iter().map(|row| self.cells(context, row)).collect()
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Events => "events",
        }
    }

    fn all(self) -> Columns {
        match self {
            Self::Documents => OF_DOCUMENTS,
            Self::Events => OF_EVENTS,
        }
    }

    fn select(self) -> String {
        let all = self.all();
        let number = |name: &&str| match *name {
            // Postgres makes no large number of what is true or false.
            FLAGGED => format!("CAST(CAST({name} AS INTEGER) AS BIGINT) AS {name}"),
            _ => format!("CAST({name} AS BIGINT) AS {name}"),
        };
        let numbers: Vec<_> = all.numbers.iter().map(number).collect();
        let columns = [all.texts, all.ids].concat().join(", ");
        let columns = [numbers.join(", "), columns].join(", ");
        format!(
            "SELECT kind AS of_kind, {} AS of_entity, CAST(version AS BIGINT) AS of_version, \
             CAST({} AS BIGINT) AS of_shard, CAST({} AS BIGINT) AS of_seq, {} FROM {} \
             ORDER BY 1, 2, 3",
            all.id,
            all.place[0],
            all.place[1],
            columns.trim_end_matches(", "),
            self.name()
        )
    }

    fn cells<R: Row>(self, context: &'static str, row: &R) -> Cells
    where
        for<'n> &'n str: ColumnIndex<R>,
        for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Uuid: Decode<'r, R::Database> + Type<R::Database>,
    {
        let all = self.all();
        let texts = all.texts.iter().map(|name| {
            let text: Option<String> = row.get(*name);
            (*name, text.map(Stored::Text))
        });
        let numbers = all.numbers.iter().map(|name| {
            let number: Option<i64> = row.get(*name);
            (*name, number.map(Stored::Number))
        });
        let ids = all.ids.iter().map(|name| {
            let id: Option<Uuid> = row.get(*name);
            (*name, id.map(Stored::Id))
        });
        let cell = |(column, value): (&'static str, Option<Stored>)| {
            Some(Cell {
                context,
                table: self,
                entity: (row.get("of_kind"), row.get("of_entity")),
                version: row.get("of_version"),
                place: (row.get("of_shard"), row.get("of_seq")),
                column,
                value: value?,
            })
        };
        let mut cells: Cells = texts.chain(numbers).chain(ids).filter_map(cell).collect();
        // Where lists show the full state, it is of the version of its row, whatever is here.
        if !cells.iter().any(|it| it.column == STATE) {
            cells.retain(|it| it.column != STATE_VERSION);
        }
        cells
    }
}

impl Cell {
    /// With one bit flipped, or cut off.
    pub(super) fn damaged(&self, random: &mut StdRng) -> Self {
        let value = match &self.value {
            Stored::Text(text) => Stored::Text(damaged_text(text, random)),
            Stored::Number(number) => {
                // Beyond what there is, where one that is there would be in the way.
                let bits = match self.column {
                    "shard" => 9..15,
                    "seq" | "version" => 10..30,
                    "schema" => 0..15,
                    FLAGGED => 0..1,
                    _ => 0..31,
                };
                Stored::Number(number ^ (1 << random.random_range(bits)))
            }
            Stored::Id(id) => {
                let bit = 1_u128 << random.random_range(0..128);
                Stored::Id(Uuid::from_u128(id.as_u128() ^ bit))
            }
        };
        self.with(value)
    }

    /// With something else in it.
    pub(super) fn with(&self, value: Stored) -> Self {
        Self {
            value,
            ..self.clone()
        }
    }

    /// How an operator is told of its row: by its entity, or by its place in the feed.
    pub(super) fn names(&self) -> [String; 2] {
        let (kind, entity) = &self.entity;
        let (shard, seq) = self.place;
        [format!("{kind} {entity}"), format!("at {shard}/{seq}")]
    }

    /// Of an event: where it is in the feed, by context, shard and position.
    pub(super) fn in_feed(&self) -> Option<(String, i64, i64)> {
        let (shard, seq) = self.place;
        (self.table == Table::Events).then(|| (self.context.to_owned(), shard, seq))
    }

    /// Puts its value into the database.
    pub(super) async fn write(&self, home: &Home) {
        macro_rules! run {
            ($connection:expr) => {{
                let query = sqlx::query(AssertSqlSafe(self.update()));
                let query = match &self.value {
                    Stored::Text(text) => query.bind(text),
                    Stored::Number(number) => query.bind(number),
                    Stored::Id(id) => query.bind(id),
                };
                let query = if self.is_part_of_name() {
                    query.bind(self.place.0).bind(self.place.1)
                } else {
                    let (kind, entity) = &self.entity;
                    query.bind(kind).bind(entity).bind(self.version)
                };
                query.execute($connection).await.unwrap().rows_affected()
            }};
        }
        let written = match Database::open(home, self.context).await {
            Database::Sqlite(mut it) => run!(&mut it),
            Database::Postgres(mut it) => run!(&mut it),
        };
        assert_eq!(written, 1, "{}", self.column);
    }

    /// Whether its row cannot be found by its entity and version once it is damaged.
    fn is_part_of_name(&self) -> bool {
        self.table == Table::Events && ["kind", "entity", "version"].contains(&self.column)
    }

    fn update(&self) -> String {
        let (table, column) = (self.table.name(), self.column);
        let value = match column {
            FLAGGED => "CAST(CAST($1 AS INTEGER) AS BOOLEAN)",
            _ => "$1",
        };
        let set = format!("UPDATE {table} SET {column} = {value}");
        if self.is_part_of_name() {
            return format!("{set} WHERE shard = $2 AND seq = $3");
        }
        let id = self.table.all().id;
        format!("{set} WHERE kind = $2 AND {id} = $3 AND version = $4")
    }
}

fn damaged_text(text: &str, random: &mut StdRng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    // Postgres stores only text: what is flipped stays ASCII, and no NUL.
    let places: Vec<_> = (0..bytes.len()).filter(|it| bytes[*it] > 32).collect();
    if places.is_empty() {
        return format!("{text}x");
    }
    let place = places[random.random_range(0..places.len())];
    if random.random_range(0..4) == 0 && text.is_char_boundary(place) {
        bytes.truncate(place);
    } else if bytes[place].is_ascii() {
        bytes[place] ^= 1 << random.random_range(0..5);
    } else {
        return text.replace(|it: char| !it.is_ascii(), "?");
    }
    String::from_utf8(bytes).unwrap()
}

/// An open database.
enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    async fn open(home: &Home, context: &str) -> Self {
        if home.storage().starts_with("sqlite") {
            let file = home.folder().join(format!("data/{context}.db"));
            let url = format!("sqlite:{}", file.display());
            return Self::Sqlite(SqliteConnection::connect(&url).await.unwrap());
        }
        let mut connection = PgConnection::connect(home.storage()).await.unwrap();
        let path = format!("SET search_path = \"{context}\"");
        let path = sqlx::query(AssertSqlSafe(path));
        path.execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }
}
