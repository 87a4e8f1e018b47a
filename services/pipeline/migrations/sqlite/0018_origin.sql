-- The record of another service that an opportunity came from, such as an entry of a call list: one opportunity each.
ALTER TABLE opportunity ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX opportunity_origin ON opportunity (origin) WHERE origin <> '';
