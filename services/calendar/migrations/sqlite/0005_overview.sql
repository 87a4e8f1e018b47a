-- Where the deadline of each open opportunity stands: `collection` is the id of the engine's collection, `day` is like 2026-12-31.
CREATE TABLE deadline (opportunity TEXT PRIMARY KEY, collection TEXT NOT NULL, title TEXT NOT NULL, day TEXT NOT NULL) WITHOUT ROWID;
-- Users who are there already get their overview. 5 is its kind.
INSERT INTO collection (id, owner, slug, kind, display_name, description, color, place, time_zone, components, transparent, is_default, seq,
    floor_seq, object_count, dead_count, create_time, update_time)
SELECT lower(hex(randomblob(16))), login, 'overview', 5, 'Overview', '', '#7F7F7FFF', 2147483650, '', 'VEVENT', 1, 0, 1, 0, 0, 0, 0, 0
FROM person WHERE NOT EXISTS (SELECT 1 FROM collection WHERE owner = login AND slug = 'overview');
