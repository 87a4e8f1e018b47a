CREATE TABLE timeline (generation BIGINT NOT NULL, partner TEXT NOT NULL, entry TEXT NOT NULL, occur_time BIGINT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, summary TEXT NOT NULL, actor TEXT NOT NULL, owner TEXT NOT NULL, team TEXT NOT NULL, PRIMARY KEY (generation, partner, entry));
CREATE INDEX timeline_time ON timeline (generation, partner, occur_time, entry);
CREATE INDEX timeline_subject ON timeline (generation, subject);
CREATE INDEX timeline_entry ON timeline (generation, entry);
CREATE TABLE timeline_state (id BIGINT PRIMARY KEY, live BIGINT NOT NULL, building BIGINT NOT NULL);
INSERT INTO timeline_state (id, live, building) VALUES (1, 1, 0);
CREATE TABLE timeline_pending (source TEXT NOT NULL, sequence BIGINT NOT NULL, event BYTEA NOT NULL, PRIMARY KEY (source, sequence));
