//! Tests of templating through its generated clients, beside a real directory, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod audit;
mod bombs;
mod documents;
mod erasing;
mod letters;
mod merges;
mod messages;
mod pdf;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "what the tests of the engine need of it, these need in part")]
mod support;
mod templates;
mod who;
mod world;
