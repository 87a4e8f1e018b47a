//! Tests of the pipeline through its generated clients, linked to a real directory, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod assignment_batches;
mod assignments;
mod convert;
mod forecast;
mod leads;
mod next_steps;
mod opportunities;
mod partners;
mod pipelines;
mod score;
mod world;
