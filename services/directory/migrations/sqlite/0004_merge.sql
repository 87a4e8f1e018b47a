-- Merges of partners that were not taken back. before: the survivor's card; after_etag: its ETag when the merge was done;
-- added: what it got, as a Contact message.
CREATE TABLE partner_merge (id TEXT PRIMARY KEY, survivor TEXT NOT NULL, before BLOB NOT NULL, after_etag TEXT NOT NULL, added BLOB NOT NULL, actor TEXT NOT NULL, create_time BIGINT NOT NULL);
CREATE INDEX partner_merge_survivor ON partner_merge (survivor, create_time, id);
CREATE INDEX partner_merge_time ON partner_merge (create_time, id);
-- Who went into whom, and the name of its card in the company book. The cards stand in a book of each merge that nobody sees.
CREATE TABLE partner_merged (partner TEXT PRIMARY KEY, merge TEXT NOT NULL, survivor TEXT NOT NULL, card_name TEXT NOT NULL);
CREATE INDEX partner_merged_merge ON partner_merged (merge, partner);
CREATE INDEX partner_merged_survivor ON partner_merged (survivor, partner);
-- Cards whose company was one that went.
CREATE TABLE partner_merge_link (merge TEXT NOT NULL, card TEXT NOT NULL, company TEXT NOT NULL, PRIMARY KEY (merge, card));
