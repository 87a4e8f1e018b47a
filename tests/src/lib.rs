//! The Sandbox: a whole Kontor on port 0 with its own data, on SQLite or PostgreSQL, in one process or many.
//! Called by every scenario and bench.

pub mod bench;
pub mod caller;
pub mod database;
pub mod http;
pub mod process;
pub mod sandbox;

pub use caller::Grpc;
pub use database::Backend;
pub use http::{Answer, Http};
pub use process::Process;
pub use sandbox::{Sandbox, Split};

/// Runs one scenario on SQLite and on PostgreSQL.
///
/// ```ignore
/// both! { async fn p3_direct_opportunity(sandbox: Sandbox) { ... } }
/// ```
#[macro_export]
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($sandbox:ident: Sandbox) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "each scenario takes what it needs from its file")]
            use super::*;

            async fn scenario($sandbox: $crate::Sandbox) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scenario($crate::Sandbox::start($crate::Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                scenario($crate::Sandbox::start($crate::Backend::Postgres).await).await;
            }
        }
    )*};
}
