-- Phone campaigns. excluded: ids of segments, one on each line. confirmed: how many members its last start meant. cancelling: entries that wait are being cancelled after the end.
CREATE TABLE campaign (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, segment TEXT NOT NULL, call_list TEXT NOT NULL, team TEXT NOT NULL, excluded TEXT NOT NULL, leavers BIGINT NOT NULL, priority BIGINT NOT NULL, state BIGINT NOT NULL, confirmed BIGINT NOT NULL, cancelling BIGINT NOT NULL, pause_reason TEXT NOT NULL, creator TEXT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, start_time BIGINT, fill_time BIGINT);
CREATE INDEX campaign_team ON campaign (team);
CREATE INDEX campaign_busy ON campaign (state, id) WHERE state = 2 OR cancelling = 1;
-- What became of each partner that a campaign has seen: the numbers of CampaignPartnerState. number: E.164, written before telephony is asked, so that after a crash the same
-- number is offered again, which its list has once.
CREATE TABLE campaign_partner (campaign TEXT NOT NULL, ord BIGINT NOT NULL, state BIGINT NOT NULL, number TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (campaign, ord));
CREATE INDEX campaign_partner_state ON campaign_partner (campaign, state, ord);
CREATE INDEX campaign_partner_ord ON campaign_partner (ord);
