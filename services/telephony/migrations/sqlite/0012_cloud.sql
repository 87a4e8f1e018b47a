ALTER TABLE connector ADD COLUMN public_url TEXT NOT NULL DEFAULT '';
ALTER TABLE connector_state ADD COLUMN clock_behind BIGINT NOT NULL DEFAULT 0;
CREATE TABLE connector_refusal (connector TEXT NOT NULL, reason TEXT NOT NULL, description TEXT NOT NULL, posts BIGINT NOT NULL, last_time BIGINT NOT NULL, PRIMARY KEY (connector, reason)) WITHOUT ROWID;
CREATE TABLE post_seen (connector TEXT NOT NULL, nonce TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (connector, nonce)) WITHOUT ROWID;
CREATE INDEX post_seen_time ON post_seen (time);
