-- What is old enough to be forgotten is looked for page by page: every commit paid for this index.
DROP INDEX requests_age;

-- Most keys have no answer stored with them, so that room for one beside each is mostly wasted.
ALTER TABLE requests SET (fillfactor = 80);

-- What tells rows apart comes first: keys whose first columns are the same everywhere take several
-- comparisons, and the longest, at each step down an index.
ALTER TABLE requests DROP CONSTRAINT requests_pkey, ADD PRIMARY KEY (key, scope);
ALTER TABLE events DROP CONSTRAINT events_pkey, ADD PRIMARY KEY (entity, version, kind);
ALTER TABLE documents DROP CONSTRAINT documents_pkey, ADD PRIMARY KEY (id, kind);
ALTER TABLE timers DROP CONSTRAINT timers_pkey, ADD PRIMARY KEY (entity, name, kind);
