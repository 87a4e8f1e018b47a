-- Next steps of opportunities. state: 1 open, 2 done, 3 dropped. `due` is the instant from which on it is late; `due_date` is like 2026-12-31, empty when
-- it is due at an instant. deal_title, assignee and team are the opportunity's, followed while the step is open. Instants are microseconds UTC.
CREATE TABLE next_step (id TEXT PRIMARY KEY, version BIGINT NOT NULL, opportunity TEXT NOT NULL, title TEXT NOT NULL, note TEXT NOT NULL, due BIGINT NOT NULL, due_date TEXT NOT NULL, state BIGINT NOT NULL, deal_title TEXT NOT NULL, assignee TEXT NOT NULL, team TEXT NOT NULL, close_time BIGINT NOT NULL, closed_by TEXT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL);
CREATE UNIQUE INDEX next_step_open ON next_step (opportunity) WHERE state = 1;
CREATE INDEX next_step_opportunity ON next_step (opportunity, due, id);
CREATE INDEX next_step_due ON next_step (state, due, id);
CREATE INDEX next_step_assignee ON next_step (assignee, state, due, id);
CREATE INDEX next_step_team ON next_step (team, state, due, id);
