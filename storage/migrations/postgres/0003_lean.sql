-- What is old enough to be forgotten is looked for page by page: every commit paid for this index.
DROP INDEX requests_age;

-- Most keys have no answer stored with them, so that room for one beside each is mostly wasted.
ALTER TABLE requests SET (fillfactor = 80);
