-- The price lists; their items stand in price_item.
CREATE TABLE price_list (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, segment TEXT NOT NULL, currency TEXT NOT NULL, priority BIGINT NOT NULL, start_time BIGINT, end_time BIGINT, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL);
CREATE INDEX price_list_segment ON price_list (segment);
-- price: ten-thousandths.
CREATE TABLE price_item (list TEXT NOT NULL, place BIGINT NOT NULL, product TEXT NOT NULL, price BIGINT NOT NULL, min_quantity BIGINT NOT NULL, start_time BIGINT, end_time BIGINT, PRIMARY KEY (list, place));
CREATE INDEX price_item_product ON price_item (product);
