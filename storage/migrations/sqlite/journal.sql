-- The journal of one bounded context, in a file of its own.
--
-- Everything that a commit touches is here, so that one transaction covers it. Times are whole
-- milliseconds since 1970; ids are blobs of 16 bytes. The same tables as on Postgres.

-- What was fixed when the journal was created, such as the number of shards.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Who may write each shard. Locked first by every commit: a node whose epoch is not the one here is
-- turned away by the database that holds the data. `last_seq` numbers the shard's events without a
-- gap, which a sequence would not: it is advanced by the transaction that writes the events.
CREATE TABLE leases (
    shard    INTEGER PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    node     BLOB,
    last_seq INTEGER NOT NULL
) STRICT;

-- What happened. Never changed and never deleted; `personal` alone may be erased, which is why it has
-- a checksum of its own. The primary key serves the history and replay of one entity.
CREATE TABLE events (
    kind              TEXT NOT NULL,
    entity            BLOB NOT NULL,
    version           INTEGER NOT NULL,
    shard             INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    tenant            BLOB NOT NULL,
    at                INTEGER NOT NULL,
    name              TEXT NOT NULL,
    schema            INTEGER NOT NULL,
    data              TEXT NOT NULL,
    checksum          INTEGER NOT NULL,
    personal          TEXT,
    personal_checksum INTEGER,
    principal         TEXT NOT NULL,
    request_id        TEXT NOT NULL,
    cause             TEXT,
    PRIMARY KEY (kind, entity, version)
) STRICT;
-- The feed of a shard, read from a position.
CREATE UNIQUE INDEX events_feed ON events (shard, seq);

-- Each entity as it is: what a cold actor loads and what lists read. `state` is the full state where
-- `listed` is only a summary of it (`is_full`), possibly of an older version.
CREATE TABLE documents (
    kind            TEXT NOT NULL,
    id              BLOB NOT NULL,
    tenant          BLOB NOT NULL,
    version         INTEGER NOT NULL,
    schema          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    reference       TEXT,
    status          TEXT NOT NULL,
    parent          BLOB,
    site            BLOB,
    flagged         INTEGER NOT NULL,
    text            TEXT NOT NULL,
    listed          TEXT NOT NULL,
    listed_checksum INTEGER NOT NULL,
    is_full         INTEGER NOT NULL,
    state           TEXT,
    state_version   INTEGER,
    state_checksum  INTEGER,
    PRIMARY KEY (kind, id)
) STRICT;
-- A company's list in its usual order; other filters are applied on the way through it.
CREATE INDEX documents_list ON documents (kind, tenant, created_at, id);
-- The orders of a customer, the shipments of an order, the stock of a product.
CREATE INDEX documents_parent ON documents (parent, kind, created_at, id) WHERE parent IS NOT NULL;
-- The one with the client's own reference.
CREATE INDEX documents_reference ON documents (tenant, kind, reference) WHERE reference IS NOT NULL;

-- Unique keys, such as e-mail addresses and SKUs. `tenant` is nil where `is_installation`.
CREATE TABLE claims (
    kind            TEXT NOT NULL,
    is_installation INTEGER NOT NULL,
    tenant          BLOB NOT NULL,
    key             TEXT NOT NULL,
    holder          BLOB NOT NULL,
    PRIMARY KEY (kind, is_installation, tenant, key)
) STRICT;

-- What entities asked to be told later.
CREATE TABLE timers (
    kind   TEXT NOT NULL,
    entity BLOB NOT NULL,
    name   TEXT NOT NULL,
    tenant BLOB NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, entity, name)
) STRICT;
-- The timers that are due.
CREATE INDEX timers_due ON timers (at);

-- Requests that have had their effect, with the answers that are to be given again.
CREATE TABLE requests (
    scope          TEXT NOT NULL,
    key            TEXT NOT NULL,
    body_hash      INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    entity         BLOB NOT NULL,
    version        INTEGER NOT NULL,
    refusal        TEXT,
    at             INTEGER NOT NULL,
    is_client      INTEGER NOT NULL,
    answer_status  INTEGER,
    answer_headers TEXT,
    answer_body    BLOB,
    PRIMARY KEY (scope, key)
) STRICT;
-- Those old enough to be forgotten.
CREATE INDEX requests_age ON requests (is_client, at);

-- How far subscribers have handled the feeds.
CREATE TABLE checkpoints (
    subscriber TEXT NOT NULL,
    shard      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (subscriber, shard)
) STRICT;

-- Events that subscribers could not handle, until somebody has them tried again.
CREATE TABLE parked (
    subscriber TEXT NOT NULL,
    event      TEXT NOT NULL,
    shard      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (subscriber, event)
) STRICT;
