//! Who acts, and what brought it: known from the request that is being answered, or from the event that is being taken.
//! Set by `layer.rs`, `near.rs`, `replay.rs` and `bus.rs`; asked by `Db::write`.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use crate::auth::Caller;

tokio::task_local! {
    /// Like the span of a log line it goes with the request, not with the process; a task that a request starts has none.
    static WHO: Who;
}

/// Who acts, and what brought it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// "users/{user}" or "connectors/{connector}"; empty for Kontor itself.
    pub(super) actor: Arc<str>,
    /// A method's full name, "event {id}", or empty.
    pub(super) cause: Cow<'static, str>,
}

static SYSTEM: LazyLock<Who> = LazyLock::new(|| Who::new("", ""));

impl Who {
    /// "users/{user}", "connectors/{connector}" or empty, and what brought it.
    pub fn new(actor: &str, cause: impl Into<Cow<'static, str>>) -> Who {
        Who { actor: actor.into(), cause: cause.into() }
    }

    /// A caller, by the method that it called.
    pub fn caller(caller: &Caller, method: &'static str) -> Who {
        Who { actor: caller.shared_name(), cause: method.trim_start_matches('/').into() }
    }

    /// Kontor itself.
    pub fn system() -> Who {
        SYSTEM.clone()
    }
}

/// Runs work as someone: the writes that it asks for are theirs.
pub fn acting<F: Future>(who: Who, work: F) -> impl Future<Output = F::Output> {
    WHO.scope(who, work)
}

/// Who acts here; Kontor itself outside of any request.
pub fn here() -> Who {
    WHO.try_with(Who::clone).unwrap_or_else(|_| Who::system())
}
