-- The number of each partner that was ever known, which bitmaps use; never given away again. survivor: who it went into ("partners/{id}"), or empty.
CREATE TABLE partner_ord (partner TEXT PRIMARY KEY, ord BIGINT NOT NULL, survivor TEXT NOT NULL);
CREATE UNIQUE INDEX partner_ord_ord ON partner_ord (ord);
CREATE INDEX partner_ord_survivor ON partner_ord (survivor) WHERE survivor <> '';
-- Facts, as src/domain/facts/tables.rs has them: rules read these. ord: whom a record counts for. owner: whom it was told of, whose it is again when a merge
-- is taken back.
CREATE TABLE fact_partner (ord BIGINT PRIMARY KEY, kind TEXT NOT NULL, display_name TEXT NOT NULL, organization TEXT NOT NULL, title TEXT NOT NULL, company TEXT NOT NULL, country TEXT NOT NULL, region TEXT NOT NULL, city TEXT NOT NULL, postal_code TEXT NOT NULL, language TEXT NOT NULL, do_not_call BIGINT NOT NULL, create_time BIGINT, rfm_recency BIGINT, rfm_frequency BIGINT, rfm_monetary BIGINT);
CREATE TABLE fact_text (ord BIGINT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (ord, field, value));
CREATE INDEX fact_text_value ON fact_text (field, value);
CREATE TABLE fact_answer (ord BIGINT NOT NULL, question TEXT NOT NULL, choice TEXT NOT NULL, PRIMARY KEY (ord, question, choice));
CREATE TABLE fact_opportunity (ord BIGINT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, stage TEXT NOT NULL, pipeline TEXT NOT NULL, team TEXT NOT NULL, assignee TEXT NOT NULL, source TEXT NOT NULL, lost_reason TEXT NOT NULL, amount BIGINT, create_time BIGINT, close_time BIGINT, owner BIGINT NOT NULL, PRIMARY KEY (ord, id));
CREATE UNIQUE INDEX fact_opportunity_id ON fact_opportunity (id);
CREATE INDEX fact_opportunity_owner ON fact_opportunity (owner);
CREATE TABLE fact_call (ord BIGINT NOT NULL, id TEXT NOT NULL, direction TEXT NOT NULL, result TEXT NOT NULL, taken_by TEXT NOT NULL, talk_seconds BIGINT, start_time BIGINT, owner BIGINT NOT NULL, PRIMARY KEY (ord, id));
CREATE UNIQUE INDEX fact_call_id ON fact_call (id);
CREATE INDEX fact_call_owner ON fact_call (owner);
CREATE TABLE fact_purchase (ord BIGINT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, posted BIGINT NOT NULL, currency TEXT NOT NULL, amount BIGINT, time BIGINT, owner BIGINT NOT NULL, PRIMARY KEY (ord, id));
CREATE UNIQUE INDEX fact_purchase_id ON fact_purchase (id);
CREATE INDEX fact_purchase_owner ON fact_purchase (owner);
CREATE TABLE fact_mail (ord BIGINT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, time BIGINT, owner BIGINT NOT NULL, PRIMARY KEY (ord, id));
CREATE UNIQUE INDEX fact_mail_id ON fact_mail (id);
CREATE INDEX fact_mail_owner ON fact_mail (owner);
CREATE TABLE fact_visit (ord BIGINT NOT NULL, id TEXT NOT NULL, page TEXT NOT NULL, time BIGINT, owner BIGINT NOT NULL, PRIMARY KEY (ord, id));
CREATE UNIQUE INDEX fact_visit_id ON fact_visit (id);
CREATE INDEX fact_visit_owner ON fact_visit (owner);
-- Tags, one on each line, and the language that was told of a partner.
CREATE TABLE partner_trait (owner BIGINT PRIMARY KEY, tags TEXT NOT NULL, language TEXT NOT NULL);
-- Numbers that telephony does not call.
CREATE TABLE do_not_call (e164 TEXT PRIMARY KEY);
-- What has to be read anew from the service that owns it: "partners/{id}", "opportunities/{id}", "doNotCallNumbers/-".
CREATE TABLE pull (name TEXT PRIMARY KEY, turn BIGINT NOT NULL, due_time BIGINT NOT NULL, tries BIGINT NOT NULL);
CREATE INDEX pull_due ON pull (due_time, name);
-- What the engine has to look at again, in commit order: a partner (ord), or a segment.
CREATE TABLE engine_log (sequence BIGINT PRIMARY KEY, ord BIGINT, segment TEXT NOT NULL);
-- head: the last number of the log. next_ord: the next partner's. done: up to where memberships are written. holder, until: which process writes them.
CREATE TABLE engine (id BIGINT PRIMARY KEY, head BIGINT NOT NULL, next_ord BIGINT NOT NULL, done BIGINT NOT NULL, holder TEXT NOT NULL, until BIGINT NOT NULL);
INSERT INTO engine (id, head, next_ord, done, holder, until) VALUES (1, 0, 0, 0, '', 0);
