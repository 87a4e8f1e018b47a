//! Price lists in the database, and the prices of a product.
//! Called by rpc/price_list.rs.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing};
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, args};

use crate::domain::money;
use crate::domain::price::{Candidate, Item, PriceList};

impl Stored for PriceList {
    const TABLE: &'static str = "price_list";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "segment",
        "currency",
        "priority",
        "start_time",
        "end_time",
        "create_time",
        "update_time",
    ];
    const COLLECTION: &'static str = "priceLists";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::company()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "currency" => Shown::As("currency_code", Kind::Text),
            "priority" => Shown::As("priority", Kind::Int),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.display_name,
            &self.segment,
            &self.currency,
            self.priority,
            self.start_time,
            self.end_time,
            self.create_time,
            self.update_time,
        ]
        .to_vec()
    }

    /// Without its items: `items` reads them.
    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(PriceList {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            segment: row.string(from + 3)?,
            currency: row.string(from + 4)?,
            priority: i32::try_from(row.int(from + 5)?).map_err(Error::internal)?,
            start_time: row.opt_int(from + 6)?,
            end_time: row.opt_int(from + 7)?,
            items: Vec::new(),
            create_time: row.int(from + 8)?,
            update_time: row.int(from + 9)?,
        })
    }
}

/// For `resource::list`.
pub const LISTING: Listing = Listing {
    table: "price_list",
    columns: "id, version, display_name, segment, currency, priority, start_time, end_time, create_time, update_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter(
            "segment",
            "CASE WHEN segment = '' THEN '' ELSE 'segments/' || segment END",
            Kind::Text,
        ),
        Field::filter("currency_code", "currency", Kind::Text),
        Field::order("priority", "priority", Kind::Int),
        Field::order("create_time", "create_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 200,
};

/// The items of a list, in their order.
///
/// # Errors
/// Those of the database.
pub fn items(conn: &mut Conn<'_>, list: &str) -> Result<Vec<Item>> {
    let sql = "SELECT product, price, min_quantity, start_time, end_time FROM price_item WHERE list = $1 ORDER BY place";
    conn.all(sql, args![list], |row| {
        Ok(Item {
            product: row.string(0)?,
            price: row.int(1)?,
            min_quantity: i32::try_from(row.int(2)?).map_err(Error::internal)?,
            start_time: row.opt_int(3)?,
            end_time: row.opt_int(4)?,
        })
    })
}

/// Writes the items of a list that has these, and keeps in the audit what became of them.
///
/// # Errors
/// Those of the database.
pub fn set_items(tx: &mut Tx<'_>, list: &PriceList, old: &[Item]) -> Result<()> {
    if old == list.items {
        return Ok(());
    }
    tx.execute("DELETE FROM price_item WHERE list = $1", args![&list.id])?;
    let rows: Vec<Vec<Value>> = list
        .items
        .iter()
        .enumerate()
        .map(|(place, item)| {
            args![
                &list.id,
                place as i64,
                &item.product,
                item.price,
                item.min_quantity,
                item.start_time,
                item.end_time
            ]
            .to_vec()
        })
        .collect();
    let columns = "list, place, product, price, min_quantity, start_time, end_time";
    tx.insert_many("price_item", columns, rows.into_iter(), "")?;
    let entry = audit::Entry::new(audit::Action::Update, list.name(), &list.audience());
    tx.audit(entry.field("items", shown(old, &list.currency), shown(&list.items, &list.currency)));
    Ok(())
}

fn shown(items: &[Item], code: &str) -> String {
    let instant = |time: Option<i64>| time.map(audit::instant).unwrap_or_default();
    let line = |item: &Item| {
        let price = money::text(item.price.into(), code);
        let times = format!("{}/{}", instant(item.start_time), instant(item.end_time));
        format!("{} {price} from {} {}", item.product, item.min_quantity, times.trim_matches('/'))
    };
    items.iter().map(|item| line(item).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A list that is for a segment.
///
/// # Errors
/// Those of the database.
pub fn of_segment(conn: &mut Conn<'_>, segment: &str) -> Result<Option<String>> {
    conn.one("SELECT id FROM price_list WHERE segment = $1 ORDER BY id LIMIT 1", args![segment], |row| {
        row.string(0)
    })
}

/// The prices of a product for so many at a time, in a currency: of each list the one for the largest quantity that is reached.
///
/// # Errors
/// Those of the database.
pub fn candidates(
    conn: &mut Conn<'_>,
    product: &str,
    quantity: i32,
    code: &str,
    time: i64,
) -> Result<Vec<Candidate>> {
    let sql = "SELECT price_list.id, display_name, segment, priority, price FROM price_item JOIN price_list ON price_list.id = price_item.list
         WHERE product = $1 AND min_quantity <= $2 AND currency = $3
         AND COALESCE(price_list.start_time, $4) <= $4 AND COALESCE(price_list.end_time, $4 + 1) > $4
         AND COALESCE(price_item.start_time, $4) <= $4 AND COALESCE(price_item.end_time, $4 + 1) > $4
         ORDER BY price_list.id, min_quantity DESC, place";
    let mut found = conn.all(sql, args![product, quantity, code, time], |row| {
        Ok(Candidate {
            list: row.string(0)?,
            display_name: row.string(1)?,
            segment: row.string(2)?,
            priority: i32::try_from(row.int(3)?).map_err(Error::internal)?,
            price: row.int(4)?,
        })
    })?;
    found.dedup_by(|later, first| later.list == first.list);
    Ok(found)
}
