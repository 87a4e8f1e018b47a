//! Tests of telephony through its generated clients, beside a real directory and a real pipeline, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod asterisk;
mod audit;
mod call_lists;
mod calls;
mod connectors;
mod dispatch;
mod do_not_call;
mod list_model;
mod list_records;
mod lists;
mod neighbours;
mod partners;
mod pops;
mod push;
mod sessions;
mod webhook;
mod world;
