//! The seam to the service that owns the objects: it reads and checks bytes, and keeps its typed rows in the same transaction.
//! Implemented by `calendar` and `directory`; called by `store::write` and `rpc`.

use bytes::Bytes;
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_vobject::zone::Zone;

use crate::filter::zone;
use crate::index::Index;
use crate::model::{Collection, Kind, Object};

/// What a service does for its kind of objects. Cheap to clone: each request has one.
pub trait Hooks: Clone + Send + Sync + 'static {
    /// What the service reads out of the bytes: an event, a card.
    type Typed: Send + Sync + 'static;

    /// What it keeps.
    const KIND: Kind;

    /// Resource name of an object, for the audit: "partners/{id}".
    fn subject(&self, collection: &Collection, object: &Object) -> String;

    /// The zone in which floating times and days of a collection are taken when a query names none.
    ///
    /// # Errors
    /// Those of the database.
    fn zone(&self, _conn: &mut Conn<'_>, collection: &Collection) -> Result<Zone> {
        Ok(zone(&collection.time_zone).unwrap_or(Zone::UTC))
    }

    /// The colour of a collection for which none was set: the same one for all of an owner's. Empty for a kind that has none.
    ///
    /// # Errors
    /// Those of the database.
    fn color(&self, _conn: &mut Conn<'_>, _owner: &str) -> Result<String> {
        Ok(String::new())
    }

    /// Reads and checks bytes before any transaction. This may ask other services.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason VALID_DATA, VALID_OBJECT_RESOURCE or SUPPORTED_COMPONENT: see `index::violation`
    /// and `index::card_violation`.
    fn prepare(
        &self,
        caller: &Caller,
        data: Bytes,
    ) -> impl Future<Output = Result<Prepared<Self::Typed>>> + Send;

    /// Looks at a write whose conditions hold, before it is stored and in its transaction. The service may refuse it, write
    /// elsewhere because of it, or have other bytes stored. None leaves it as it is.
    ///
    /// # Errors
    /// Any error takes the write back.
    fn admit(
        &self,
        _tx: &mut Tx<'_>,
        _admission: &Admission<'_, Self::Typed>,
    ) -> Result<Option<Admitted<Self::Typed>>> {
        Ok(None)
    }

    /// Keeps the typed row of a new or changed object and publishes its event, in the transaction of the write.
    ///
    /// # Errors
    /// Any error takes the write back.
    fn stored(&self, tx: &mut Tx<'_>, change: &Change<'_, Self::Typed>) -> Result<()>;

    /// Removes the typed row of an object that is about to be deleted, and publishes its event. Its body is still there. Called
    /// for each object of a deleted collection too.
    ///
    /// # Errors
    /// Any error takes the deletion back.
    fn removed(&self, tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()>;

    /// Says whether an object may go from one collection to another. Asked in the transaction of the move, before anything changes.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with the service's reason, when it may not.
    fn may_move(
        &self,
        _conn: &mut Conn<'_>,
        _from: &Collection,
        _to: &Collection,
        _object: &Object,
    ) -> Result<()> {
        Ok(())
    }

    /// Follows an object that went from `from` to another collection, with the same id, number and bytes; `change.old` is the
    /// object as it stood there. A new name inside a collection is not told. Unless a service knows better, the object is
    /// removed there and stored here.
    ///
    /// # Errors
    /// Any error takes the move back.
    fn moved(&self, tx: &mut Tx<'_>, from: &Collection, change: &Change<'_, Self::Typed>) -> Result<()> {
        if let Some(object) = change.old {
            self.removed(
                tx,
                &Removal { caller: change.caller, collection: from, object, tell: Tell::Nobody },
            )?;
        }
        self.stored(tx, &Change { old: None, ..*change })
    }
}

/// Bytes that were read and checked, ready to be stored.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// The one UID of the object; 1 to 1,000 bytes.
    pub uid: String,
    /// "VEVENT", "VTODO", "VJOURNAL", "VCARD".
    pub component: String,
    /// Schedule tag; empty when the service does not schedule.
    pub schedule_tag: String,
    /// Rows of the engine's own indexes: `Index::calendar` or `Index::card`.
    pub index: Index,
    /// What the service reads out of the bytes.
    pub typed: T,
}

/// A write before it is stored.
pub struct Admission<'a, T> {
    /// Who does it.
    pub caller: &'a Caller,
    /// Where; its `seq` is that of this change.
    pub collection: &'a Collection,
    /// Last segment of its path.
    pub name: &'a str,
    /// The object as it stands, without `data`; none when it is new.
    pub old: Option<&'a Object>,
    /// The bytes that came.
    pub data: &'a [u8],
    /// What `prepare` made.
    pub prepared: &'a Prepared<T>,
}

/// What is stored in the place of what came.
#[derive(Clone, Debug)]
pub struct Admitted<T> {
    /// Other bytes; none stores those that came.
    pub data: Option<Bytes>,
    /// What was read out of the bytes that are stored.
    pub prepared: Prepared<T>,
}

/// A new or changed object, for the typed row.
pub struct Change<'a, T> {
    /// Who did it.
    pub caller: &'a Caller,
    /// Where; its `seq` is that of this change.
    pub collection: &'a Collection,
    /// The object as it stands now, without `data`.
    pub object: &'a Object,
    /// The object as it stood before, without `data`; none when it is new.
    pub old: Option<&'a Object>,
    /// The bytes as they stand now.
    pub data: &'a [u8],
    /// What `prepare` made.
    pub prepared: &'a Prepared<T>,
}

/// A deleted object.
pub struct Removal<'a> {
    /// Who did it.
    pub caller: &'a Caller,
    /// Where.
    pub collection: &'a Collection,
    /// The object as it stood, without `data`.
    pub object: &'a Object,
    /// Who is told by scheduling messages.
    pub tell: Tell,
}

/// Who is told that an object goes (RFC 6638).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// All whom it concerns.
    Everyone,
    /// An organizer's guests; a guest sends no reply (section 8.1, `Schedule-Reply: F`).
    Guests,
    /// Nobody: it only goes to another place.
    Nobody,
}
