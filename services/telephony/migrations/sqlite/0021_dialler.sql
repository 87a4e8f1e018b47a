-- For which list a dialler calls, and which number, while an order waits; both empty for a click to call.
ALTER TABLE dial ADD COLUMN call_list TEXT NOT NULL DEFAULT '';
ALTER TABLE dial ADD COLUMN e164 TEXT NOT NULL DEFAULT '';
CREATE INDEX dial_list ON dial (call_list) WHERE call_list <> '';
-- What comes after somebody answered a dialler: exten is the operator's extension, or empty to hang up. A row goes when it is given to the process that holds the connection.
CREATE TABLE dial_step (call TEXT PRIMARY KEY, connector TEXT NOT NULL, external_id TEXT NOT NULL, until_time BIGINT NOT NULL, context TEXT NOT NULL, exten TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX dial_step_connector ON dial_step (connector);
-- Diallers of call lists (id) that were ever started. actor: who started or stopped it.
CREATE TABLE dialler (id TEXT PRIMARY KEY, version BIGINT NOT NULL, team TEXT NOT NULL, running BIGINT NOT NULL, connector TEXT NOT NULL, actor TEXT NOT NULL, change_time BIGINT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX dialler_running ON dialler (id) WHERE running = 1;
-- Which process places calls: the one row.
CREATE TABLE dialler_lease (owner TEXT NOT NULL, until_time BIGINT NOT NULL);
INSERT INTO dialler_lease (owner, until_time) VALUES ('', 0);
