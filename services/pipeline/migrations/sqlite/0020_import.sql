-- Rows that an import of opportunities has seen, and the opportunity (its id) that each made: as import_row for leads.
CREATE TABLE import_deal_row (scope TEXT NOT NULL, source TEXT NOT NULL, row_key TEXT NOT NULL, digest TEXT NOT NULL, opportunity TEXT NOT NULL, PRIMARY KEY (scope, source, row_key)) WITHOUT ROWID;
-- Imports that were begun. `state` is 1 running, 2 done, 3 cancelled, 4 interrupted, 5 failed; `kind` is 1 leads, 2 opportunities.
CREATE TABLE import_run (
    id TEXT PRIMARY KEY, kind BIGINT NOT NULL, source TEXT NOT NULL, user_name TEXT NOT NULL, team TEXT NOT NULL, state BIGINT NOT NULL, failure TEXT NOT NULL,
    total_rows BIGINT NOT NULL, created_rows BIGINT NOT NULL, updated_rows BIGINT NOT NULL, unchanged_rows BIGINT NOT NULL, failed_rows BIGINT NOT NULL,
    create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, end_time BIGINT
);
CREATE INDEX import_run_newest ON import_run (create_time, id);
