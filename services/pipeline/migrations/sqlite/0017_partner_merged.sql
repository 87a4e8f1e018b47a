-- Partners that went into another one, so that an opportunity made meanwhile with the old name is of the survivor. The row without a name is there
-- to be locked: new opportunities share it, a merge has it alone.
CREATE TABLE partner_merged (partner TEXT PRIMARY KEY, survivor TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO partner_merged (partner, survivor) VALUES ('', '');
