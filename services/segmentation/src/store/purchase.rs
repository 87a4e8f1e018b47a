//! Sums of purchases.
//! Called by rpc/purchase.rs and rfm.rs.

use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, args};

use crate::domain::rfm::Bought;

/// Sums of posted purchases. Amounts are ten-thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// All sales.
    pub sales: i128,
    /// All refunds.
    pub refunds: i128,
    /// How many sales.
    pub sale_count: i64,
    /// How many refunds.
    pub refund_count: i64,
    /// The first sale: microseconds UTC.
    pub first: Option<i64>,
    /// The last sale.
    pub last: Option<i64>,
    /// Partners with either.
    pub partners: i64,
}

/// Adds up in one currency, in a span, for one partner or all that are there.
///
/// # Errors
/// Those of the database.
pub fn sums(conn: &mut Conn<'_>, ord: Option<u32>, code: &str, from: i64, end: i64) -> Result<Sums> {
    // Sums of thousands of amounts may be more than a BIGINT holds, so whole units and the rest are added for themselves.
    let of = if ord.is_some() { "fact_purchase.ord = $4" } else { "$4 < 0" };
    let sql = format!(
        "SELECT fact_purchase.kind, COUNT(*), CAST(SUM(amount / 10000) AS BIGINT), CAST(SUM(amount % 10000) AS BIGINT), MIN(time), MAX(time)
         FROM fact_purchase JOIN fact_partner ON fact_partner.ord = fact_purchase.ord
         WHERE posted = 1 AND currency = $1 AND time >= $2 AND time < $3 AND {of} GROUP BY fact_purchase.kind"
    );
    let who = ord.map_or(-1, i64::from);
    let mut sums = Sums::default();
    conn.each(&sql, args![code, from, end, who], |row| {
        let amount = i128::from(row.int(2)?) * 10_000 + i128::from(row.int(3)?);
        if row.text(0)? == "SALE" {
            (sums.sales, sums.sale_count) = (amount, row.int(1)?);
            (sums.first, sums.last) = (row.opt_int(4)?, row.opt_int(5)?);
        } else {
            (sums.refunds, sums.refund_count) = (amount, row.int(1)?);
        }
        Ok(())
    })?;
    let sql = format!(
        "SELECT COUNT(DISTINCT fact_purchase.ord) FROM fact_purchase JOIN fact_partner ON fact_partner.ord = fact_purchase.ord
         WHERE posted = 1 AND currency = $1 AND time >= $2 AND time < $3 AND {of}"
    );
    sums.partners = conn.one(&sql, args![code, from, end, who], |row| row.int(0))?.unwrap_or(0);
    Ok(sums)
}

/// What each partner with a sale bought in one currency, in a span; by number.
///
/// # Errors
/// Those of the database.
pub fn bought(conn: &mut Conn<'_>, ord: Option<u32>, code: &str, from: i64, end: i64) -> Result<Vec<Bought>> {
    let of = if ord.is_some() { "fact_purchase.ord = $4" } else { "$4 < 0" };
    let sql = format!(
        "SELECT fact_purchase.ord, MAX(CASE WHEN fact_purchase.kind = 'SALE' THEN time END), CAST(SUM(CASE WHEN fact_purchase.kind = 'SALE' THEN 1 ELSE 0 END) AS BIGINT),
             CAST(SUM(CASE WHEN fact_purchase.kind = 'SALE' THEN amount ELSE -amount END) AS BIGINT)
         FROM fact_purchase JOIN fact_partner ON fact_partner.ord = fact_purchase.ord
         WHERE posted = 1 AND currency = $1 AND time >= $2 AND time < $3 AND {of}
         GROUP BY fact_purchase.ord ORDER BY fact_purchase.ord"
    );
    let who = ord.map_or(-1, i64::from);
    let mut all = Vec::new();
    conn.each(&sql, args![code, from, end, who], |row| {
        let Some(last) = row.opt_int(1)? else { return Ok(()) };
        let ord = u32::try_from(row.int(0)?).map_err(Error::internal)?;
        all.push(Bought { ord, last, count: row.int(2)?, total: row.int(3)? });
        Ok(())
    })?;
    Ok(all)
}
