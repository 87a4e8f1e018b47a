-- Calls that went to another partner when theirs (partner) was merged into it (survivor).
CREATE TABLE partner_move (call TEXT NOT NULL, partner TEXT NOT NULL, survivor TEXT NOT NULL, PRIMARY KEY (call, partner)) WITHOUT ROWID;
CREATE INDEX partner_move_partner ON partner_move (partner, survivor);
