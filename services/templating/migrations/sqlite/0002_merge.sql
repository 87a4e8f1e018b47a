-- Merges. output: 1 separate, 2 joined. policy: 1 all or nothing, 2 skip. state: 1 gathering, 2 making, 3 joining, 4 done, 5 failed, 6 cancelled; resume: where a cancelled one
-- goes on. filter, page_token: of the directory's list, while recipients are gathered. fields, sender: protobuf. gathered: recipients that were looked up. holder, until: which
-- process works on it.
CREATE TABLE merge_run (id TEXT PRIMARY KEY, version BIGINT NOT NULL, template TEXT NOT NULL, template_name TEXT NOT NULL, revision BIGINT NOT NULL, sha256 TEXT NOT NULL, output BIGINT NOT NULL, pdf BIGINT NOT NULL, policy BIGINT NOT NULL, locale TEXT NOT NULL, filter TEXT NOT NULL, page_token TEXT NOT NULL, fields BLOB NOT NULL, sender BLOB NOT NULL, owner TEXT NOT NULL, team TEXT NOT NULL, state BIGINT NOT NULL, resume BIGINT NOT NULL, recipients BIGINT NOT NULL, gathered BIGINT NOT NULL, done BIGINT NOT NULL, letters BIGINT NOT NULL, failed BIGINT NOT NULL, skipped BIGINT NOT NULL, failure TEXT NOT NULL, size BIGINT NOT NULL, holder TEXT NOT NULL, until BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, end_time BIGINT);
CREATE INDEX merge_run_owner ON merge_run (owner, create_time);
CREATE INDEX merge_run_team ON merge_run (team, create_time);
CREATE INDEX merge_run_open ON merge_run (create_time) WHERE state < 4;
CREATE INDEX merge_run_sha256 ON merge_run (sha256);
-- Recipients. card: the partner's fields as they were looked up (protobuf), none before. state: 0 waits, 1 made, 2 failed, 3 skipped.
CREATE TABLE merge_row (merge_id TEXT NOT NULL, number BIGINT NOT NULL, partner TEXT NOT NULL, display_name TEXT NOT NULL, locale TEXT NOT NULL, fields BLOB NOT NULL, card BLOB, state BIGINT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (merge_id, number)) WITHOUT ROWID;
CREATE INDEX merge_row_partner ON merge_row (partner) WHERE partner <> '';
CREATE INDEX merge_row_failed ON merge_row (merge_id, number) WHERE state = 2;
-- Letters, one for each file; the bytes apart. Of a joined file there are only pieces, numbered from 1.
CREATE TABLE letter (merge_id TEXT NOT NULL, number BIGINT NOT NULL, filename TEXT NOT NULL, partner TEXT NOT NULL, size BIGINT NOT NULL, PRIMARY KEY (merge_id, number)) WITHOUT ROWID;
CREATE INDEX letter_partner ON letter (partner) WHERE partner <> '';
CREATE TABLE letter_body (num INTEGER PRIMARY KEY, merge_id TEXT NOT NULL, number BIGINT NOT NULL, data BLOB NOT NULL, UNIQUE (merge_id, number));
-- Merges that were deleted, whose letters are still on their way out.
CREATE TABLE merge_gone (id TEXT PRIMARY KEY) WITHOUT ROWID;
