-- With owner and team in it SQLite looks for the entries of a subject here; without them it walked through the whole timeline for each event that is followed.
DROP INDEX timeline_subject;
CREATE INDEX timeline_subject ON timeline (generation, subject, owner, team);
