-- Templates. fields: one declaration on each line, "path KIND". format: 1 DOCX, 2 ODT. state: 1 ready, 2 draft. findings: as protobuf. Instants are microseconds UTC.
CREATE TABLE template (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, description TEXT NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, fields TEXT NOT NULL, format BIGINT NOT NULL, state BIGINT NOT NULL, findings BLOB NOT NULL, revision BIGINT NOT NULL, sha256 TEXT NOT NULL, size BIGINT NOT NULL, records BIGINT NOT NULL, not_joinable TEXT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL);
CREATE INDEX template_owner ON template (owner);
CREATE INDEX template_team ON template (team);
CREATE INDEX template_display_name ON template (display_name, id);
CREATE TABLE template_revision (template TEXT NOT NULL, number BIGINT NOT NULL, sha256 TEXT NOT NULL, size BIGINT NOT NULL, author TEXT NOT NULL, create_time BIGINT NOT NULL, PRIMARY KEY (template, number)) WITHOUT ROWID;
CREATE INDEX template_revision_sha256 ON template_revision (sha256);
-- Documents by their hash; one that no revision and no merge needs is gone.
CREATE TABLE content (num INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
