-- The journal of one bounded context, in a schema of its own.
--
-- Everything that a commit touches is here, so that one transaction covers it. Times are whole
-- milliseconds since 1970; text sorts and compares by bytes ("C"), as it does in SQLite.

-- What was fixed when the journal was created, such as the number of shards.
CREATE TABLE meta (
    key   text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- Who may write each shard. Locked first by every commit: a node whose epoch is not the one here is
-- turned away by the database that holds the data. `last_seq` numbers the shard's events without a
-- gap, which a sequence would not: it is advanced by the transaction that writes the events.
CREATE TABLE leases (
    shard    bigint PRIMARY KEY,
    epoch    bigint NOT NULL,
    node     uuid,
    last_seq bigint NOT NULL
);

-- What happened. Never changed and never deleted; `personal` alone may be erased, which is why it has
-- a checksum of its own. The primary key serves the history and replay of one entity.
CREATE TABLE events (
    kind              text COLLATE "C" NOT NULL,
    entity            uuid NOT NULL,
    version           bigint NOT NULL,
    shard             bigint NOT NULL,
    seq               bigint NOT NULL,
    tenant            uuid NOT NULL,
    at                bigint NOT NULL,
    name              text COLLATE "C" NOT NULL,
    schema            bigint NOT NULL,
    data              text NOT NULL,
    checksum          bigint NOT NULL,
    personal          text,
    personal_checksum bigint,
    principal         text NOT NULL,
    request_id        text NOT NULL,
    cause             text,
    PRIMARY KEY (kind, entity, version)
);
-- The feed of a shard, read from a position.
CREATE UNIQUE INDEX events_feed ON events (shard, seq);

-- Each entity as it is: what a cold actor loads and what lists read. `state` is the full state where
-- `listed` is only a summary of it (`is_full`), possibly of an older version.
CREATE TABLE documents (
    kind            text COLLATE "C" NOT NULL,
    id              uuid NOT NULL,
    tenant          uuid NOT NULL,
    version         bigint NOT NULL,
    schema          bigint NOT NULL,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    reference       text COLLATE "C",
    status          text COLLATE "C" NOT NULL,
    parent          uuid,
    site            uuid,
    flagged         boolean NOT NULL,
    text            text COLLATE "C" NOT NULL,
    listed          text NOT NULL,
    listed_checksum bigint NOT NULL,
    is_full         boolean NOT NULL,
    state           text,
    state_version   bigint,
    state_checksum  bigint,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);
-- A company's list in its usual order; other filters are applied on the way through it.
CREATE INDEX documents_list ON documents (kind, tenant, created_at, id);
-- The orders of a customer, the shipments of an order, the stock of a product.
CREATE INDEX documents_parent ON documents (parent, kind, created_at, id) WHERE parent IS NOT NULL;
-- The one with the client's own reference.
CREATE INDEX documents_reference ON documents (tenant, kind, reference) WHERE reference IS NOT NULL;

-- Unique keys, such as e-mail addresses and SKUs. `tenant` is nil where `is_installation`.
CREATE TABLE claims (
    kind            text COLLATE "C" NOT NULL,
    is_installation boolean NOT NULL,
    tenant          uuid NOT NULL,
    key             text COLLATE "C" NOT NULL,
    holder          uuid NOT NULL,
    PRIMARY KEY (kind, is_installation, tenant, key)
);

-- What entities asked to be told later.
CREATE TABLE timers (
    kind   text COLLATE "C" NOT NULL,
    entity uuid NOT NULL,
    name   text COLLATE "C" NOT NULL,
    tenant uuid NOT NULL,
    at     bigint NOT NULL,
    PRIMARY KEY (kind, entity, name)
);
-- The timers that are due.
CREATE INDEX timers_due ON timers (at);

-- Requests that have had their effect, with the answers that are to be given again.
CREATE TABLE requests (
    scope          text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    body_hash      bigint NOT NULL,
    kind           text NOT NULL,
    entity         uuid NOT NULL,
    version        bigint NOT NULL,
    refusal        text,
    at             bigint NOT NULL,
    is_client      boolean NOT NULL,
    answer_status  bigint,
    answer_headers text,
    answer_body    bytea,
    PRIMARY KEY (scope, key)
);
-- Those old enough to be forgotten.
CREATE INDEX requests_age ON requests (is_client, at);

-- How far subscribers have handled the feeds.
CREATE TABLE checkpoints (
    subscriber text COLLATE "C" NOT NULL,
    shard      bigint NOT NULL,
    seq        bigint NOT NULL,
    PRIMARY KEY (subscriber, shard)
);

-- Events that subscribers could not handle, until somebody has them tried again.
CREATE TABLE parked (
    subscriber text COLLATE "C" NOT NULL,
    event      text COLLATE "C" NOT NULL,
    shard      bigint NOT NULL,
    seq        bigint NOT NULL,
    reason     text NOT NULL,
    attempts   bigint NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (subscriber, event)
);
