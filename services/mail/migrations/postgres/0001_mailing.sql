-- Mailings. basis: 1 consent, 2 not withdrawn. fields: protobuf. hours_from, hours_until: minutes of the day, null for all day. rate: messages a minute, 0 no limit.
-- state: 1 draft, 2 scheduled, 3 running, 4 paused, 5 completed, 6 cancelled, 7 expired. confirmed: recipients that the start meant. Instants are microseconds UTC.
CREATE TABLE mailing (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, template TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, sender TEXT NOT NULL, reply_to TEXT NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, basis BIGINT NOT NULL, purpose TEXT NOT NULL, fields BYTEA NOT NULL, locale TEXT NOT NULL, start_time BIGINT, end_time BIGINT, hours_from BIGINT, hours_until BIGINT, weekdays_only BIGINT NOT NULL, rate BIGINT NOT NULL, keep_open BIGINT NOT NULL, state BIGINT NOT NULL, pause_reason TEXT NOT NULL, revision TEXT NOT NULL, confirmed BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, finish_time BIGINT);
CREATE INDEX mailing_owner ON mailing (owner, create_time);
CREATE INDEX mailing_team ON mailing (team, create_time);
CREATE INDEX mailing_create_time ON mailing (create_time, id);
CREATE INDEX mailing_live ON mailing (id) WHERE state IN (2, 3, 4);
-- The queue of outgoing mail. kind: 1 of a mailing; the mail gateway will have others. address_key: the address without case, empty for one that another recipient has.
-- address_hash: keyed, so that unsubscribing works when the address was erased. token_hash: by which the address for unsubscribing is found. state: as RecipientState.
-- holder: the process that has it (state 2). first_time: the first try, 0 before.
CREATE TABLE outgoing (id TEXT PRIMARY KEY, kind BIGINT NOT NULL, mailing TEXT NOT NULL, partner TEXT NOT NULL, address TEXT NOT NULL, address_key TEXT NOT NULL, domain TEXT NOT NULL, address_hash TEXT NOT NULL, message_id TEXT NOT NULL, token_hash BYTEA NOT NULL, state BIGINT NOT NULL, reason TEXT NOT NULL, reply_code BIGINT NOT NULL, due BIGINT NOT NULL, tries BIGINT NOT NULL, first_time BIGINT NOT NULL, holder TEXT NOT NULL, update_time BIGINT NOT NULL, unsubscribe_time BIGINT);
CREATE UNIQUE INDEX outgoing_partner_once ON outgoing (mailing, partner) WHERE partner <> '';
CREATE UNIQUE INDEX outgoing_address_once ON outgoing (mailing, address_key) WHERE address_key <> '';
CREATE UNIQUE INDEX outgoing_token ON outgoing (token_hash);
CREATE INDEX outgoing_waiting ON outgoing (mailing, domain, due, id) WHERE state IN (1, 4);
CREATE INDEX outgoing_state ON outgoing (mailing, state, id);
CREATE INDEX outgoing_mailing ON outgoing (mailing, id);
CREATE INDEX outgoing_held ON outgoing (holder) WHERE state = 2;
CREATE INDEX outgoing_partner ON outgoing (partner) WHERE partner <> '';
CREATE INDEX outgoing_address ON outgoing (address_key) WHERE address_key <> '';
CREATE INDEX outgoing_unsubscribed ON outgoing (mailing) WHERE unsubscribe_time IS NOT NULL;
-- Domains of a mailing in which somebody waits. ready: not looked at before.
CREATE TABLE lane (mailing TEXT NOT NULL, domain TEXT NOT NULL, ready BIGINT NOT NULL, PRIMARY KEY (mailing, domain));
CREATE INDEX lane_ready ON lane (mailing, ready, domain);
CREATE INDEX lane_domain ON lane (domain);
-- How fast: of a domain, or of a mailing ("mailings/..."). used: the instant up to which its rate is used up. until: nothing before, refusals: in a row, reply: the last.
CREATE TABLE pace (id TEXT PRIMARY KEY, used BIGINT NOT NULL, until BIGINT NOT NULL, refusals BIGINT NOT NULL, reply TEXT NOT NULL);
-- Limits of domains. 0: that of the settings.
CREATE TABLE domain_limit (id TEXT PRIMARY KEY, version BIGINT NOT NULL, rate BIGINT NOT NULL, connections BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL);
-- Who gets nothing. id: the keyed hash of the address or the domain. address: empty for a domain, and when it was erased. cause: as SuppressionCause.
CREATE TABLE suppression (id TEXT PRIMARY KEY, version BIGINT NOT NULL, address TEXT NOT NULL, domain TEXT NOT NULL, cause BIGINT NOT NULL, note TEXT NOT NULL, mailing TEXT NOT NULL, user_name TEXT NOT NULL, create_time BIGINT NOT NULL);
CREATE INDEX suppression_create_time ON suppression (create_time, id);
CREATE INDEX suppression_address ON suppression (address) WHERE address <> '';
-- Consents that are still to be withdrawn in the directory, because somebody unsubscribed.
CREATE TABLE withdrawal (id TEXT PRIMARY KEY, partner TEXT NOT NULL, purpose TEXT NOT NULL, source TEXT NOT NULL, state_time BIGINT NOT NULL, due BIGINT NOT NULL);
CREATE INDEX withdrawal_due ON withdrawal (due);
CREATE INDEX withdrawal_partner ON withdrawal (partner);
-- Processes that send. until: what it has is free from then on.
CREATE TABLE worker (id TEXT PRIMARY KEY, until BIGINT NOT NULL);
-- The key of this installation, made at the first start.
CREATE TABLE installation (id BIGINT PRIMARY KEY, secret BYTEA NOT NULL);
-- Recipients that went to another partner when theirs was merged into it.
CREATE TABLE outgoing_move (outgoing TEXT NOT NULL, partner TEXT NOT NULL, survivor TEXT NOT NULL, PRIMARY KEY (outgoing, partner));
CREATE INDEX outgoing_move_partner ON outgoing_move (partner, survivor);
