-- Erasures of partners, as kit/src/erase.rs works them off. person: by what its data is found, gone when all is done; step is -1 then. heard: the number of
-- the report that this service waits for. counts: what was erased, "kind=number" on each line.
CREATE TABLE erasure_job (erasure TEXT PRIMARY KEY, person BYTEA, step BIGINT NOT NULL, heard BIGINT NOT NULL, counts TEXT NOT NULL);
-- Records that were erased, until the erasure is done.
CREATE TABLE erasure_record (erasure TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (erasure, record));
-- The report. merged: "partners/{id}" on each line. begun: number of the event by which the services find the data. Instants are microseconds UTC; done_time 0 is
-- not yet.
CREATE TABLE erasure (id TEXT PRIMARY KEY, partner TEXT NOT NULL, merged TEXT NOT NULL, actor TEXT NOT NULL, reason BIGINT NOT NULL, note TEXT NOT NULL, create_time BIGINT NOT NULL, done_time BIGINT NOT NULL, begun BIGINT NOT NULL);
CREATE INDEX erasure_time ON erasure (create_time, id);
CREATE TABLE erasure_service (erasure TEXT NOT NULL, service TEXT NOT NULL, done_time BIGINT NOT NULL, counts TEXT NOT NULL, PRIMARY KEY (erasure, service));
-- Names that lead to nothing any more: "partners/{id}".
CREATE TABLE erased_partner (partner TEXT PRIMARY KEY, erasure TEXT NOT NULL);
