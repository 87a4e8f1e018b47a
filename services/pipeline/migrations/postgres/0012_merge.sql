-- Merges that were not taken back. kind: 1 leads, 2 opportunities. number counts the merges of a survivor. before and after are the survivor's fields that a merge
-- may fill; owner and team are whose the survivor was.
CREATE TABLE record_merge (id TEXT PRIMARY KEY, kind BIGINT NOT NULL, survivor TEXT NOT NULL, number BIGINT NOT NULL, before BYTEA NOT NULL, after BYTEA NOT NULL, owner TEXT NOT NULL, team TEXT NOT NULL, actor TEXT NOT NULL, create_time BIGINT NOT NULL);
CREATE UNIQUE INDEX record_merge_survivor ON record_merge (kind, survivor, number);
CREATE INDEX record_merge_time ON record_merge (kind, create_time, id);
-- What went, and into which one. data is its row; fields are those of them that a merge may fill; partner is the opportunity's.
CREATE TABLE record_merged (kind BIGINT NOT NULL, record TEXT NOT NULL, merge TEXT NOT NULL, place BIGINT NOT NULL, survivor TEXT NOT NULL, partner TEXT NOT NULL, title TEXT NOT NULL, merge_time BIGINT NOT NULL, data BYTEA NOT NULL, fields BYTEA NOT NULL, PRIMARY KEY (kind, record));
CREATE UNIQUE INDEX record_merged_merge ON record_merged (merge, place);
CREATE INDEX record_merged_survivor ON record_merged (kind, survivor, record);
CREATE INDEX record_merged_partner ON record_merged (partner) WHERE partner <> '';
-- Next steps that went along (data is the row before), and leads that belonged to an opportunity that went.
CREATE TABLE record_merge_step (merge TEXT NOT NULL, step TEXT NOT NULL, opportunity TEXT NOT NULL, dropped BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (merge, step));
CREATE TABLE record_merge_lead (merge TEXT NOT NULL, lead TEXT NOT NULL, opportunity TEXT NOT NULL, PRIMARY KEY (merge, lead));
CREATE INDEX lead_opportunity ON lead (opportunity) WHERE opportunity <> '';
