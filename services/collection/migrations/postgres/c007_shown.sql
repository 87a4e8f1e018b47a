-- What collections show of another one. coll is below 0, object the number of what is shown.
CREATE TABLE shown_member (
    coll BIGINT NOT NULL,
    name TEXT NOT NULL,
    object BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (coll, name)
);
CREATE UNIQUE INDEX shown_member_object ON shown_member (object, coll);
CREATE INDEX shown_member_seq ON shown_member (coll, seq);
-- The same columns as object, for what these show.
CREATE VIEW shown AS
    SELECT m.coll AS coll, m.name AS name, o.num AS num, o.id AS id, o.uid AS uid, o.etag AS etag, o.schedule_tag AS schedule_tag, o.comp AS comp,
        m.seq AS seq, o.size AS size, o.create_time AS create_time, o.update_time AS update_time, o.partial AS partial, o.last_utc AS last_utc
    FROM shown_member m JOIN object o ON o.num = m.object;
