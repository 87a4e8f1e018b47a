//! How users see what others share with them: a name, a text, a colour and a place of their own.
//! Called by `store::collection` to set it, and by whatever shows collections to a user.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Error, Result, args};

use crate::model::{Access, Collection};
use crate::store::collection::Update;
use crate::store::share;

/// What a user has chosen; none is as the owner has it.
#[derive(Debug, Default)]
struct View {
    display_name: Option<String>,
    description: Option<String>,
    color: Option<String>,
    order: Option<i64>,
}

impl View {
    fn put_on(self, collection: &mut Collection) {
        let View { display_name, description, color, order } = self;
        collection.display_name =
            display_name.unwrap_or_else(|| std::mem::take(&mut collection.display_name));
        if description.is_some() {
            // The language is that of the owner's text.
            collection.description_language.clear();
        }
        collection.description = description.unwrap_or_else(|| std::mem::take(&mut collection.description));
        collection.color = color.unwrap_or_else(|| std::mem::take(&mut collection.color));
        collection.order = order.unwrap_or(collection.order);
    }
}

/// Shows a collection as the caller sees it. Only what is shared costs a look into the table.
///
/// # Errors
/// Those of the database.
pub fn apply(conn: &mut Conn<'_>, caller: &Caller, collection: &mut Collection) -> Result<()> {
    // Administrators see everything, but have a view of their own only of what is shared with them.
    if share::is_shared_with(conn, caller, collection)? {
        find(conn, collection.num, &caller.user)?.unwrap_or_default().put_on(collection);
    }
    Ok(())
}

/// Shows a home to its user. What is in it and somebody else's is shared with the user.
///
/// # Errors
/// Those of the database.
pub(super) fn apply_at_home(
    conn: &mut Conn<'_>,
    user: &str,
    home: &mut [(Collection, Access)],
) -> Result<()> {
    let others = |it: &Collection| it.owner != user && !it.is_company() && !it.kind.is_of_server();
    if !home.iter().any(|(it, _)| others(it)) {
        return Ok(());
    }
    let sql = "SELECT display_name, description, color, place, coll FROM share_view WHERE login = $1";
    let views = conn.all(sql, args![user], |row| Ok((row.int(4)?, read(row)?)))?;
    let mut views: HashMap<i64, View> = views.into_iter().collect();
    for (it, _) in home.iter_mut().filter(|(it, _)| others(it)) {
        views.remove(&it.num).unwrap_or_default().put_on(it);
    }
    home.sort_by(|(one, _), (other, _)| {
        (one.order, &one.slug, one.num).cmp(&(other.order, &other.slug, other.num))
    });
    Ok(())
}

/// Sets what the caller has chosen; an empty text is as the owner has it. Neither the owner nor other users see anything of it, so the
/// change number stays.
///
/// # Errors
/// PERMISSION_DENIED for what only the owner sets.
pub(super) fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    mut collection: Collection,
    update: &Update,
) -> Result<Collection> {
    if update.time_zone.is_some() || update.transparent.is_some() || update.make_default {
        let message = "with whom a collection is shared sets only its name, description, colour and order";
        return Err(Error::denied(message));
    }
    let before = find(tx, collection.num, &caller.user)?.unwrap_or_default();
    let chosen = |new: &Option<String>, old: Option<String>| match new {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text.clone()),
        None => old,
    };
    let view = View {
        display_name: chosen(&update.display_name, before.display_name),
        description: chosen(&update.description, before.description),
        color: chosen(&update.color, before.color),
        order: update.order.or(before.order),
    };
    tx.execute(
        "INSERT INTO share_view (coll, login, display_name, description, color, place) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (coll, login) DO UPDATE SET display_name = excluded.display_name, description = excluded.description,
         color = excluded.color, place = excluded.place",
        args![
            collection.num,
            &caller.user,
            view.display_name.clone(),
            view.description.clone(),
            view.color.clone(),
            view.order
        ],
    )?;
    view.put_on(&mut collection);
    Ok(collection)
}

fn find(conn: &mut Conn<'_>, coll: i64, login: &str) -> Result<Option<View>> {
    let sql = "SELECT display_name, description, color, place FROM share_view WHERE coll = $1 AND login = $2";
    conn.one(sql, args![coll, login], read)
}

fn read(row: &Row<'_>) -> Result<View> {
    Ok(View {
        display_name: row.opt_text(0)?.map(str::to_owned),
        description: row.opt_text(1)?.map(str::to_owned),
        color: row.opt_text(2)?.map(str::to_owned),
        order: row.opt_int(3)?,
    })
}
