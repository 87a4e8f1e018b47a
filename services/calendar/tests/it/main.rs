//! The calendar through its public gRPC interface, beside a real directory, on SQLite and, with `KONTOR_TEST_POSTGRES`, on PostgreSQL.
//! One binary, one module a subject.

mod attachments;
mod audit;
mod calendars;
mod call_backs;
mod changes;
mod corpus;
mod dav;
mod events;
mod free_busy;
mod messages;
mod occurrences;
mod partners;
mod proposals;
mod scheduling;
mod series;
mod split;
mod support;
mod tasks;
