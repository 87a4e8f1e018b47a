-- Other times that guests propose. `object` is the engine's number of the organizer's object, `instance` the RECURRENCE-ID in seconds UTC, or the
-- smallest number for all of the meeting; `sequence` is what the guest had seen. `message` is the COUNTER. Times are microseconds UTC.
CREATE TABLE proposal (
    object BIGINT NOT NULL,
    attendee TEXT NOT NULL,
    instance BIGINT NOT NULL,
    id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    message BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (object, attendee, instance)
);
-- What was last heard from outside of somebody about a meeting of a user: SEQUENCE and DTSTAMP (seconds UTC), by which older messages are known.
CREATE TABLE heard (
    object BIGINT NOT NULL,
    address TEXT NOT NULL,
    instance BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    stamp BIGINT NOT NULL,
    PRIMARY KEY (object, address, instance)
);
