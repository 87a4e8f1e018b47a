-- Campaigns by mail: the mailing that their members get; empty for those by telephone.
ALTER TABLE campaign ADD COLUMN mailing TEXT NOT NULL DEFAULT '';
