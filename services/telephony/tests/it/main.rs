//! Tests of telephony through its generated clients, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod asterisk;
mod book;
mod calls;
mod connectors;
mod partners;
mod place;
mod pops;
mod push;
mod real;
mod sessions;
mod webhook;
mod world;
