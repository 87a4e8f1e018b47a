-- Every three letters in a row of the values in `lookup`, the low byte of each letter: what a part of a value is found by.
CREATE TABLE gram (
    coll BIGINT NOT NULL,
    gram BIGINT NOT NULL,
    object BIGINT NOT NULL,
    PRIMARY KEY (coll, gram, object)
) WITHOUT ROWID;
INSERT OR IGNORE INTO gram (coll, gram, object)
WITH RECURSIVE place(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM place WHERE at < 500)
SELECT coll, (unicode(substr(value, at, 1)) % 256) * 65536 + (unicode(substr(value, at + 1, 1)) % 256) * 256
    + unicode(substr(value, at + 2, 1)) % 256, object
FROM lookup JOIN place ON at <= length(value) - 2;
