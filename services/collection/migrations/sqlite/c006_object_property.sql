-- Dead properties of objects: kept for the client, understood by nobody. `object` is the number of the object's row.
CREATE TABLE object_property (
    coll BIGINT NOT NULL,
    object BIGINT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    language TEXT NOT NULL,
    PRIMARY KEY (coll, object, namespace, name)
) WITHOUT ROWID;
-- The number of a collection's rows in the table above: while it is 0 nothing looks there.
ALTER TABLE collection ADD COLUMN object_properties BIGINT NOT NULL DEFAULT 0;
-- xml:lang of texts (RFC 4918 section 4.3); empty where a client named none.
ALTER TABLE collection ADD COLUMN description_language TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_property ADD COLUMN language TEXT NOT NULL DEFAULT '';
