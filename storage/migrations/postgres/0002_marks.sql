-- Claims that an event took for good: which of the holder's events. Null for those of its state,
-- which may be given up.
ALTER TABLE claims ADD COLUMN version bigint;
