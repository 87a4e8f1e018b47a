-- Who wants push messages about a collection. seq and properties_time: how far its client was told. wants: 1 content, 2 properties, 3 both.
-- next_time: not before this instant. tries: failures since the last message that went out. Instants are microseconds UTC.
CREATE TABLE push_registration (
    id TEXT PRIMARY KEY,
    coll BIGINT NOT NULL,
    login TEXT NOT NULL,
    address TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    auth_secret BYTEA NOT NULL,
    wants BIGINT NOT NULL,
    expire_time BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    properties_time BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_time BIGINT NOT NULL
);
CREATE UNIQUE INDEX push_registration_address ON push_registration (coll, login, address);
CREATE INDEX push_registration_login ON push_registration (login);
CREATE INDEX push_registration_expire ON push_registration (expire_time);
-- The private key by which push services know this service. One row.
CREATE TABLE push_key (id BIGINT PRIMARY KEY, secret BYTEA NOT NULL);
