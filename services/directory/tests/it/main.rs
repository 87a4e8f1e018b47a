//! Tests of the directory through its generated clients, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod audit;
mod card;
mod consent;
mod erasure;
mod merge;
mod partner;
mod sign_in;
mod team;
mod timeline;
mod user;
mod world;
