-- recurring_amount: decimal text in `currency` for recurring_months together, empty when nothing comes again. rate: what one unit of `currency` was worth in
-- rate_currency, the company's currency, from rate_date on; empty in that currency itself, without an amount, and while there is no rate.
ALTER TABLE opportunity ADD COLUMN recurring_amount TEXT NOT NULL DEFAULT '';
ALTER TABLE opportunity ADD COLUMN recurring_months BIGINT NOT NULL DEFAULT 0;
ALTER TABLE opportunity ADD COLUMN rate TEXT NOT NULL DEFAULT '';
ALTER TABLE opportunity ADD COLUMN rate_date TEXT NOT NULL DEFAULT '';
ALTER TABLE opportunity ADD COLUMN rate_currency TEXT NOT NULL DEFAULT '';
-- For open ones that wait for a rate, or kept one that was corrected.
CREATE INDEX opportunity_rate ON opportunity (currency, rate_date, id) WHERE state = 1 AND currency <> '';
-- monthly: what a month brings (MRR), decimal text.
ALTER TABLE deal_history ADD COLUMN monthly TEXT NOT NULL DEFAULT '';
ALTER TABLE deal_history ADD COLUMN rate TEXT NOT NULL DEFAULT '';
ALTER TABLE deal_history ADD COLUMN rate_currency TEXT NOT NULL DEFAULT '';
-- One unit of `currency` is `rate` units of `base` from `day` on. pending: 1 while open opportunities may wait for it.
CREATE TABLE exchange_rate (id TEXT PRIMARY KEY, version BIGINT NOT NULL, currency TEXT NOT NULL, day TEXT NOT NULL, rate TEXT NOT NULL, base TEXT NOT NULL, pending BIGINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX exchange_rate_currency ON exchange_rate (currency, day);
CREATE INDEX exchange_rate_pending ON exchange_rate (day) WHERE pending = 1;
