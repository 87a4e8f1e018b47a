//! What the audit keeps of collections and their objects: who, when, where, and the ETag before and after; the owning service adds the typed
//! fields to the same entry. What the server keeps of its own accord (inboxes, deadlines, next steps) is no one's doing and is left out.
//! Called by the other files of this folder.

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::Guard;
use kontor_kit::db::Tx;

use crate::hooks::Hooks;
use crate::model::{Collection, Kind, NOBODY, Object};
use crate::store::share::Share;

/// Who reads what the audit says of a collection and of what is in it: everyone of the company's, else its owner.
pub fn audience(collection: &Collection) -> Guard {
    if collection.is_company() {
        return Guard::company();
    }
    Guard::new(format!("users/{}", collection.owner), "")
}

/// Resource name of a collection.
pub fn subject(collection: &Collection) -> String {
    let parent = if collection.kind == Kind::AddressBook { "addressBooks" } else { "calendars" };
    format!("{parent}/{}", collection.id)
}

/// An object came, changed, went, or went from one collection to another.
pub(super) fn object<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    old: Option<(&Collection, &Object)>,
    new: Option<(&Collection, &Object)>,
) {
    let action = match (old, new) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    let Some((collection, present)) = new.or(old) else { return };
    if collection.kind.is_of_server() {
        return;
    }
    let facts = |it: Option<(&Collection, &Object)>| match it {
        Some((collection, object)) => {
            [subject(collection), object.name.clone(), object.uid.clone(), object.etag.clone()]
        }
        None => Default::default(),
    };
    let mut entry = Entry::new(action, hooks.subject(collection, present), &audience(collection));
    let names = ["collection", "object_name", "uid", "etag"];
    for (name, (old, new)) in names.into_iter().zip(facts(old).into_iter().zip(facts(new))) {
        entry = entry.field(name, old, new);
    }
    tx.audit(entry);
}

/// A collection was made, changed or deleted.
pub(super) fn collection(tx: &mut Tx<'_>, old: Option<&Collection>, new: Option<&Collection>) {
    let action = match (old, new) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    // Nobody's book is where merged partners lie: the merge has its own entry.
    let present = new.or(old).filter(|it| !it.kind.is_of_server() && it.owner != NOBODY);
    let Some(present) = present else { return };
    let facts = |it: Option<&Collection>| match it {
        Some(it) => [
            format!("{}/{}", it.owner, it.slug),
            it.display_name.clone(),
            it.description.clone(),
            it.color.clone(),
            it.order.to_string(),
            it.time_zone.clone(),
            it.components.join(", "),
            it.transparent.to_string(),
            it.is_default.to_string(),
        ],
        None => Default::default(),
    };
    let names = [
        "path",
        "display_name",
        "description",
        "color",
        "order",
        "time_zone",
        "components",
        "transparent",
        "is_default",
    ];
    let mut entry = Entry::new(action, subject(present), &audience(present));
    for (name, (old, new)) in names.into_iter().zip(facts(old).into_iter().zip(facts(new))) {
        entry = entry.field(name, old, new);
    }
    tx.audit(entry);
}

/// A share began, changed or ended.
pub(super) fn share(tx: &mut Tx<'_>, collection: &Collection, old: Option<&Share>, new: Option<&Share>) {
    let Some(present) = new.or(old) else { return };
    let level = |share: Option<&Share>| share.map(|share| format!("{:?}", share.access).to_lowercase());
    let entry = Entry::new(Action::Update, subject(collection), &audience(collection));
    let name = format!("shares/{}", present.grantee);
    tx.audit(entry.field(name, level(old).unwrap_or_default(), level(new).unwrap_or_default()));
}
