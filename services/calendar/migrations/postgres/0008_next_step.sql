-- Where each next step of the pipeline stands as a task: `collection` is the id of the engine's collection. state: 1 open, 2 done; `close_time` is when it was
-- done (microseconds UTC), else 0.
CREATE TABLE next_step (step TEXT PRIMARY KEY, collection TEXT NOT NULL, name TEXT NOT NULL, state BIGINT NOT NULL, close_time BIGINT NOT NULL);
CREATE UNIQUE INDEX next_step_place ON next_step (collection, name);
CREATE INDEX next_step_closed ON next_step (collection, state, close_time);
