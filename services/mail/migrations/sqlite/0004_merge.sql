-- Recipients that a merge of partners put out: they wait again when it is taken back. former: what became of them before; of the survivor's recipient `turn`, where that one took the turn.
CREATE TABLE outgoing_halt (outgoing TEXT NOT NULL, partner TEXT NOT NULL, survivor TEXT NOT NULL, turn TEXT NOT NULL, former BIGINT NOT NULL, PRIMARY KEY (outgoing, partner)) WITHOUT ROWID;
CREATE INDEX outgoing_halt_partner ON outgoing_halt (partner, survivor);
