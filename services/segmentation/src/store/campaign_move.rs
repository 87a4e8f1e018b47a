//! What a campaign has of partners that went into others: handed on, and given back when the merge is taken back.
//! Called by the campaigns' work and by partner.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};

use super::{campaign, partner, pull};
use crate::domain::campaign::Fate;

/// A partner of a campaign that went into another one.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Its number.
    pub ord: u32,
    /// What it was called on.
    pub number: String,
    /// The one that it counts for now.
    pub survivor: u32,
    /// What became of that one in the campaign; none when it was not seen.
    pub known: Option<Fate>,
    /// The card of that one is still to be read: whether it is a member is not known yet.
    pub unread: bool,
}

impl Merged {
    /// Whether the survivor has no entry of its own in the campaign, and did not leave it before. What somebody else put into a mailing stays theirs; on a call list the
    /// entry of the other one comes beside it.
    pub fn has_nothing(&self, by_mail: bool) -> bool {
        match self.known {
            Some(Fate::Pending | Fate::Added | Fate::Cancelled | Fate::Left) => false,
            Some(Fate::Listed) => !by_mail,
            _ => true,
        }
    }
}

/// Partners behind a number that a campaign added and that went into others, at most so many; and the last number that was looked at, none at the end.
///
/// # Errors
/// Those of the database.
pub fn merged(
    conn: &mut Conn<'_>,
    campaign: &str,
    after: Option<u32>,
    limit: i64,
) -> Result<(Vec<Merged>, Option<u32>)> {
    let sql = "SELECT it.ord, number, partner FROM campaign_partner AS it JOIN partner_ord ON partner_ord.ord = it.ord
         WHERE campaign = $1 AND state = $2 AND it.ord > $4 AND survivor <> '' ORDER BY it.ord LIMIT $3";
    let after = after.map_or(-1, i64::from);
    let found = conn.all(sql, args![campaign, Fate::Added as i64, limit, after], |row| {
        let ord = u32::try_from(row.int(0)?).map_err(Error::internal)?;
        Ok((ord, row.string(1)?, row.string(2)?))
    })?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
    let last = found.last().map(|(ord, ..)| *ord).filter(|_| is_full);
    let mut all = Vec::with_capacity(found.len());
    for (ord, number, partner) in found {
        // None of an erased one.
        let Some(ords) = partner::find(conn, &partner)? else { continue };
        let survivor = partner::name(conn, ords.ord)?.unwrap_or_default();
        let known = campaign::one(conn, campaign, ords.ord)?.map(|(fate, _)| fate);
        let unread = pull::is_wanted(conn, &survivor)?;
        all.push(Merged { ord, number, survivor: ords.ord, known, unread });
    }
    Ok((all, last))
}

/// What a campaign knows of a partner that went into another one, and that one's number, when it knows something: the survivor is not called again.
///
/// # Errors
/// Those of the database.
pub fn of_family(conn: &mut Conn<'_>, campaign: &str, name: &str) -> Result<Option<(u32, Fate, String)>> {
    let mut first = None;
    for ord in partner::family(conn, name)?.into_iter().skip(1) {
        let known = campaign::one(conn, campaign, ord)?.filter(|(fate, _)| *fate != Fate::WithoutNumber);
        match known {
            // One that waits is called; what others of the family had does not take that away.
            Some((Fate::Added, number)) => return Ok(Some((ord, Fate::Added, number))),
            Some((fate, number)) => first = first.or(Some((ord, fate, number))),
            None => {}
        }
    }
    Ok(first)
}

/// What is written of a partner that went into another one.
#[derive(Clone, Debug)]
pub struct Move {
    /// Its number.
    pub ord: u32,
    /// What became of it before.
    pub was: Fate,
    /// What becomes of it.
    pub becomes: Fate,
    /// What it is called on.
    pub number: String,
    /// The one that it counts for.
    pub survivor: u32,
    /// What that one has of it; none when it keeps what it has.
    pub gives: Option<Fate>,
}

/// Hands on, as long as the merges stand. Answers what became of whom.
///
/// # Errors
/// Those of the database.
pub fn hand_on(tx: &mut Tx<'_>, id: &str, moves: &[Move]) -> Result<Vec<(u32, Fate, String)>> {
    // A merge that is taken back in this moment waits, and finds what is written here.
    let lock = if tx.is_postgres() { " FOR SHARE" } else { "" };
    let mut all = Vec::new();
    for it in moves {
        let sql = format!("SELECT 1 FROM partner_ord WHERE ord = $1 AND survivor <> ''{lock}");
        if tx.one(&sql, args![it.ord], |_| Ok(()))?.is_none() {
            continue;
        }
        let before = campaign::one(tx, id, it.survivor)?;
        let (former, number) = before.map_or((0, String::new()), |(fate, number)| (fate as i64, number));
        let sql = "INSERT INTO campaign_move (campaign, ord, was, survivor, given, former, number) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (campaign, ord) DO UPDATE SET was = excluded.was, survivor = excluded.survivor, given = excluded.given, former = excluded.former, number = excluded.number";
        tx.execute(sql, args![id, it.ord, it.was as i64, it.survivor, it.gives.is_some(), former, number])?;
        all.push((it.ord, it.becomes, it.number.clone()));
        all.extend(it.gives.map(|fate| (it.survivor, fate, it.number.clone())));
    }
    campaign::put(tx, id, &all)?;
    Ok(all)
}

/// A partner is its own again: it has back what it handed on, as far as that came, and its survivor what it had before. Whoever works on the campaign reads all anew.
///
/// # Errors
/// Those of the database.
pub fn taken_back(tx: &mut Tx<'_>, own: u32, family: &[u32]) -> Result<()> {
    for ord in family {
        let sql = "SELECT campaign, was, survivor, given, former, number FROM campaign_move WHERE ord = $1 ORDER BY campaign";
        let moves = tx.all(sql, args![*ord], |row| {
            let survivor = u32::try_from(row.int(2)?).map_err(Error::internal)?;
            Ok((
                row.string(0)?,
                campaign::fate(row.int(1)?)?,
                survivor,
                row.bool(3)?,
                row.int(4)?,
                row.string(5)?,
            ))
        })?;
        for (id, was, survivor, given, former, number) in moves {
            // One inside of the family went into it before, and stays so.
            if family.contains(&survivor) {
                continue;
            }
            let mine = campaign::one(tx, &id, *ord)?;
            let now = if given { campaign::one(tx, &id, survivor)? } else { None };
            let mut all = Vec::new();
            if given && former == 0 {
                let sql = "DELETE FROM campaign_partner WHERE campaign = $1 AND ord = $2";
                tx.execute(sql, args![&id, survivor])?;
            } else if given {
                all.push((survivor, campaign::fate(former)?, number));
            }
            let back = match now {
                Some(now) if was == Fate::Added => Some(now),
                _ => mine.map(|(_, number)| (was, number)),
            };
            if *ord == own {
                let sql = "DELETE FROM campaign_move WHERE campaign = $1 AND ord = $2";
                tx.execute(sql, args![&id, *ord])?;
                all.extend(back.map(|(fate, number)| (own, fate, number)));
            } else {
                // One that had gone into it before: it is that one's until that merge is taken back too.
                let known = campaign::one(tx, &id, own)?;
                let is_given = given && known.is_none();
                let (former, number) =
                    known.map_or((0, String::new()), |(fate, number)| (fate as i64, number));
                let sql = "UPDATE campaign_move SET survivor = $3, given = $4, former = $5, number = $6 WHERE campaign = $1 AND ord = $2";
                tx.execute(sql, args![&id, *ord, own, is_given, former, number])?;
                all.extend(back.filter(|_| is_given).map(|(fate, number)| (own, fate, number)));
            }
            campaign::put(tx, &id, &all)?;
            tx.execute("UPDATE campaign SET version = version + 1 WHERE id = $1", args![&id])?;
        }
    }
    Ok(())
}
