//! Lists of events and tasks of one calendar: pages of rows, then their texts one by one.
//! Called by rpc/events.rs and rpc/tasks.rs.

use bytes::Bytes;
use kontor_collection::{Hooks, Object};
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row};
use kontor_kit::page::{Field, Kind as FieldKind, Listing, Page, Query};
use kontor_kit::{args, id};

use super::Core;
use super::objects::{EVENTS, Kind, Loaded, find_calendar};
use crate::store::items;

const LISTING: Listing = Listing {
    table: "item i JOIN object o ON o.num = i.object",
    columns: "o.num, o.coll, o.id, o.name, o.uid, o.etag, o.comp, o.seq, o.size, o.create_time, o.update_time",
    id: "o.id",
    by_key: false,
    fields: &[
        Field::order("start_time", "i.start_utc", FieldKind::Time),
        Field::order("update_time", "o.update_time", FieldKind::Time),
    ],
    default_order: "start_time",
    default_size: 50,
    max_size: 1_000,
};

/// Bytes of texts behind one page, the last object not counted: a page ends earlier when its objects are large.
const PAGE_BYTES: i64 = 8 * 1024 * 1024;

impl Core {
    /// One page of a calendar's events or tasks.
    pub async fn list<A: Send + 'static>(
        &self,
        caller: Caller,
        kind: Kind,
        parent: String,
        mut query: Query,
        message: fn(&Loaded) -> Result<A>,
    ) -> Result<Page<A>> {
        let calendar = id::parse("calendars", &parent, "parent")?.to_owned();
        let hooks = self.hooks.clone();
        self.db
            .read(move |conn| {
                let (collection, access) = find_calendar(conn, &caller, &calendar)?;
                let zone = hooks.zone(conn, &collection)?;
                let mut page = rows(conn, &caller, kind, collection.num, &query)?;
                let fitting = fitting(&page.rows);
                if fitting < page.rows.len() {
                    query.page_size = i32::try_from(fitting).unwrap_or(1);
                    page = rows(conn, &caller, kind, collection.num, &query)?;
                }
                let mut messages = Vec::with_capacity(page.rows.len());
                for mut object in page.rows {
                    object.data = kontor_collection::store::object::data(conn, object.num)?;
                    let partners = items::partners(conn, object.num)?;
                    let loaded = Loaded::new(object, collection.clone(), zone.clone(), partners, access);
                    messages.push(message(&loaded)?);
                }
                Ok(Page { rows: messages, next_page_token: page.next_page_token })
            })
            .await
    }
}

fn rows(conn: &mut Conn<'_>, caller: &Caller, kind: Kind, coll: i64, query: &Query) -> Result<Page<Object>> {
    let number = if kind.collection == EVENTS.collection { 1_i64 } else { 2 };
    let scope = ("i.coll = $1 AND i.kind = $2".to_owned(), args![coll, number].to_vec());
    LISTING.run(conn, caller, query, scope, |row| read(row, 2))
}

/// How many objects of a page may be read in one answer; one at least.
fn fitting(objects: &[Object]) -> usize {
    let mut bytes = 0;
    let fits = |object: &&Object| {
        let before = bytes;
        bytes += object.size;
        before < PAGE_BYTES
    };
    objects.iter().take_while(fits).count().max(1)
}

fn read(row: &Row<'_>, from: usize) -> Result<Object> {
    Ok(Object {
        num: row.int(from)?,
        coll: row.int(from + 1)?,
        id: row.string(from + 2)?,
        name: row.string(from + 3)?,
        uid: row.string(from + 4)?,
        etag: row.string(from + 5)?,
        schedule_tag: String::new(),
        component: row.string(from + 6)?,
        seq: row.int(from + 7)?,
        size: row.int(from + 8)?,
        create_time: row.int(from + 9)?,
        update_time: row.int(from + 10)?,
        data: Bytes::new(),
    })
}
