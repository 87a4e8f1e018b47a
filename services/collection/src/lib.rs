//! Versioned objects in collections: ETags, change numbers, tombstones, sync, time ranges and filters, byte-true.
//! The one engine under calendars (`calendar`) and address books (`directory`); each mounts `rpc::Server` with its hooks.
//!
//! A service puts `MIGRATION` into its list of migrations, implements `Hooks` for its typed rows, and changes objects
//! with `write::put` and `write::delete` inside its own transactions, so that DAV and gRPC share one path.

mod filter;
pub mod hooks;
pub mod index;
pub mod model;
pub mod push;
pub mod rpc;
pub mod store;
pub mod tasks;

pub use filter::{Question, zone};
pub use hooks::{Admission, Admitted, Change, Hooks, Prepared, Removal, Tell};
pub use index::Index;
pub use model::{Access, COMPANY, Collection, Conditions, Kind, NOBODY, Object, SHOWN as SHOWN_SLUG, Target};
pub use push::{Accounts, Push};
pub use store::share::access;
pub use store::shown;
pub use store::transfer;
pub use store::write;

#[doc(no_inline)]
pub use kontor_kit::db::Migration;

/// The engine's tables. Put it first in the list of a service's migrations.
pub const MIGRATION: Migration = Migration {
    name: "c001_collection",
    sqlite: include_str!("../migrations/sqlite/c001_collection.sql"),
    postgres: include_str!("../migrations/postgres/c001_collection.sql"),
};

/// The engine's table of shares. Put it second.
pub const SHARES: Migration = Migration {
    name: "c002_share",
    sqlite: include_str!("../migrations/sqlite/c002_share.sql"),
    postgres: include_str!("../migrations/postgres/c002_share.sql"),
};

/// The engine's table by which parts of values are found. Put it third.
pub const GRAMS: Migration = Migration {
    name: "c003_gram",
    sqlite: include_str!("../migrations/sqlite/c003_gram.sql"),
    postgres: include_str!("../migrations/postgres/c003_gram.sql"),
};

/// The engine's tables of push registrations. Put it behind the one above.
pub const PUSH: Migration = Migration {
    name: "c004_push",
    sqlite: include_str!("../migrations/sqlite/c004_push.sql"),
    postgres: include_str!("../migrations/postgres/c004_push.sql"),
};

/// The engine's table of how users see what is shared with them. Put it behind the one above.
pub const VIEWS: Migration = Migration {
    name: "c005_share_view",
    sqlite: include_str!("../migrations/sqlite/c005_share_view.sql"),
    postgres: include_str!("../migrations/postgres/c005_share_view.sql"),
};

/// The engine's table of objects' dead properties. Put it behind the one above.
pub const OBJECT_PROPERTIES: Migration = Migration {
    name: "c006_object_property",
    sqlite: include_str!("../migrations/sqlite/c006_object_property.sql"),
    postgres: include_str!("../migrations/postgres/c006_object_property.sql"),
};

/// The engine's table of what collections show of another one. Put it behind the one above.
pub const SHOWN: Migration = Migration {
    name: "c007_shown",
    sqlite: include_str!("../migrations/sqlite/c007_shown.sql"),
    postgres: include_str!("../migrations/postgres/c007_shown.sql"),
};

/// Lists a service's migrations from its `migrations/sqlite/` and `migrations/postgres/`, behind the engine's own.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[
            $crate::MIGRATION,
            $crate::SHARES,
            $crate::GRAMS,
            $crate::PUSH,
            $crate::VIEWS,
            $crate::OBJECT_PROPERTIES,
            $crate::SHOWN,
            $($crate::Migration {
                name: $name,
                sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $name, ".sql")),
                postgres: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $name, ".sql")),
            }),*
        ] as &'static [$crate::Migration]
    };
}
