//! Tests of the pipeline through its generated clients, linked to a real directory, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod assignments;
mod convert;
mod duplicates;
mod forecast;
mod leads;
mod merge_deals;
mod merge_help;
mod merge_sequences;
mod merges;
mod next_steps;
mod opportunities;
mod partners;
mod pipelines;
mod score;
mod world;
