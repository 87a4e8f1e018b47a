//! Tests of mail through its generated clients, beside a real directory, a real templating and a real mail server, on SQLite and on PostgreSQL.
//! PostgreSQL is used when KONTOR_TEST_POSTGRES names a server. Rows L7 and M5.

mod audit;
mod consent;
mod messages;
mod recipients;
mod replies;
mod steering;
mod throttle;
mod unsubscribe;
mod world;
