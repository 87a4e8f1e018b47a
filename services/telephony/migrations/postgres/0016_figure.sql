-- Counts for the board: span 0 is five minutes, 1 a day; bucket is its beginning; scope is '', 'queues/{queue}' or 'callLists/{list}'. Times are in microseconds.
CREATE TABLE figure (span BIGINT NOT NULL, bucket BIGINT NOT NULL, scope TEXT NOT NULL, offered BIGINT NOT NULL, answered BIGINT NOT NULL, in_time BIGINT NOT NULL, wait_micros BIGINT NOT NULL, abandoned BIGINT NOT NULL, handled BIGINT NOT NULL, talk_micros BIGINT NOT NULL, wrap_micros BIGINT NOT NULL, placed BIGINT NOT NULL, live BIGINT NOT NULL, dropped BIGINT NOT NULL, held BIGINT NOT NULL, not_held BIGINT NOT NULL, PRIMARY KEY (span, bucket, scope));
-- How calls of a call list are paced. mode: 0 by the size of the team, 1 preview, 2 progressive, 3 predictive.
CREATE TABLE pacing (id TEXT PRIMARY KEY, version BIGINT NOT NULL, team TEXT NOT NULL, mode BIGINT NOT NULL, drop_cap_per_mille BIGINT NOT NULL, ring_seconds BIGINT NOT NULL, max_ringing BIGINT NOT NULL);
-- The latest calls of a queue or a call list.
CREATE INDEX call_queue ON call (queue, start_time) WHERE queue <> '';
