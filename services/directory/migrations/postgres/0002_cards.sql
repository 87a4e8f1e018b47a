-- The typed side of each card: the same id as its object. Instants are microseconds UTC.
-- book: number of the collection. partner: 1 for a card of the company book that is no group.
-- kind: 1 person, 2 company. company: "partners/{id}" or empty. details: phones, e-mails, addresses and note as a Contact message.
CREATE TABLE card (
    id TEXT COLLATE "C" PRIMARY KEY,
    book BIGINT NOT NULL,
    partner BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    uid TEXT NOT NULL,
    display_name TEXT NOT NULL,
    sort_name TEXT COLLATE "C" NOT NULL,
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    organization TEXT NOT NULL,
    title TEXT NOT NULL,
    company TEXT NOT NULL,
    details BYTEA NOT NULL,
    etag TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL
);
CREATE INDEX card_book ON card (book, sort_name, id);
CREATE INDEX card_partner ON card (sort_name, id) WHERE partner = 1;
CREATE INDEX card_created ON card (create_time, id) WHERE partner = 1;
CREATE INDEX card_updated ON card (update_time, id) WHERE partner = 1;
CREATE INDEX card_company ON card (company) WHERE company <> '';
-- How partners are found by number and address; only partners stand here.
CREATE TABLE card_phone (e164 TEXT NOT NULL, card TEXT NOT NULL, PRIMARY KEY (e164, card));
CREATE INDEX card_phone_card ON card_phone (card);
CREATE TABLE card_email (address TEXT NOT NULL, card TEXT NOT NULL, PRIMARY KEY (address, card));
CREATE INDEX card_email_card ON card_email (card);
