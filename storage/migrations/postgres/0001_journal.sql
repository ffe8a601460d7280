-- The journal of one bounded context. The three contexts start with the same tables, each in a
-- schema of its own: this file stands in each context's folder as a link, and what one context
-- needs alone comes as a later file of its folder only.
--
-- Moments are whole milliseconds since 1970, the same number on every database. Text that is
-- compared or sorted is compared byte by byte (COLLATE "C"), so that every database answers alike.
-- JSON is kept as text: it has to come back byte for byte, and nothing looks into it here.

-- How the journal was set up. One row, so that no two setups can be there at once.
CREATE TABLE meta (
    id integer PRIMARY KEY CHECK (id = 1),
    -- Entities are spread by a hash modulo this number, so it can never change.
    shards integer NOT NULL
);

-- Who may write a shard, and where its feed ends. Every commit locks the rows of its shards, which
-- both fences former owners and numbers events without gaps.
CREATE TABLE leases (
    shard integer PRIMARY KEY,
    -- Raised with every change of owner: who writes under an older one is refused.
    epoch bigint NOT NULL DEFAULT 0,
    last_seq bigint NOT NULL DEFAULT 0,
    -- The owner, for operators to see.
    node uuid
) -- Updated by every commit: with room on each page the new version stays there (HOT).
WITH (fillfactor = 10);

-- What happened, for ever.
CREATE TABLE events (
    seq bigint NOT NULL,
    version bigint NOT NULL,
    at bigint NOT NULL,
    checksum bigint NOT NULL,
    -- The personal part has a checksum of its own, because it may be erased.
    personal_checksum bigint,
    shard integer NOT NULL,
    schema integer NOT NULL,
    entity uuid NOT NULL,
    tenant uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    data text NOT NULL,
    personal text,
    principal text NOT NULL,
    request_id text NOT NULL,
    cause text,
    -- Histories and replays; and it refuses a second event for a version.
    PRIMARY KEY (kind, entity, version),
    -- Feeds. A company's feed reads bounded spans of it, so the company needs no index.
    UNIQUE (shard, seq)
);

-- The latest state of every entity: what a cold start loads, and what lists read.
CREATE TABLE documents (
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    schema bigint NOT NULL,
    listed_checksum bigint NOT NULL,
    -- The version of the stored full state; null if there is none.
    state_version bigint,
    state_checksum bigint,
    id uuid NOT NULL,
    tenant uuid NOT NULL,
    parent uuid,
    site uuid,
    flagged boolean NOT NULL,
    kind text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    reference text COLLATE "C",
    -- What the search looks into, without case.
    text text COLLATE "C" NOT NULL,
    listed text NOT NULL,
    -- The full state where it is not what lists show.
    state text,
    PRIMARY KEY (kind, id)
) -- Most changes touch no indexed column: with room on the page they cost no index (HOT).
WITH (fillfactor = 70);

-- Every list of a company, in its order. Filters without an index of their own walk it: an index on
-- the status would be rewritten by nearly every change, and cost them all their HOT updates.
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
    is_installation boolean NOT NULL,
    -- The company; nil for keys of the installation.
    tenant uuid NOT NULL,
    holder uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, is_installation, tenant, key)
);

-- What entities asked to be told later.
CREATE TABLE timers (
    at bigint NOT NULL,
    entity uuid NOT NULL,
    tenant uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, entity, name)
);

-- Which are due.
CREATE INDEX timers_due ON timers (at);

-- Request keys: what was asked before, and how it was answered.
CREATE TABLE requests (
    body_hash bigint NOT NULL,
    version bigint NOT NULL,
    at bigint NOT NULL,
    entity uuid NOT NULL,
    -- Keys of clients are forgotten sooner than those of policies.
    is_client boolean NOT NULL,
    answer_status integer,
    kind text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    refusal text,
    answer_headers text,
    answer_body bytea,
    PRIMARY KEY (scope, key)
) -- The answer comes a moment after the key: room for it on the same page saves both indexes.
WITH (fillfactor = 50);

-- What is old enough to be forgotten.
CREATE INDEX requests_age ON requests (is_client, at);

-- How far subscribers have handled each shard's feed.
CREATE TABLE checkpoints (
    seq bigint NOT NULL,
    shard integer NOT NULL,
    subscriber text COLLATE "C" NOT NULL,
    PRIMARY KEY (subscriber, shard)
) -- Few rows, rewritten all the time.
WITH (fillfactor = 10);

-- Events that subscribers could not handle. Few, so lists of them need no index.
CREATE TABLE parked (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    attempts bigint NOT NULL,
    shard integer NOT NULL,
    subscriber text COLLATE "C" NOT NULL,
    -- The event's id; where it is recorded is told by shard and seq.
    event text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (subscriber, event)
);
