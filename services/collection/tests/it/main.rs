//! The collection engine through its gRPC service, on SQLite and, with KONTOR_TEST_POSTGRES, on PostgreSQL.
//! Run by `cargo nextest run -p kontor-collection`.

mod bed;
mod cards;
mod collections;
mod model;
mod object_properties;
mod put;
mod query;
mod sync;
mod transfer;
