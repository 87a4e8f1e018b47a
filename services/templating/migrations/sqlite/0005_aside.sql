-- aside: no lock of a client: its user moved this template away in order to put another document in its place, and does not see it until then or until it ends.
ALTER TABLE file_lock ADD COLUMN aside BIGINT NOT NULL DEFAULT 0;
CREATE INDEX file_lock_user ON file_lock (user_name);
