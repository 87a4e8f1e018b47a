-- busy: what an event makes of its time: 0 nothing, else the number of BusyKind. apart: guests answered some instances
-- in another way than the series, so that rows can't tell who takes part.
ALTER TABLE item ADD COLUMN busy BIGINT NOT NULL DEFAULT 1;
ALTER TABLE item ADD COLUMN apart BIGINT NOT NULL DEFAULT 0;
ALTER TABLE item_exception ADD COLUMN busy BIGINT NOT NULL DEFAULT 1;
CREATE INDEX item_apart ON item (coll) WHERE apart = 1;
-- Working hours and absences of a user: a VCALENDAR with VAVAILABILITY (RFC 7953).
CREATE TABLE availability (login TEXT PRIMARY KEY, data TEXT NOT NULL, etag TEXT NOT NULL, update_time BIGINT NOT NULL);
