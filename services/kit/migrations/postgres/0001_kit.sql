CREATE TABLE kit_outbox (sequence BIGINT PRIMARY KEY, event_id TEXT NOT NULL, partner TEXT NOT NULL, kind TEXT NOT NULL, time BIGINT NOT NULL, event BYTEA NOT NULL);
CREATE TABLE kit_outbox_head (id BIGINT PRIMARY KEY, sequence BIGINT NOT NULL);
INSERT INTO kit_outbox_head (id, sequence) VALUES (1, 0);
CREATE TABLE kit_request (caller TEXT NOT NULL, method TEXT NOT NULL, request_id TEXT NOT NULL, digest BYTEA NOT NULL, answer BYTEA NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (caller, method, request_id));
CREATE INDEX kit_request_time ON kit_request (time);
CREATE TABLE kit_cursor (consumer TEXT NOT NULL, source TEXT NOT NULL, sequence BIGINT NOT NULL, PRIMARY KEY (consumer, source));
CREATE TABLE kit_seen (consumer TEXT NOT NULL, event_id TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (consumer, event_id));
CREATE INDEX kit_seen_time ON kit_seen (time);
