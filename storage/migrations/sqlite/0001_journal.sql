-- The journal of one bounded context. The three contexts start with the same tables, each in a
-- file of its own: this file stands in each context's folder as a link, and what one context
-- needs alone comes as a later file of its folder only.
--
-- Moments are whole milliseconds since 1970, the same number on every database. Text is
-- compared byte by byte, ids are 16 bytes, and truth is 0 or 1.
-- JSON is kept as text: it has to come back byte for byte, and nothing looks into it here.

-- How the journal was set up. One row, so that no two setups can be there at once.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Entities are spread by a hash modulo this number, so it can never change.
    shards INTEGER NOT NULL
) STRICT;

-- Who may write a shard, and where its feed ends. Every commit reads the rows of its shards,
-- which both fences former owners and numbers events without gaps.
CREATE TABLE leases (
    shard INTEGER PRIMARY KEY,
    -- Raised with every change of owner: who writes under an older one is refused.
    epoch INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL DEFAULT 0,
    -- The owner, for operators to see.
    node BLOB
) STRICT;

-- What happened, for ever.
CREATE TABLE events (
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    -- The personal part has a checksum of its own, because it may be erased.
    personal_checksum INTEGER,
    shard INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    entity BLOB NOT NULL,
    tenant BLOB NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    personal TEXT,
    principal TEXT NOT NULL,
    request_id TEXT NOT NULL,
    cause TEXT,
    -- Histories and replays; and it refuses a second event for a version.
    PRIMARY KEY (kind, entity, version),
    -- Feeds. A company's feed reads bounded spans of it, so the company needs no index.
    UNIQUE (shard, seq)
) STRICT;

-- The latest state of every entity: what a cold start loads, and what lists read.
CREATE TABLE documents (
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    listed_checksum INTEGER NOT NULL,
    -- The version of the stored full state; null if there is none.
    state_version INTEGER,
    state_checksum INTEGER,
    id BLOB NOT NULL,
    tenant BLOB NOT NULL,
    parent BLOB,
    site BLOB,
    flagged INTEGER NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    reference TEXT,
    -- What the search looks into, without case.
    text TEXT NOT NULL,
    listed TEXT NOT NULL,
    -- The full state where it is not what lists show.
    state TEXT,
    PRIMARY KEY (kind, id)
) STRICT;

-- Every list of a company, in its order. Filters without an index of their own walk it: an index on
-- the status would be rewritten by nearly every change.
-- It starts with the company, not the kind: a statement that finds documents by (kind, id) may be
-- planned while the table is empty, and must have no other index to mistake for the primary key.
CREATE INDEX documents_listed ON documents (tenant, kind, created_at, id);
-- Look-ups by the client's own reference.
CREATE INDEX documents_reference ON documents (tenant, kind, reference, created_at, id)
    WHERE reference IS NOT NULL;
-- What belongs to something: a customer's orders, an order's shipments, a product's stock.
CREATE INDEX documents_parent ON documents (parent, kind, created_at, id)
    WHERE parent IS NOT NULL;
-- What is at a site: a location's stock.
CREATE INDEX documents_site ON documents (site, kind, created_at, id)
    WHERE site IS NOT NULL;
-- The few that are marked: stock that is low.
CREATE INDEX documents_flagged ON documents (tenant, kind, created_at, id)
    WHERE flagged;

-- Unique keys and their holders.
CREATE TABLE claims (
    is_installation INTEGER NOT NULL,
    -- The company; nil for keys of the installation.
    tenant BLOB NOT NULL,
    holder BLOB NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (kind, is_installation, tenant, key)
) STRICT;

-- What entities asked to be told later.
CREATE TABLE timers (
    at INTEGER NOT NULL,
    entity BLOB NOT NULL,
    tenant BLOB NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, entity, name)
) STRICT;

-- Which are due.
CREATE INDEX timers_due ON timers (at);

-- Request keys: what was asked before, and how it was answered.
CREATE TABLE requests (
    body_hash INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entity BLOB NOT NULL,
    -- Keys of clients are forgotten sooner than those of policies.
    is_client INTEGER NOT NULL,
    answer_status INTEGER,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    refusal TEXT,
    answer_headers TEXT,
    answer_body BLOB,
    PRIMARY KEY (scope, key)
) STRICT;

-- What is old enough to be forgotten.
CREATE INDEX requests_age ON requests (is_client, at);

-- How far subscribers have handled each shard's feed.
CREATE TABLE checkpoints (
    seq INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    PRIMARY KEY (subscriber, shard)
) STRICT, WITHOUT ROWID;

-- Events that subscribers could not handle. Few, so lists of them need no index.
CREATE TABLE parked (
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    -- The event's id; where it is recorded is told by shard and seq.
    event TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (subscriber, event)
) STRICT, WITHOUT ROWID;
