//! The kit's tests, each that touches a database on SQLite and on PostgreSQL.
//! Run by `cargo test`; PostgreSQL when `KONTOR_TEST_POSTGRES` names a server.

mod audit;
mod auth;
mod bus;
mod changes;
mod filter;
mod layer;
mod mask;
mod migrate;
mod outbox;
mod page;
mod replay;
mod support;
mod trace;
mod write;
