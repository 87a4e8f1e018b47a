-- What the directory was told of the book of each segment: its definition's version, whether the segment is too large for one, and who is in it (a roaring bitmap).
CREATE TABLE segment_book (segment TEXT PRIMARY KEY, version BIGINT NOT NULL, large BIGINT NOT NULL, bits BYTEA NOT NULL);
