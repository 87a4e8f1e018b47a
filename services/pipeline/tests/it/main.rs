//! Tests of the pipeline through its generated clients, linked to a real directory, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod assignment_batches;
mod assignments;
mod audit;
mod convert;
mod corpus;
mod duplicates;
mod erasure;
mod forecast;
mod import_deals;
mod import_faults;
mod import_file;
mod imports;
mod leads;
mod merge_deals;
mod merge_help;
mod merge_sequences;
mod merges;
mod money;
mod next_steps;
mod opportunities;
mod partners;
mod pipelines;
mod rates;
mod score;
mod world;
