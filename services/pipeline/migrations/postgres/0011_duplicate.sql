-- What leads may have in common. kind: 1 e-mail address, 2 number in E.164, 3 name and company. record is a lead's id. All writes of leads keep it true.
CREATE TABLE duplicate_key (kind BIGINT NOT NULL, value TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (kind, value, record));
CREATE INDEX duplicate_key_record ON duplicate_key (record, kind);
-- How many leads have a value: those that several have are found without a look at the others.
CREATE TABLE duplicate_group (kind BIGINT NOT NULL, value TEXT NOT NULL, records BIGINT NOT NULL, PRIMARY KEY (kind, value));
CREATE INDEX duplicate_group_many ON duplicate_group (kind, value) WHERE records > 1;
-- region: the country in which national numbers were read, the installation's. filled: leads up to this id have their keys; done says that all have.
CREATE TABLE duplicate_state (id BIGINT PRIMARY KEY, region TEXT NOT NULL, filled TEXT NOT NULL, done BIGINT NOT NULL);
INSERT INTO duplicate_state (id, region, filled, done) VALUES (1, '', '', 0);
