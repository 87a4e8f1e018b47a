-- Erasures of partners, as kit/src/erase.rs works them off. person: by what its data is found, gone when all is done; step is -1 then. heard: the number of
-- the report that this service waits for. counts: what was erased, "kind=number" on each line.
CREATE TABLE erasure_job (erasure TEXT PRIMARY KEY, person BYTEA, step BIGINT NOT NULL, heard BIGINT NOT NULL, counts TEXT NOT NULL);
-- Records that were erased, until the erasure is done.
CREATE TABLE erasure_record (erasure TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (erasure, record));
