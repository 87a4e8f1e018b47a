-- Rows that an import has seen, and the lead (its id) that each made. `scope` is the team or user whose import it was, `row_key` a digest of the row's external id or of
-- its content, `digest` of what it said last. The lead may be gone: then its row is not made again.
CREATE TABLE import_row (scope TEXT NOT NULL, source TEXT NOT NULL, row_key TEXT NOT NULL, digest TEXT NOT NULL, lead TEXT NOT NULL, PRIMARY KEY (scope, source, row_key)) WITHOUT ROWID;
