-- id: the number in E.164 without "+".
CREATE TABLE do_not_call (id TEXT PRIMARY KEY, version BIGINT NOT NULL, e164 TEXT NOT NULL, reason BIGINT NOT NULL, note TEXT NOT NULL, adder TEXT NOT NULL, create_time BIGINT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX do_not_call_e164 ON do_not_call (e164);
CREATE INDEX do_not_call_time ON do_not_call (create_time, id);
