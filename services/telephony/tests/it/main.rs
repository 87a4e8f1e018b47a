//! Tests of telephony through its generated clients, beside a real directory and a real pipeline, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod asterisk;
mod audit;
mod calls;
mod clock;
mod cloud;
mod cloud_corpus;
mod cloud_refused;
mod connectors;
mod neighbours;
mod openapi;
mod partners;
mod pops;
mod push;
mod sessions;
mod webhook;
mod world;
