//! What the tests of all services stand on: a fresh database for each test, a context whose clock a test moves, callers, a way that can be cut.
//! A dev-dependency of the services and a part of the Sandbox; nothing that ships stands on it.

pub mod audit;
pub mod caller;
pub mod database;
pub mod gate;
pub mod patience;
pub mod place;
pub mod smtp;
pub mod traces;

pub use caller::{admin, caller, failure, user};
pub use database::Database;
pub use gate::Gate;
pub use patience::patience;
pub use place::{MONDAY, Place, SECOND};
pub use smtp::SmtpServer;

/// Makes two tests of each async function: on SQLite, and on PostgreSQL when there is one. Each gets what
/// `start(Place)` of the named type gives.
///
/// ```ignore
/// on_both! { World; t1_first_behaviour, t1_second_behaviour }
/// ```
#[macro_export]
macro_rules! on_both {
    ($world:ident; $($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::$world::start($crate::Place::sqlite()).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(place) = $crate::Place::postgres().await {
                    super::$test(super::$world::start(place).await).await;
                }
            })*
        }
    };
}
