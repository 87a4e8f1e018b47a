-- Where each personal call-back of a call list stands as an event: `entry` is "callLists/{list}/entries/{entry}", `collection` the id of the engine's collection.
CREATE TABLE call_back (entry TEXT PRIMARY KEY, collection TEXT NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX call_back_place ON call_back (collection, name);
-- Reports of the services that an erasure waits for: number of the event of each. It was one column when there was one service.
CREATE TABLE erasure_heard (erasure TEXT NOT NULL, source TEXT NOT NULL, sequence BIGINT NOT NULL, PRIMARY KEY (erasure, source)) WITHOUT ROWID;
INSERT INTO erasure_heard (erasure, source, sequence) SELECT erasure, 'pipeline', heard FROM erasure_job WHERE heard > 0 AND step >= 0;
