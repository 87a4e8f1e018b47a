//! Tests of telephony through its generated clients, beside a real directory and a real pipeline, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server.

mod ari;
#[path = "../ari/server.rs"]
#[expect(dead_code, reason = "cuts and gaps are tried there too")]
mod ari_server;
mod asterisk;
mod audit;
mod call_backs;
mod call_lists;
mod calls;
mod carrier;
mod clock;
mod cloud;
mod cloud_corpus;
mod cloud_refused;
mod connectors;
mod dialler;
mod dispatch;
mod do_not_call;
mod figures;
mod freeswitch;
#[path = "../freeswitch/scenes.rs"]
#[expect(dead_code, reason = "the table of the scenes is checked there")]
mod freeswitch_scenes;
#[path = "../freeswitch/server.rs"]
#[expect(dead_code, reason = "cuts and gaps are tried there too")]
mod freeswitch_server;
mod list_model;
mod list_records;
mod lists;
mod live;
mod neighbours;
mod openapi;
mod operators;
mod pacing;
mod partners;
mod pops;
mod push;
mod sessions;
mod shifts;
mod start_call;
mod switchboard;
mod tls;
mod webhook;
mod world;
