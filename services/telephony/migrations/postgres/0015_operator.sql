-- Operators (state: 1 offline, 2 available, 3 ringing, 4 talking, 5 wrap-up, 6 break) and the call that the state is about.
CREATE TABLE call_operator (id TEXT PRIMARY KEY, version BIGINT NOT NULL, team TEXT NOT NULL, state BIGINT NOT NULL, reason TEXT NOT NULL, since_time BIGINT NOT NULL, call TEXT NOT NULL, queue TEXT NOT NULL, call_list TEXT NOT NULL, due_time BIGINT, seen_time BIGINT NOT NULL, queues TEXT NOT NULL, call_lists TEXT NOT NULL, wrap_seconds BIGINT NOT NULL);
CREATE INDEX call_operator_call ON call_operator (call) WHERE call <> '';
CREATE INDEX call_operator_due ON call_operator (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX call_operator_seen ON call_operator (seen_time) WHERE state IN (2, 5, 6);
CREATE INDEX call_operator_here ON call_operator (id) WHERE state <> 1;
CREATE INDEX call_operator_since ON call_operator (since_time, id);
-- The states that operators were in.
CREATE TABLE operator_period (id TEXT PRIMARY KEY, handler TEXT NOT NULL, state BIGINT NOT NULL, reason TEXT NOT NULL, start_time BIGINT NOT NULL, end_time BIGINT, call TEXT NOT NULL, queue TEXT NOT NULL, call_list TEXT NOT NULL, actor TEXT NOT NULL);
CREATE INDEX operator_period_handler ON operator_period (handler, start_time, id);
CREATE INDEX operator_period_open ON operator_period (handler) WHERE end_time IS NULL;
CREATE INDEX operator_period_list ON operator_period (call_list, start_time) WHERE call_list <> '';
CREATE INDEX operator_period_start ON operator_period (start_time);
-- Whose calls go on.
CREATE INDEX call_handler_open ON call (handler) WHERE state <> 3;
