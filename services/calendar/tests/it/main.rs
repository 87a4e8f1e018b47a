//! The calendar through its public gRPC interface, beside a real directory, on SQLite and, with `KONTOR_TEST_POSTGRES`, on PostgreSQL.
//! One binary, one module a subject.

mod calendars;
mod changes;
mod dav;
mod events;
mod occurrences;
mod partners;
mod series;
mod support;
mod tasks;
