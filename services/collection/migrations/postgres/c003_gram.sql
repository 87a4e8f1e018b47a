-- Every three letters in a row of the values in `lookup`, the low byte of each letter: what a part of a value is found by.
CREATE TABLE gram (
    coll BIGINT NOT NULL,
    gram BIGINT NOT NULL,
    object BIGINT NOT NULL,
    PRIMARY KEY (coll, gram, object)
);
INSERT INTO gram (coll, gram, object)
SELECT DISTINCT coll, (ascii(substr(value, place, 1)) % 256)::BIGINT * 65536 + (ascii(substr(value, place + 1, 1)) % 256) * 256
    + ascii(substr(value, place + 2, 1)) % 256, object
FROM lookup CROSS JOIN LATERAL generate_series(1, length(value) - 2) AS place;
