//! The chain: entries in the order of their commits, each with a hash over the one before. Values stand beside the chain, which holds only
//! SHA-256(salt and values): when salt and values are erased, nothing can be guessed from it, and it verifies all the same.
//! Written by the writer thread at the end of each transaction; walked by VerifyAudit.

use kontor_proto::r#type::v1::{AuditDamage, AuditProblem};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{Action, Entry, Pending};
use crate::db::{Conn, Row, Value};
use crate::{Error, Result, args, secret};

/// Bytes of a text that are kept; of a longer one the rest only by its hash.
const MOST: usize = 4_096;

/// What the chain holds of an entry beside its columns.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Body {
    #[prost(string, tag = "1")]
    pub(super) cause: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) fields: Vec<String>,
    /// SHA-256 of the encoded `Values`, whose salt nobody can guess.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) values: Vec<u8>,
}

/// What can be erased.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Values {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) salt: Vec<u8>,
    /// One for each field, in their order.
    #[prost(message, repeated, tag = "2")]
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Change {
    #[prost(message, optional, tag = "1")]
    pub(super) old: Option<Text>,
    #[prost(message, optional, tag = "2")]
    pub(super) new: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Text {
    #[prost(string, tag = "1")]
    pub(super) text: String,
    #[prost(int64, tag = "2")]
    pub(super) size: i64,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) sha256: Vec<u8>,
}

/// An entry as it stands in the database.
pub(super) struct Link {
    pub(super) sequence: i64,
    pub(super) time: i64,
    pub(super) action: i64,
    pub(super) actor: String,
    pub(super) subject: String,
    pub(super) partner: String,
    pub(super) owner: String,
    pub(super) team: String,
    pub(super) body: Vec<u8>,
    pub(super) value_count: i64,
    pub(super) value_data: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

pub(super) const COLUMNS: &str =
    "sequence, time, action, actor, subject, partner, owner, team, body, value_count, value_data, hash";

/// Seals the entries of a commit. The head row is locked until then, so that the writers of all processes make one chain.
pub(crate) fn write(conn: &mut Conn<'_>, mut entries: Vec<Pending>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let head = conn.one(
        "UPDATE kit_audit_head SET sequence = sequence + $1 WHERE id = 1 RETURNING sequence, hash",
        args![count],
        |row| Ok((row.int(0)?, row.bytes(1)?.to_vec())),
    )?;
    let (end, mut hash) = head.ok_or_else(|| Error::internal("the audit has no head row"))?;
    erase(conn, &mut entries)?;
    let mut links = Vec::with_capacity(entries.len());
    for (sequence, pending) in (end - count + 1..).zip(entries) {
        let link = Link::seal(sequence, &hash, pending);
        hash.clone_from(&link.hash);
        links.push(link);
    }
    conn.insert_many("kit_audit", COLUMNS, links.into_iter().map(Link::values), "")?;
    conn.execute("UPDATE kit_audit_head SET hash = $1 WHERE id = 1", args![hash])?;
    Ok(())
}

/// Here all that was committed before is seen, for the head is held: no entry of another process slips past an erasure.
fn erase(conn: &mut Conn<'_>, entries: &mut [Pending]) -> Result<()> {
    for at in 0..entries.len() {
        if entries[at].entry.action != Action::Erase {
            continue;
        }
        let subject = entries[at].entry.subject.clone();
        for pending in &mut entries[..at] {
            let Entry { action, subject: own, partner, .. } = &pending.entry;
            if *action != Action::Erase && (*own == subject || *partner == subject) {
                pending.erased = true;
            }
        }
        for column in ["subject = $1", "partner = $1 AND partner <> ''"] {
            let sql = format!(
                "UPDATE kit_audit SET value_data = $2, value_count = 0 WHERE {column} AND action <> 4 AND value_count > 0"
            );
            conn.execute(&sql, args![&subject, Vec::<u8>::new()])?;
        }
    }
    Ok(())
}

impl Link {
    fn seal(sequence: i64, before: &[u8], pending: Pending) -> Link {
        let Pending { time, who, entry, erased } = pending;
        let salt = secret::random::<16>().to_vec();
        let (mut fields, mut changes) = (Vec::new(), Vec::new());
        for field in entry.fields {
            fields.push(field.name);
            changes.push(Change { old: kept(field.old), new: kept(field.new) });
        }
        let value_count = count(&changes);
        let value_data = Values { salt, changes }.encode_to_vec();
        let body =
            Body { cause: who.cause.into_owned(), fields, values: Sha256::digest(&value_data).to_vec() };
        let mut link = Link {
            sequence,
            time,
            action: entry.action as i64,
            actor: who.actor.to_string(),
            subject: entry.subject,
            partner: entry.partner,
            owner: entry.guard.owner,
            team: entry.guard.team,
            body: body.encode_to_vec(),
            value_count: if erased { 0 } else { value_count },
            value_data: if erased { Vec::new() } else { value_data },
            hash: Vec::new(),
        };
        link.hash = link.hash_after(before);
        link
    }

    /// In the order of `COLUMNS`.
    fn values(self) -> Vec<Value> {
        vec![
            self.sequence.into(),
            self.time.into(),
            self.action.into(),
            self.actor.into(),
            self.subject.into(),
            self.partner.into(),
            self.owner.into(),
            self.team.into(),
            self.body.into(),
            self.value_count.into(),
            self.value_data.into(),
            self.hash.into(),
        ]
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Link> {
        Ok(Link {
            sequence: row.int(0)?,
            time: row.int(1)?,
            action: row.int(2)?,
            actor: row.string(3)?,
            subject: row.string(4)?,
            partner: row.string(5)?,
            owner: row.string(6)?,
            team: row.string(7)?,
            body: row.bytes(8)?.to_vec(),
            value_count: row.int(9)?,
            value_data: row.bytes(10)?.to_vec(),
            hash: row.bytes(11)?.to_vec(),
        })
    }

    /// An erasure finds what has values by their number.
    fn counts_values(&self) -> bool {
        Values::decode(self.value_data.as_slice())
            .is_ok_and(|values| count(&values.changes) == self.value_count)
    }

    /// Each part with its length, so that nothing can move from one to the next.
    fn hash_after(&self, before: &[u8]) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(before);
        for number in [self.sequence, self.time, self.action] {
            hash.update(number.to_be_bytes());
        }
        let texts = [&self.actor, &self.subject, &self.partner, &self.owner, &self.team];
        for part in texts.map(|text| text.as_bytes()).into_iter().chain([self.body.as_slice()]) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().to_vec()
    }
}

fn count(changes: &[Change]) -> i64 {
    changes.iter().map(|it| i64::from(it.old.is_some()) + i64::from(it.new.is_some())).sum()
}

/// A text to keep; none when it is empty.
fn kept(mut text: String) -> Option<Text> {
    if text.len() <= MOST {
        return (!text.is_empty()).then_some(Text { text, size: 0, sha256: Vec::new() });
    }
    let (size, sha256) = (i64::try_from(text.len()).unwrap_or(i64::MAX), Sha256::digest(&text).to_vec());
    text.truncate(text.floor_char_boundary(MOST));
    Some(Text { text, size, sha256 })
}

/// A walk along the chain.
pub(super) struct Walk {
    /// Last entry that is right.
    pub(super) sequence: i64,
    pub(super) hash: Vec<u8>,
    pub(super) erased: i64,
    end: i64,
    end_hash: Vec<u8>,
    noted: (i64, Vec<u8>),
}

impl Walk {
    /// From the beginning to what the head says now.
    pub(super) fn begin(
        conn: &mut Conn<'_>,
        noted: (i64, Vec<u8>),
    ) -> Result<std::result::Result<Walk, AuditDamage>> {
        let head = conn.one("SELECT sequence, hash FROM kit_audit_head WHERE id = 1", &[], |row| {
            Ok((row.int(0)?, row.bytes(1)?.to_vec()))
        })?;
        let Some((end, end_hash)) = head else {
            return Ok(Err(damage(1, AuditProblem::Head, "the head is gone")));
        };
        let last = conn.one("SELECT MAX(sequence) FROM kit_audit", &[], |row| row.opt_int(0))?.flatten();
        let last = last.unwrap_or(0);
        if last > end {
            let message = format!("there are {last} entries, and the head counts {end}");
            return Ok(Err(damage(end + 1, AuditProblem::Head, &message)));
        }
        if noted.0 > end {
            let message = format!("it was noted, and the chain has only {end} entries");
            return Ok(Err(damage(noted.0, AuditProblem::Noted, &message)));
        }
        Ok(Ok(Walk { sequence: 0, hash: vec![0; 32], erased: 0, end, end_hash, noted }))
    }

    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Goes on by at most `count` entries. True at the end.
    pub(super) fn go_on(
        &mut self,
        conn: &mut Conn<'_>,
        count: i64,
    ) -> Result<std::result::Result<bool, AuditDamage>> {
        let upto = self.end.min(self.sequence.saturating_add(count));
        let sql = format!(
            "SELECT {COLUMNS} FROM kit_audit WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence"
        );
        let links = conn.all(&sql, args![self.sequence, upto], Link::read)?;
        for link in links {
            if let Err(found) = self.check(conn, &link)? {
                return Ok(Err(found));
            }
        }
        if self.sequence < upto {
            let message = format!("it is gone, and the head counts {} entries", self.end);
            return Ok(Err(damage(self.sequence + 1, AuditProblem::Missing, &message)));
        }
        if self.sequence < self.end {
            return Ok(Ok(false));
        }
        if self.hash != self.end_hash {
            let message = "the head's hash is not that of the last entry";
            return Ok(Err(damage(self.end, AuditProblem::Head, message)));
        }
        Ok(Ok(true))
    }

    fn check(&mut self, conn: &mut Conn<'_>, link: &Link) -> Result<std::result::Result<(), AuditDamage>> {
        let wrong = |problem, message: &str| Ok(Err(damage(link.sequence, problem, message)));
        if link.sequence != self.sequence + 1 {
            let message = format!("it is gone, and entry {} stands after it", link.sequence);
            return Ok(Err(damage(self.sequence + 1, AuditProblem::Missing, &message)));
        }
        if link.hash != link.hash_after(&self.hash) {
            return wrong(
                AuditProblem::Changed,
                "its hash does not fit: the entry or its place is not what was written",
            );
        }
        if self.noted.0 == link.sequence && self.noted.1 != link.hash {
            return wrong(
                AuditProblem::Noted,
                "its hash is not the one that was noted: history was written anew",
            );
        }
        let Ok(body) = Body::decode(link.body.as_slice()) else {
            return wrong(AuditProblem::Changed, "it can't be read");
        };
        if link.value_data.is_empty() {
            if !erasure_is_written(conn, link)? {
                return wrong(
                    AuditProblem::ValueLost,
                    "its values are gone, and no erasure is written for them",
                );
            }
            self.erased += 1;
        } else if Sha256::digest(&link.value_data).as_slice() != body.values || !link.counts_values() {
            return wrong(AuditProblem::ValueChanged, "a value is not what was written");
        }
        self.sequence = link.sequence;
        self.hash.clone_from(&link.hash);
        Ok(Ok(()))
    }
}

/// Whether a later entry says that this one's values were erased. That entry is checked in its turn.
fn erasure_is_written(conn: &mut Conn<'_>, link: &Link) -> Result<bool> {
    let sql = "SELECT 1 FROM kit_audit WHERE subject = $1 AND sequence > $2 AND action = 4 LIMIT 1";
    for subject in [&link.subject, &link.partner] {
        let found = conn.one(sql, args![subject, link.sequence], |_| Ok(()))?;
        if !subject.is_empty() && found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn damage(sequence: i64, problem: AuditProblem, message: &str) -> AuditDamage {
    AuditDamage { sequence, problem: problem.into(), message: format!("entry {sequence}: {message}") }
}
