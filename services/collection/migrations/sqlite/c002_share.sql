-- With whom a collection is shared: "users/{user}" or "teams/{team}". level: 1 reads, 2 writes objects too.
CREATE TABLE share (
    coll BIGINT NOT NULL,
    grantee TEXT NOT NULL,
    level BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (coll, grantee)
) WITHOUT ROWID;
CREATE INDEX share_grantee ON share (grantee, coll);
