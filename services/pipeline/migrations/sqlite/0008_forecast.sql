-- How each opportunity stood from an instant on until another one (microseconds UTC; the largest number while it stands so). `probability` is its own, in
-- percent; null means its stage's. `state` is 1 open, 2 won, 3 lost, 4 deleted.
CREATE TABLE deal_history (opportunity TEXT NOT NULL, valid_from BIGINT NOT NULL, valid_until BIGINT NOT NULL, state BIGINT NOT NULL, pipeline TEXT NOT NULL, stage TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL, probability BIGINT, close_date TEXT NOT NULL, assignee TEXT NOT NULL, team TEXT NOT NULL, PRIMARY KEY (opportunity, valid_from)) WITHOUT ROWID;
CREATE INDEX deal_history_time ON deal_history (state, valid_until, valid_from);
-- The same for the probability of each stage.
CREATE TABLE stage_history (stage TEXT NOT NULL, valid_from BIGINT NOT NULL, valid_until BIGINT NOT NULL, probability BIGINT NOT NULL, PRIMARY KEY (stage, valid_from)) WITHOUT ROWID;
INSERT INTO deal_history (opportunity, valid_from, valid_until, state, pipeline, stage, currency, amount, probability, close_date, assignee, team)
SELECT 'opportunities/' || id, update_time, 9223372036854775807, state, pipeline, stage, currency, amount, probability, expected_close_date, assignee, team FROM opportunity;
INSERT INTO stage_history (stage, valid_from, valid_until, probability) SELECT name, 0, 9223372036854775807, probability FROM stage;
