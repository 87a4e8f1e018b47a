-- parents: ids, one on each line.
CREATE TABLE segment (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, description TEXT NOT NULL, rule TEXT NOT NULL, parents TEXT NOT NULL, team TEXT NOT NULL, creator TEXT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, delete_time BIGINT);
CREATE INDEX segment_team ON segment (team);
CREATE INDEX segment_name ON segment (display_name, id);
-- How many members a segment has; written by the engine.
CREATE TABLE segment_count (segment TEXT PRIMARY KEY, size BIGINT NOT NULL);
-- list: 1 static, 2 exclusion. kind: 1 partner (value: its name), 2 e-mail address, 3 number (E.164), 4 domain.
CREATE TABLE segment_entry (segment TEXT NOT NULL, id TEXT NOT NULL, list BIGINT NOT NULL, kind BIGINT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (segment, id));
CREATE INDEX segment_entry_value ON segment_entry (kind, value);
-- Members as roaring bitmaps of 65,536 partners each; what changed since they were written stands in member_delta.
CREATE TABLE member_chunk (segment TEXT NOT NULL, chunk BIGINT NOT NULL, bits BLOB NOT NULL, PRIMARY KEY (segment, chunk));
CREATE TABLE member_delta (segment TEXT NOT NULL, ord BIGINT NOT NULL, joined BIGINT NOT NULL, PRIMARY KEY (segment, ord));
-- One row for each day on which something changed (day: "2026-11-30" where the installation is): the size at its end, who joined and who left.
CREATE TABLE segment_size (segment TEXT NOT NULL, day TEXT NOT NULL, size BIGINT NOT NULL, joined BIGINT NOT NULL, gone BIGINT NOT NULL, PRIMARY KEY (segment, day));
