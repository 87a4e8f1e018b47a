-- What partners said about purposes, each word a row that stays, at the partner that it was written down for. state: 1 granted, 2 withdrawn. Instants are
-- microseconds UTC.
CREATE TABLE consent (id TEXT PRIMARY KEY, partner TEXT NOT NULL, purpose TEXT NOT NULL, state BIGINT NOT NULL, state_time BIGINT NOT NULL, source TEXT NOT NULL, actor TEXT NOT NULL, create_time BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX consent_partner ON consent (partner, purpose, state_time, state, id);
-- What counts of them for each partner that is there, those that went into it included. consent: id of the row that decides.
CREATE TABLE consent_state (partner TEXT NOT NULL, purpose TEXT NOT NULL, state BIGINT NOT NULL, state_time BIGINT NOT NULL, consent TEXT NOT NULL, PRIMARY KEY (partner, purpose)) WITHOUT ROWID;
