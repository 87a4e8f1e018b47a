-- Merges of partners whose opportunities still go along (back = 0), or come back (back = 1), in batches and one merge after the other, in the order of `number`. actor and
-- cause: whose doing that is, for the audit.
CREATE TABLE partner_walk (partner TEXT NOT NULL, survivor TEXT NOT NULL, number BIGINT NOT NULL, back BIGINT NOT NULL, actor TEXT NOT NULL, cause TEXT NOT NULL, PRIMARY KEY (partner, survivor)) WITHOUT ROWID;
CREATE INDEX partner_walk_number ON partner_walk (number);
-- How far LearnClosed came: all that closed up to here is learned. One row.
CREATE TABLE score_mark (id BIGINT PRIMARY KEY, close_time BIGINT NOT NULL, opportunity TEXT NOT NULL) WITHOUT ROWID;
-- Where a team's batches go on behind the head of the queue, when that fits nobody.
CREATE TABLE assignment_mark (team TEXT PRIMARY KEY, create_time BIGINT NOT NULL, opportunity TEXT NOT NULL) WITHOUT ROWID;
-- The company's currency that all open opportunities keep their rates in, or are being brought to: those with ids up to `opportunity` are. One row.
CREATE TABLE rate_base (id BIGINT PRIMARY KEY, currency TEXT NOT NULL, opportunity TEXT NOT NULL, done BIGINT NOT NULL) WITHOUT ROWID;
