//! Entries of the static list and the exclusion list of segments.
//! Called by rpc/segment.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, audit, replay, resource};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::segment_entry;

use super::{House, segment_id};
use crate::domain::segment::{ENTRIES, Entry, Segment, Side, Who};
use crate::engine::segment_name;
use crate::store;

/// Entries of one request.
const MOST: usize = 1_000;

/// An entry as the API has it.
pub fn to_proto(entry: Entry) -> proto::SegmentEntry {
    let list = match entry.side {
        Side::Static => proto::SegmentList::Static,
        Side::Exclusion => proto::SegmentList::Exclusion,
    };
    let who = match entry.who {
        Who::Partner(value) => segment_entry::Who::Partner(value),
        Who::Email(value) => segment_entry::Who::Email(value),
        Who::Phone(value) => segment_entry::Who::PhoneNumber(value),
        Who::Domain(value) => segment_entry::Who::Domain(value),
    };
    proto::SegmentEntry { list: list.into(), who: Some(who) }
}

impl House {
    fn read_entries(&self, entries: &[proto::SegmentEntry]) -> Result<Vec<Entry>> {
        if !(1..=MOST).contains(&entries.len()) {
            return Err(Error::invalid("entries", format!("send 1 to {MOST}")));
        }
        let read = |(place, entry): (usize, &proto::SegmentEntry)| {
            let field = format!("entries[{place}]");
            let side = match entry.list() {
                proto::SegmentList::Static => Side::Static,
                proto::SegmentList::Exclusion => Side::Exclusion,
                proto::SegmentList::Unspecified => {
                    return Err(Error::invalid(format!("{field}.list"), "say which list"));
                }
            };
            let who = match entry.who.clone() {
                Some(segment_entry::Who::Partner(value)) => Who::Partner(value),
                Some(segment_entry::Who::Email(value)) => Who::Email(value),
                Some(segment_entry::Who::PhoneNumber(value)) => Who::Phone(value),
                Some(segment_entry::Who::Domain(value)) => Who::Domain(value),
                None => return Err(Error::invalid(field, "say whom it means")),
            };
            Entry { side, who }.checked(&field, &self.region)
        };
        entries.iter().enumerate().map(read).collect()
    }

    pub(super) async fn add_entries(
        &self,
        caller: Caller,
        request: proto::AddSegmentEntriesRequest,
    ) -> Result<proto::AddSegmentEntriesResponse> {
        let id = segment_id(&request.parent, "parent")?;
        let entries = self.read_entries(&request.entries)?;
        self.must_be_partners(&entries).await?;
        let name = segment_name(&id);
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let segment = managed(tx, &caller, &id)?;
                let mut added = Vec::new();
                for entry in &entries {
                    if store::entry::add(tx, &id, entry)? {
                        added.push(entry);
                    }
                }
                if store::entry::count(tx, &id)? > ENTRIES {
                    return Err(Error::precondition(
                        "TOO_MANY",
                        format!("a segment has at most {ENTRIES} entries"),
                    ));
                }
                changed(tx, &segment, &added, true)?;
                Ok(proto::AddSegmentEntriesResponse { added_count: added.len() as i32, size: 0 })
            })
        });
        let mut answer = write.await?;
        answer.size = self.size_of(name).await?;
        Ok(answer)
    }

    pub(super) async fn remove_entries(
        &self,
        caller: Caller,
        request: proto::RemoveSegmentEntriesRequest,
    ) -> Result<proto::RemoveSegmentEntriesResponse> {
        let id = segment_id(&request.parent, "parent")?;
        let entries = self.read_entries(&request.entries)?;
        let name = segment_name(&id);
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let segment = managed(tx, &caller, &id)?;
                let mut removed = Vec::new();
                for entry in &entries {
                    if store::entry::remove(tx, &id, entry)? {
                        removed.push(entry);
                    }
                }
                changed(tx, &segment, &removed, false)?;
                Ok(proto::RemoveSegmentEntriesResponse { removed_count: removed.len() as i32, size: 0 })
            })
        });
        let mut answer = write.await?;
        answer.size = self.size_of(name).await?;
        Ok(answer)
    }

    pub(super) async fn list_entries(
        &self,
        caller: Caller,
        request: proto::ListSegmentEntriesRequest,
    ) -> Result<proto::ListSegmentEntriesResponse> {
        let id = segment_id(&request.parent, "parent")?;
        let proto::ListSegmentEntriesRequest { page_size, page_token, filter, .. } = request;
        let query = Query { page_size, page_token, filter, order_by: String::new() };
        let read = self.db.read(move |conn| {
            store::segment::get_live(conn, &caller, &id)?;
            store::entry::list(conn, &caller, &id, &query)
        });
        let page = read.await?.map(to_proto);
        Ok(proto::ListSegmentEntriesResponse { entries: page.rows, next_page_token: page.next_page_token })
    }

    /// Partners on a list must be known, so that a mistyped one is named.
    async fn must_be_partners(&self, entries: &[Entry]) -> Result<()> {
        for (place, entry) in entries.iter().enumerate() {
            if let Who::Partner(name) = &entry.who
                && !self.is_known(name).await?
            {
                return Err(Error::invalid(
                    format!("entries[{place}].partner"),
                    format!("{name} does not exist"),
                ));
            }
        }
        Ok(())
    }

    async fn size_of(&self, name: String) -> Result<i64> {
        self.live.settled().await?;
        self.live.ask(move |engine| Ok(engine.members(&name).map_or(0, |members| members.len()) as i64)).await
    }
}

fn managed(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Segment> {
    // One change of a list at a time, so that its entries are counted right.
    let segment: Segment = resource::hold(tx, id)?;
    segment.must_be_managed_by(caller)?;
    if segment.delete_time.is_some() {
        return Err(Error::not_found(segment.full_name()));
    }
    Ok(segment)
}

/// Tells the engine and the audit.
fn changed(tx: &mut Tx<'_>, segment: &Segment, entries: &[&Entry], is_added: bool) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut told = audit::Entry::new(audit::Action::Update, segment.full_name(), &segment.guard());
    for (side, field) in [(Side::Static, "static_list"), (Side::Exclusion, "exclusion_list")] {
        let of_side = entries.iter().filter(|entry| entry.side == side).map(|entry| entry.parts().1);
        let text = of_side.collect::<Vec<_>>().join("\n");
        told = if is_added { told.field(field, "", text) } else { told.field(field, text, "") };
    }
    tx.audit(told);
    store::engine::lists_changed(tx, &segment.id)
}
