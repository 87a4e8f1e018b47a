-- With how many users and teams a collection is shared: the number of its rows in `share`.
ALTER TABLE collection ADD COLUMN shares BIGINT NOT NULL DEFAULT 0;
UPDATE collection SET shares = (SELECT COUNT(*) FROM share WHERE share.coll = collection.num);
-- How a user wants to see a collection of somebody else that is shared with the user. NULL leaves it as the owner has it.
CREATE TABLE share_view (
    coll BIGINT NOT NULL,
    login TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    color TEXT,
    place BIGINT,
    PRIMARY KEY (coll, login)
) WITHOUT ROWID;
CREATE INDEX share_view_login ON share_view (login, coll);
