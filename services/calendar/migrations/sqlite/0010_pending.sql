-- What is due first is found without reading what waits.
CREATE INDEX pending_object_next ON pending_object (next_time, object);
