//! Facts out of their tables: of one partner, or of all in ranges.
//! Called by the engine.

use std::collections::BTreeMap;

use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::{Error, Result, args};

use crate::domain::facts::{Call, Decimal, Facts, Mail, Opportunity, Partner, Purchase, Visit};

const PARTNER: &str = "SELECT ord, kind, display_name, organization, title, company, country, region, city, postal_code, language, do_not_call,
     create_time, rfm_recency, rfm_frequency, rfm_monetary FROM fact_partner";
const TEXT: &str = "SELECT ord, field, value FROM fact_text";
const ANSWER: &str = "SELECT ord, question, choice FROM fact_answer";
const OPPORTUNITY: &str = "SELECT ord, state, stage, pipeline, team, assignee, source, lost_reason, amount, create_time, close_time FROM fact_opportunity";
const CALL: &str = "SELECT ord, direction, result, taken_by, talk_seconds, start_time FROM fact_call";
const PURCHASE: &str = "SELECT ord, kind, posted, currency, amount, time FROM fact_purchase";
const MAIL: &str = "SELECT ord, kind, time FROM fact_mail";
const VISIT: &str = "SELECT ord, page, time FROM fact_visit";

/// Partners in one statement at most.
const PART: usize = 500;

/// The facts of some partners; those that are not there are left out.
///
/// # Errors
/// Those of the database.
pub fn some(conn: &mut Conn<'_>, ords: &[u32]) -> Result<Vec<(u32, Facts)>> {
    let mut all = Vec::with_capacity(ords.len());
    for part in ords.chunks(PART) {
        let places: Vec<String> = (1..=part.len()).map(|place| format!("${place}")).collect();
        let args: Vec<Value> = part.iter().map(|ord| (*ord).into()).collect();
        all.extend(read(conn, &format!("ord IN ({})", places.join(", ")), &args)?);
    }
    Ok(all)
}

/// The facts of all partners whose numbers are in a range, in the order of the numbers.
///
/// # Errors
/// Those of the database.
pub fn range(conn: &mut Conn<'_>, from: i64, end: i64) -> Result<Vec<(u32, Facts)>> {
    read(conn, "ord >= $1 AND ord < $2", args![from, end])
}

fn read(conn: &mut Conn<'_>, which: &str, args: &[Value]) -> Result<Vec<(u32, Facts)>> {
    let mut all: BTreeMap<u32, Facts> = BTreeMap::new();
    let mut each = |table: &str, take: &mut dyn FnMut(&mut Facts, &Row<'_>) -> Result<()>| -> Result<()> {
        let sql = format!("{table} WHERE {which}");
        conn.each(&sql, args, |row| {
            let ord = u32::try_from(row.int(0)?).map_err(Error::internal)?;
            // Facts may come before their partner, and stay when it is deleted; then nobody has them.
            let facts = if table == PARTNER { Some(all.entry(ord).or_default()) } else { all.get_mut(&ord) };
            facts.map_or(Ok(()), |facts| take(facts, row))
        })
    };
    each(PARTNER, &mut |facts, row| partner(row).map(|partner| facts.partner = partner))?;
    each(TEXT, &mut |facts, row| {
        let value = row.string(2)?;
        match row.text(1)? {
            "tags" => facts.tags.insert(value),
            "emails" => facts.emails.insert(value),
            _ => facts.phones.insert(value),
        };
        Ok(())
    })?;
    each(ANSWER, &mut |facts, row| {
        facts.answers.entry(row.string(1)?).or_default().insert(row.string(2)?);
        Ok(())
    })?;
    each(OPPORTUNITY, &mut |facts, row| opportunity(row).map(|it| facts.opportunities.push(it)))?;
    each(CALL, &mut |facts, row| call(row).map(|it| facts.calls.push(it)))?;
    each(PURCHASE, &mut |facts, row| purchase(row).map(|it| facts.purchases.push(it)))?;
    each(MAIL, &mut |facts, row| {
        facts.mails.push(Mail { kind: row.string(1)?, time: row.opt_int(2)? });
        Ok(())
    })?;
    each(VISIT, &mut |facts, row| {
        facts.visits.push(Visit { page: row.string(1)?, time: row.opt_int(2)? });
        Ok(())
    })?;
    Ok(all.into_iter().collect())
}

fn partner(row: &Row<'_>) -> Result<Partner> {
    Ok(Partner {
        kind: row.string(1)?,
        display_name: row.string(2)?,
        organization: row.string(3)?,
        title: row.string(4)?,
        company: row.string(5)?,
        country: row.string(6)?,
        region: row.string(7)?,
        city: row.string(8)?,
        postal_code: row.string(9)?,
        language: row.string(10)?,
        do_not_call: row.bool(11)?,
        create_time: row.opt_int(12)?,
        rfm_recency: row.opt_int(13)?,
        rfm_frequency: row.opt_int(14)?,
        rfm_monetary: row.opt_int(15)?,
    })
}

fn opportunity(row: &Row<'_>) -> Result<Opportunity> {
    Ok(Opportunity {
        state: row.string(1)?,
        stage: row.string(2)?,
        pipeline: row.string(3)?,
        team: row.string(4)?,
        assignee: row.string(5)?,
        source: row.string(6)?,
        lost_reason: row.string(7)?,
        amount: row.opt_int(8)?.map(Decimal),
        create_time: row.opt_int(9)?,
        close_time: row.opt_int(10)?,
    })
}

fn call(row: &Row<'_>) -> Result<Call> {
    Ok(Call {
        direction: row.string(1)?,
        result: row.string(2)?,
        taken_by: row.string(3)?,
        talk_seconds: row.opt_int(4)?,
        start_time: row.opt_int(5)?,
    })
}

fn purchase(row: &Row<'_>) -> Result<Purchase> {
    Ok(Purchase {
        kind: row.string(1)?,
        posted: row.bool(2)?,
        currency: row.string(3)?,
        amount: row.opt_int(4)?.map(Decimal),
        time: row.opt_int(5)?,
    })
}
