-- What a service says that it waits for before it can erase the rest.
ALTER TABLE erasure_service ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
