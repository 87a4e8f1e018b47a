-- What the calendar keeps beside the engine's objects. `object` and `coll` are the engine's row numbers; instants are
-- microseconds UTC, floating ones as if their wall were UTC.
CREATE TABLE person (login TEXT PRIMARY KEY, color TEXT NOT NULL, time_zone TEXT NOT NULL);
-- kind: 1 event, 2 task, 3 journal. status: the number of EventStatus.
CREATE TABLE item (
    object BIGINT PRIMARY KEY,
    coll BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    summary TEXT NOT NULL,
    told TEXT NOT NULL, -- the title that partners' timelines get: of a private meeting it says no more than that
    location TEXT NOT NULL,
    status BIGINT NOT NULL,
    all_day BIGINT NOT NULL,
    start_utc BIGINT NOT NULL,
    floating BIGINT NOT NULL,
    recurring BIGINT NOT NULL,
    ranged BIGINT NOT NULL,
    stamp BIGINT NOT NULL
);
CREATE INDEX item_list ON item (coll, kind, start_utc, object);
-- Series of which rows can't tell which item describes an instance.
CREATE INDEX item_ranged ON item (coll) WHERE ranged = 1;
-- Instances that are described by another item than the series.
CREATE TABLE item_exception (
    object BIGINT NOT NULL,
    start_utc BIGINT NOT NULL,
    original BIGINT NOT NULL,
    end_utc BIGINT NOT NULL,
    summary TEXT NOT NULL,
    location TEXT NOT NULL,
    status BIGINT NOT NULL,
    all_day BIGINT NOT NULL,
    PRIMARY KEY (object, start_utc, original)
);
CREATE TABLE attendee (object BIGINT NOT NULL, address TEXT NOT NULL, partstat TEXT NOT NULL, PRIMARY KEY (object, address));
CREATE INDEX attendee_address ON attendee (address);
-- Partners that a meeting is with; address is empty for those given in the object.
CREATE TABLE item_partner (object BIGINT NOT NULL, partner TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (object, partner, address));
CREATE INDEX item_partner_partner ON item_partner (partner);
-- Objects whose addresses wait for the directory, and partners whose addresses wait for a look into the calendars.
CREATE TABLE pending_object (object BIGINT PRIMARY KEY, tries BIGINT NOT NULL, next_time BIGINT NOT NULL);
CREATE TABLE pending_partner (partner TEXT PRIMARY KEY, tries BIGINT NOT NULL, next_time BIGINT NOT NULL);
