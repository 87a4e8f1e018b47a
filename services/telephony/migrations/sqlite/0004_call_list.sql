CREATE TABLE call_list (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, team TEXT NOT NULL, priority BIGINT NOT NULL, state BIGINT NOT NULL, max_tries BIGINT NOT NULL, busy_delay BIGINT NOT NULL, no_answer_delay BIGINT NOT NULL, calling_hours TEXT NOT NULL, any_hour BIGINT NOT NULL, lease BIGINT NOT NULL, min_ring_seconds BIGINT NOT NULL, region TEXT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX call_list_team ON call_list (team, state, priority);
-- The sets of time zones that numbers of a list may be in; entries have the key.
CREATE TABLE call_list_zone (list TEXT NOT NULL, zone_key BIGINT NOT NULL, zones TEXT NOT NULL, PRIMARY KEY (list, zone_key)) WITHOUT ROWID;
-- queued: may be leased as far as its time goes. ready_time: when it is due, or its lease expires. owner: whose personal call-back it is. planner: who agreed to the call-back.
CREATE TABLE call_entry (id TEXT PRIMARY KEY, version BIGINT NOT NULL, list TEXT NOT NULL, number TEXT NOT NULL, e164 TEXT NOT NULL, extension TEXT NOT NULL, partner TEXT NOT NULL, display_name TEXT NOT NULL, priority BIGINT NOT NULL, state BIGINT NOT NULL, queued BIGINT NOT NULL, ready_time BIGINT, due_time BIGINT, tries BIGINT NOT NULL, reason BIGINT NOT NULL, outcome_time BIGINT, cancel_reason BIGINT NOT NULL, owner TEXT NOT NULL, call_back BIGINT NOT NULL, planner TEXT NOT NULL, operator TEXT NOT NULL, secret TEXT NOT NULL, dial_time BIGINT, opportunity TEXT NOT NULL, call TEXT NOT NULL, note TEXT NOT NULL, zone_key BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX call_entry_number ON call_entry (list, e164) WHERE e164 <> '';
CREATE INDEX call_entry_e164 ON call_entry (e164) WHERE e164 <> '';
CREATE INDEX call_entry_queue ON call_entry (list, owner, zone_key, priority DESC, due_time, id) WHERE queued = 1;
CREATE INDEX call_entry_wait ON call_entry (list, ready_time) WHERE queued = 0 AND ready_time IS NOT NULL;
CREATE INDEX call_entry_state ON call_entry (list, state);
CREATE INDEX call_entry_partner ON call_entry (partner) WHERE partner <> '';
CREATE INDEX call_entry_owner ON call_entry (owner, due_time) WHERE owner <> '';
CREATE INDEX call_entry_opportunity ON call_entry (opportunity) WHERE opportunity <> '';
-- How far an import was.
CREATE TABLE call_import (list TEXT NOT NULL, import_key TEXT NOT NULL, line BIGINT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (list, import_key)) WITHOUT ROWID;
-- Entries that went to another partner when theirs (partner) was merged into it (survivor).
CREATE TABLE call_entry_move (entry TEXT NOT NULL, partner TEXT NOT NULL, survivor TEXT NOT NULL, PRIMARY KEY (entry, partner)) WITHOUT ROWID;
CREATE INDEX call_entry_move_partner ON call_entry_move (partner, survivor);
