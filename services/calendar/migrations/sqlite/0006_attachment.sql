-- Managed attachments (RFC 8607). `id` is MANAGED-ID; `owner` is who owns the calendar that it came to, for the quota. Instants are microseconds UTC.
CREATE TABLE attachment (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    filename TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    etag TEXT NOT NULL,
    uri TEXT NOT NULL,
    create_time BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX attachment_owner ON attachment (owner, size);
-- The bytes, apart from the rows that lists walk over.
CREATE TABLE attachment_body (num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
-- Which objects have its ATTACH line. `object` is the engine's number; it is negative while an object is on its way inside one transaction.
CREATE TABLE attachment_use (attachment TEXT NOT NULL, object BIGINT NOT NULL, PRIMARY KEY (attachment, object)) WITHOUT ROWID;
CREATE INDEX attachment_use_object ON attachment_use (object);
-- Whether the object has a row above, so that others need no look there.
ALTER TABLE item ADD COLUMN attached BIGINT NOT NULL DEFAULT 0;
