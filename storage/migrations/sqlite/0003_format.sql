-- The format of what is stored (`engine::journal::checksum::FORMAT`). What was there before has the
-- first one, whose checksums covered less; it is refused.
ALTER TABLE meta ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
