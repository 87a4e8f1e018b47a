-- Partners of a campaign that went into another one: what was written of both then, and is taken back with the merge. was: state of the first. given: the survivor has its mark since then.
-- former, number: what the survivor had before; 0 when it was not seen.
CREATE TABLE campaign_move (campaign TEXT NOT NULL, ord BIGINT NOT NULL, was BIGINT NOT NULL, survivor BIGINT NOT NULL, given BIGINT NOT NULL, former BIGINT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (campaign, ord));
CREATE INDEX campaign_move_ord ON campaign_move (ord);
CREATE INDEX campaign_move_survivor ON campaign_move (survivor);
