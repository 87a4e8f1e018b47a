-- The e-mail address by which a user is invited, in lower case; empty without one. Of several users with one address the first has it.
ALTER TABLE person ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN email_since BIGINT NOT NULL DEFAULT 0;
CREATE INDEX person_email ON person (email, email_since, login) WHERE email <> '';
