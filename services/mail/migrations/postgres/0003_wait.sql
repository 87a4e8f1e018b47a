-- What mailings wait for. Of a process: what the relay said last, empty when it works; since when, and when it is tried again. Of a domain: since its first refusal in a row.
ALTER TABLE worker ADD COLUMN relay_words TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN relay_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE worker ADD COLUMN relay_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pace ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
