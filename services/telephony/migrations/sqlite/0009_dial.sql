-- How a connector makes calls, as JSON, and what a FreeSWITCH has more than an Asterisk.
ALTER TABLE connector ADD COLUMN dial TEXT NOT NULL DEFAULT '';
ALTER TABLE connector ADD COLUMN trunk_contexts TEXT NOT NULL DEFAULT '';
ALTER TABLE connector ADD COLUMN post_secret TEXT NOT NULL DEFAULT '';
-- Clicks to call that the telephone system does not tell of yet. state: 0 waits for the process that holds the connection, 1 was given to it to be sent once.
-- What is dialled is blank from then on, and the row goes once the telephone system tells of the call.
CREATE TABLE dial (call TEXT PRIMARY KEY, connector TEXT NOT NULL, external_id TEXT NOT NULL, state BIGINT NOT NULL, made_time BIGINT NOT NULL, until_time BIGINT NOT NULL, device TEXT NOT NULL, context TEXT NOT NULL, exten TEXT NOT NULL, caller_id TEXT NOT NULL, ring_millis BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX dial_connector ON dial (connector, state, made_time);
CREATE INDEX dial_until ON dial (state, until_time);
