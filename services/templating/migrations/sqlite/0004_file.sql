-- Folders and files of users beside the templates, over WebDAV. path: "templates/drafts/a.txt". Instants are microseconds UTC.
CREATE TABLE file (id TEXT PRIMARY KEY, owner TEXT NOT NULL, path TEXT NOT NULL, parent TEXT NOT NULL, folder BIGINT NOT NULL, sha256 TEXT NOT NULL, size BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, UNIQUE (owner, path));
CREATE INDEX file_parent ON file (owner, parent);
CREATE TABLE file_body (num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
-- What clients say of files and templates. resource: "f:{id}" or "t:{template}". name: "{namespace}name".
CREATE TABLE file_property (resource TEXT NOT NULL, name TEXT NOT NULL, prefix TEXT NOT NULL, xml BLOB NOT NULL, PRIMARY KEY (resource, name)) WITHOUT ROWID;
-- Locks. place: "f:{user}/{path}" or "t:{template}", also of what is not there yet. client_owner: XML.
CREATE TABLE file_lock (token TEXT PRIMARY KEY, place TEXT NOT NULL, path TEXT NOT NULL, user_name TEXT NOT NULL, client_owner BLOB NOT NULL, shared BIGINT NOT NULL, deep BIGINT NOT NULL, until BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX file_lock_place ON file_lock (place);
