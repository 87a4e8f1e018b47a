-- rotting_days: days after which an opportunity that stays there rots, 0 is never. required: fields that one must have there, with commas.
ALTER TABLE stage ADD COLUMN rotting_days BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stage ADD COLUMN required TEXT NOT NULL DEFAULT '';
-- Since when an open opportunity rots; none without a limit.
ALTER TABLE opportunity ADD COLUMN rot_time BIGINT;
CREATE INDEX opportunity_rot_time ON opportunity (rot_time) WHERE rot_time IS NOT NULL;
