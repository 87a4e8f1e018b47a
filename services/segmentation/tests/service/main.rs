//! Tests of segmentation through its generated clients, beside real neighbours, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod audit;
mod campaigns;
mod cdnow;
mod lists;
mod live;
mod prices;
mod purchases;
mod questionnaires;
mod rules;
mod sizes;
mod who;
mod world;
