-- Secret addresses of calendars. `calendar` is the id of the engine's collection, `hash` a keyed hash of the secret. Instants are microseconds UTC.
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    calendar TEXT NOT NULL,
    login TEXT NOT NULL,
    display_name TEXT NOT NULL,
    busy_only BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    last_use_time BIGINT NOT NULL
);
CREATE UNIQUE INDEX subscription_hash ON subscription (hash);
CREATE INDEX subscription_calendar ON subscription (calendar, create_time, id);
CREATE INDEX subscription_login ON subscription (login);
