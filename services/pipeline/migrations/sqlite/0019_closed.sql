-- LearnClosed goes through the closed ones in the order in which they closed.
CREATE INDEX opportunity_closed ON opportunity (close_time, id) WHERE state IN (2, 3);
