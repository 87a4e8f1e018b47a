//! Between the messages of CollectionService and the engine's own types.
//! Called by the other files here.

use kontor_kit::clock::to_proto;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use crate::model::{Access, Collection, Conditions, Kind, Object, State, Target, Test};
use crate::store::dead::Property;
use crate::store::share::Share;

/// Names a collection by its path.
///
/// # Errors
/// INVALID_ARGUMENT for one without owner or slug.
pub fn target(path: Option<proto::CollectionPath>) -> Result<Target> {
    match path {
        Some(path) if !path.owner.is_empty() && !path.slug.is_empty() => {
            Ok(Target::Path { owner: path.owner, slug: path.slug })
        }
        _ => Err(Error::invalid("path", "name the owner and the collection")),
    }
}

pub(super) fn collection(collection: Collection, access: Access, dead: Vec<Property>) -> proto::Collection {
    let kind = match collection.kind {
        Kind::Calendar => proto::CollectionKind::Calendar,
        Kind::AddressBook => proto::CollectionKind::AddressBook,
        Kind::Inbox => proto::CollectionKind::ScheduleInbox,
        Kind::Outbox => proto::CollectionKind::ScheduleOutbox,
        Kind::Overview => proto::CollectionKind::Overview,
        Kind::Deadlines => proto::CollectionKind::Deadlines,
        Kind::NextSteps => proto::CollectionKind::NextSteps,
        Kind::CallBacks => proto::CollectionKind::CallBacks,
        // Clients see a book that they can only read.
        Kind::Shown => proto::CollectionKind::AddressBook,
    };
    let access = match access {
        Access::Read => proto::Access::Read,
        Access::Write => proto::Access::Write,
        Access::Owner => proto::Access::Owner,
    };
    proto::Collection {
        id: collection.id,
        owner: collection.owner,
        slug: collection.slug,
        kind: kind.into(),
        display_name: collection.display_name,
        description: collection.description,
        color: collection.color,
        order: collection.order,
        time_zone: collection.time_zone,
        components: collection.components,
        sequence: collection.seq,
        floor_sequence: collection.floor_seq,
        access: access.into(),
        dead_properties: dead.into_iter().map(dead_property).collect(),
        object_count: collection.object_count,
        transparent: collection.transparent,
        is_default: collection.is_default,
        default_calendar: String::new(),
        zone: String::new(),
        shared: collection.shares > 0,
        shares: Vec::new(),
        has_object_properties: collection.object_properties > 0,
        create_time: Some(to_proto(collection.create_time)),
        description_language: collection.description_language,
        update_time: Some(to_proto(collection.update_time)),
    }
}

pub(super) fn share(share: Share) -> proto::Share {
    let access = if share.access >= Access::Write { proto::Access::Write } else { proto::Access::Read };
    proto::Share { grantee: share.grantee, access: access.into(), display_name: String::new() }
}

pub(super) fn shared(share: proto::Share) -> Result<Share> {
    let access = match share.access() {
        proto::Access::Read => Access::Read,
        proto::Access::Write => Access::Write,
        proto::Access::Owner | proto::Access::Unspecified => {
            return Err(Error::invalid("set.access", "use ACCESS_READ or ACCESS_WRITE"));
        }
    };
    Ok(Share { grantee: share.grantee, access })
}

pub(super) fn dead_property(property: Property) -> proto::DeadProperty {
    proto::DeadProperty {
        namespace: property.namespace,
        name: property.name,
        value: property.value,
        language: property.language,
    }
}

pub(super) fn dead(property: proto::DeadProperty) -> Property {
    Property {
        namespace: property.namespace,
        name: property.name,
        value: property.value,
        language: property.language,
    }
}

pub(super) fn object(object: Object) -> proto::Object {
    proto::Object {
        name: object.name,
        etag: object.etag,
        sequence: object.seq,
        size: object.size,
        component: object.component,
        update_time: Some(to_proto(object.update_time)),
        data: object.data,
        missing: false,
        schedule_tag: object.schedule_tag,
        dead_properties: Vec::new(),
        create_time: Some(to_proto(object.create_time)),
    }
}

pub(super) fn missing(name: String, sequence: i64) -> proto::Object {
    proto::Object { name, sequence, missing: true, ..proto::Object::default() }
}

/// The conditions of a write.
pub fn conditions(conditions: Option<proto::Conditions>) -> Conditions {
    let conditions = conditions.unwrap_or_default();
    Conditions {
        if_match: conditions.if_match,
        if_exists: conditions.if_exists,
        if_absent: conditions.if_absent,
        if_none_match: conditions.if_none_match,
        if_schedule_tag: conditions.if_schedule_tag,
        if_lists: conditions.if_lists.into_iter().map(tests).collect(),
    }
}

fn tests(list: proto::StateList) -> Vec<Test> {
    let test = |test: proto::StateTest| {
        let state = if test.collection_id.is_empty() {
            State::Etag(test.etag)
        } else {
            State::Sequence(test.collection_id, test.sequence)
        };
        Test { negate: test.negate, destination: test.destination, state }
    };
    list.tests.into_iter().map(test).collect()
}
