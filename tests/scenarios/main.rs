//! All end-to-end scenarios, in one binary: each goes through the public interface of a whole Kontor.
//! Run by tests/run; names begin with the row of the feature list that they show.

mod attachments;
mod callers;
mod clients;
mod colours;
mod command_line;
mod contacts;
mod dav_methods;
mod dav_reports;
mod durability;
mod expand;
mod feeds;
mod free_busy;
mod history;
mod house;
mod limits;
mod meetings;
mod model;
mod outlook;
mod overview;
mod pipeline;
mod processes;
mod properties;
mod proposals;
mod push;
mod replays;
mod rfcs;
mod scheduling;
mod series;
mod sharing;
mod sharing_books;
mod sharing_clients;
mod suites;
mod support;
mod sync;
mod telephony;
