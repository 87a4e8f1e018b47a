//! Dead properties of the objects in a long answer: read a chunk at a time, and only where the collection has some and they are asked for.
//! Called by `rpc::streams`.

use std::collections::HashMap;

use kontor_kit::Result;
use kontor_kit::db::Conn;
use kontor_proto::collection::v1 as proto;

use super::convert;
use crate::model::{Collection, Object};
use crate::store::dead::Property;
use crate::store::sync::Step;
use crate::store::{object, object_property};

/// Objects with their dead properties in one chunk at most: these have 64 KiB of values at most.
const CHUNK: i64 = 32;

/// Whether an answer tells them, and of which collection.
pub(super) struct Dead(Option<i64>);

impl Dead {
    /// For an answer about a collection.
    pub fn of(collection: &Collection, wanted: bool) -> Dead {
        Dead((wanted && collection.object_properties > 0).then_some(collection.num))
    }

    /// Objects in one chunk at most.
    pub fn chunk(&self, with_data: bool) -> i64 {
        let usual = object::chunk(with_data);
        if self.0.is_some() { usual.min(CHUNK) } else { usual }
    }

    /// Reads those of these objects.
    pub fn load<'o>(&self, conn: &mut Conn<'_>, objects: impl Iterator<Item = &'o Object>) -> Result<Told> {
        let Some(coll) = self.0 else { return Ok(Told(HashMap::new())) };
        let nums: Vec<i64> = objects.map(|object| object.num).collect();
        Ok(Told(object_property::of_all(conn, coll, nums.into_iter())?))
    }
}

/// The dead properties of one chunk's objects, by the objects' numbers.
pub(super) struct Told(HashMap<i64, Vec<Property>>);

impl Told {
    /// The object as it is told.
    pub fn object(&self, object: Object) -> proto::Object {
        if self.0.is_empty() {
            return convert::object(object);
        }
        let dead = self.0.get(&object.num).cloned().unwrap_or_default();
        let dead_properties = dead.into_iter().map(convert::dead_property).collect();
        proto::Object { dead_properties, ..convert::object(object) }
    }

    /// The same for a step of a sync.
    pub fn step(&self, step: Step) -> proto::Object {
        match step {
            Step::Present(present) => self.object(*present),
            Step::Gone(name, sequence) => convert::missing(name, sequence),
        }
    }
}
