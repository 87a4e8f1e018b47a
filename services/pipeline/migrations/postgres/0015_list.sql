-- Lists by owner and by team in any order: everything that they sort and mostly filter by is in the index, so that only the rows of the page are read.
DROP INDEX opportunity_assignee;
DROP INDEX opportunity_team;
CREATE INDEX opportunity_assignee ON opportunity (assignee, state, create_time, id, expected_close_date, update_time, stage_time, team, title);
CREATE INDEX opportunity_team ON opportunity (team, state, create_time, id, expected_close_date, update_time, stage_time, assignee, title);
-- Lists of all, in each order.
CREATE INDEX opportunity_update_time ON opportunity (update_time, id);
CREATE INDEX opportunity_stage_time ON opportunity (stage_time, id);
CREATE INDEX opportunity_close_date ON opportunity (expected_close_date, id);
CREATE INDEX opportunity_title ON opportunity (title, id);
DROP INDEX lead_assignee;
DROP INDEX lead_team;
CREATE INDEX lead_assignee ON lead (assignee, state, create_time, id, update_time, team, title);
CREATE INDEX lead_team ON lead (team, state, create_time, id, update_time, assignee, title);
CREATE INDEX lead_update_time ON lead (update_time, id);
CREATE INDEX lead_title ON lead (title, id);
CREATE INDEX lead_email ON lead (email);
