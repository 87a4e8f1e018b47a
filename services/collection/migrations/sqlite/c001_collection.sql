-- Collections of objects: calendars in one service, address books in another. Instants are microseconds UTC.
CREATE TABLE collection (
    num INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    slug TEXT NOT NULL,
    kind BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT NOT NULL,
    place BIGINT NOT NULL,
    time_zone TEXT NOT NULL,
    components TEXT NOT NULL,
    transparent BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    floor_seq BIGINT NOT NULL,
    object_count BIGINT NOT NULL,
    dead_count BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    UNIQUE (owner, slug)
);
CREATE TABLE dead_property (
    coll BIGINT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (coll, namespace, name)
) WITHOUT ROWID;
-- The client's exact bytes, apart from the rows that lists walk over.
CREATE TABLE body (num INTEGER PRIMARY KEY, data BLOB NOT NULL);
-- Kept in the order of names, so that a list of all ETags reads the table from one end to the other.
CREATE TABLE object (
    coll BIGINT NOT NULL,
    name TEXT NOT NULL,
    num BIGINT NOT NULL,
    id TEXT NOT NULL,
    uid TEXT NOT NULL,
    etag TEXT NOT NULL,
    schedule_tag TEXT NOT NULL,
    comp TEXT NOT NULL,
    seq BIGINT NOT NULL,
    size BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    first_utc BIGINT NOT NULL,
    last_utc BIGINT NOT NULL,
    floating BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    expanded_from BIGINT NOT NULL,
    expanded_to BIGINT NOT NULL,
    PRIMARY KEY (coll, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX object_num ON object (num);
CREATE UNIQUE INDEX object_id ON object (id);
CREATE UNIQUE INDEX object_uid ON object (coll, uid);
CREATE INDEX object_seq ON object (coll, seq);
-- Answers an open-ended time range alone, without a look at the rows.
CREATE INDEX object_range ON object (coll, last_utc, floating, partial, comp, num) WHERE comp <> 'VCARD';
-- Those whose occurrences are not all in the table below, or whose lookup values are not.
CREATE INDEX object_partial ON object (coll, last_utc) WHERE partial = 1;
CREATE TABLE tombstone (
    coll BIGINT NOT NULL,
    name TEXT NOT NULL,
    seq BIGINT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (coll, name)
) WITHOUT ROWID;
CREATE INDEX tombstone_seq ON tombstone (coll, seq);
-- class: 0 up to a day, 1 up to 31 days, 2 longer; plus 3 for floating times, kept as if their wall were UTC.
CREATE TABLE occurrence (
    coll BIGINT NOT NULL,
    class BIGINT NOT NULL,
    start_utc BIGINT NOT NULL,
    object BIGINT NOT NULL,
    end_utc BIGINT NOT NULL,
    PRIMARY KEY (coll, class, start_utc, object)
) WITHOUT ROWID;
CREATE INDEX occurrence_object ON occurrence (object);
-- Values of cards that filters look for, folded. kind: 1 EMAIL, 2 TEL, 3 FN, 4 N, 5 NICKNAME, 6 ORG.
CREATE TABLE lookup (
    coll BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    value TEXT NOT NULL,
    object BIGINT NOT NULL,
    PRIMARY KEY (coll, kind, value, object)
) WITHOUT ROWID;
CREATE INDEX lookup_object ON lookup (object);
