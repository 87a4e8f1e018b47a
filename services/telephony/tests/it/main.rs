//! Tests of telephony through its generated clients, beside a real directory and a real pipeline, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod asterisk;
mod audit;
mod calls;
mod connectors;
mod figures;
mod neighbours;
mod operators;
mod pacing;
mod partners;
mod pops;
mod push;
mod sessions;
mod shifts;
mod webhook;
mod world;
