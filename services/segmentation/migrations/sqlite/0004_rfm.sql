-- What the scores stand on; one row.
CREATE TABLE rfm_setting (id TEXT PRIMARY KEY, version BIGINT NOT NULL, currency TEXT NOT NULL, window_days BIGINT NOT NULL);
-- dirty: raised with each purchase; done: the value for which the scores were computed, at time.
CREATE TABLE rfm_state (id BIGINT PRIMARY KEY, dirty BIGINT NOT NULL, done BIGINT NOT NULL, time BIGINT NOT NULL);
INSERT INTO rfm_state (id, dirty, done, time) VALUES (1, 0, 0, 0);
