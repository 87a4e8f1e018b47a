//! A unit: one running service with its routes. And the macro-free way to add the layer to them.
//! Made by each service's `start`; the binary hangs units into one process.

use crate::context::Context;
use crate::db::Db;
use crate::layer::ServiceStack;
use crate::link::Link;
use crate::near::Near;
use crate::records;
use crate::routes::Routes;

/// A started service.
pub struct Unit {
    /// "pipeline"
    pub name: &'static str,
    /// Its gRPC routes, inside the layer of deadline, caller, trace and metrics.
    pub routes: ServiceStack,
    near: Near,
}

impl Unit {
    /// Wraps the routes in the layer, so that a call in process and one from outside behave alike.
    pub fn new(name: &'static str, context: &Context, routes: Routes) -> Unit {
        Unit { name, routes: ServiceStack::new(name, context, routes), near: Near::default() }
    }

    /// A service that keeps records in a database: its AuditService and its ChangeService are added to the routes.
    pub fn service(name: &'static str, context: &Context, db: &Db, routes: Routes) -> Unit {
        Unit::new(name, context, records::add(name, context, db, routes))
    }

    /// Offers some of its methods to be called directly from this process.
    #[must_use]
    pub fn offer(mut self, near: Near) -> Unit {
        self.near = near;
        self
    }

    /// The way to it for the rest of this process.
    pub fn link(self) -> Link {
        Link::near_by(self.routes, self.near)
    }
}
