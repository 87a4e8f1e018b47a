-- Statements that look for the keys of a subject find all that they ask for in the index.
DROP INDEX timeline_subject;
CREATE INDEX timeline_subject ON timeline (generation, subject, owner, team);
