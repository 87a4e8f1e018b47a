CREATE TABLE kit_audit (sequence BIGINT PRIMARY KEY, time BIGINT NOT NULL, action BIGINT NOT NULL, actor TEXT NOT NULL, subject TEXT NOT NULL, partner TEXT NOT NULL, owner TEXT NOT NULL, team TEXT NOT NULL, body BYTEA NOT NULL, value_count BIGINT NOT NULL, value_data BYTEA NOT NULL, hash BYTEA NOT NULL);
CREATE INDEX kit_audit_time ON kit_audit (time, sequence);
CREATE INDEX kit_audit_subject ON kit_audit (subject, time, sequence);
CREATE INDEX kit_audit_partner ON kit_audit (partner, time, sequence) WHERE partner <> '';
CREATE TABLE kit_audit_head (id BIGINT PRIMARY KEY, sequence BIGINT NOT NULL, hash BYTEA NOT NULL);
INSERT INTO kit_audit_head (id, sequence, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));
