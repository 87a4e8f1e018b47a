//! Members of segments, a partner's segments, why, and what segments have in common.
//! Called by rpc/segment.rs.

use std::collections::BTreeSet;

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::segmentation::v1 as proto;
use roaring::RoaringBitmap;

use super::{House, entry, segment_id};
use crate::domain::membership::sets;
use crate::domain::rule::Term;
use crate::engine::segment_name;
use crate::store;

/// Members on a page.
const PAGE: (i32, i32) = (50, 10_000);

impl House {
    /// The id of a segment that the caller may see and that is not deleted.
    pub(super) async fn seen(&self, caller: &Caller, name: &str, field: &str) -> Result<String> {
        let (id, caller) = (segment_id(name, field)?, caller.clone());
        let segment = self.db.read_few(move |conn| store::segment::get_live(conn, &caller, &id)).await?;
        Ok(segment.id)
    }

    pub(super) async fn members(
        &self,
        caller: Caller,
        request: proto::ListMembersRequest,
    ) -> Result<proto::ListMembersResponse> {
        let id = self.seen(&caller, &request.parent, "parent").await?;
        let size = match request.page_size {
            0 => PAGE.0,
            size if size < 0 => return Err(Error::invalid("page_size", "it can't be negative")),
            size => size.min(PAGE.1),
        } as usize;
        let after = match request.page_token.as_str() {
            "" => 0,
            token => token.parse::<u32>().map_err(|_| {
                Error::invalid("page_token", "it is not a token of this list: begin again without one")
            })?,
        };
        let (ords, all) = self
            .live
            .ask(move |engine| {
                let none = RoaringBitmap::new();
                let members = engine.members(&segment_name(&id)).unwrap_or(&none);
                let ords: Vec<u32> = members.range(after..).take(size + 1).collect();
                Ok((ords, members.len()))
            })
            .await?;
        let next_page_token = ords.get(size).map(u32::to_string).unwrap_or_default();
        let page: Vec<u32> = ords.into_iter().take(size).collect();
        let partners = self.db.read(move |conn| store::partner::names(conn, &page)).await?;
        Ok(proto::ListMembersResponse { partners, next_page_token, size: all as i64 })
    }

    pub(super) async fn partner_segments(
        &self,
        caller: Caller,
        request: proto::GetPartnerSegmentsRequest,
    ) -> Result<proto::GetPartnerSegmentsResponse> {
        id::parse("partners", &request.partner, "partner")?;
        let partner = request.partner;
        let (ords, visible) = self
            .db
            .read(move |conn| {
                let all = store::segment::all_live(conn)?.into_iter();
                let visible =
                    all.filter(|segment| caller.may_read(&segment.guard())).map(|it| it.full_name());
                let visible: BTreeSet<String> = visible.collect();
                Ok((store::partner::find(conn, &partner)?, visible))
            })
            .await?;
        let Some(ords) = ords else { return Ok(proto::GetPartnerSegmentsResponse::default()) };
        let mut segments = self
            .live
            .ask(move |engine| {
                let names = engine.segments_of(ords.ord).into_iter().map(|name| name.to_string());
                Ok(names.filter(|name| visible.contains(name)).collect::<Vec<_>>())
            })
            .await?;
        segments.sort();
        Ok(proto::GetPartnerSegmentsResponse { segments })
    }

    pub(super) async fn explain(
        &self,
        caller: Caller,
        request: proto::ExplainMembershipRequest,
    ) -> Result<proto::ExplainMembershipResponse> {
        let id = self.seen(&caller, &request.name, "name").await?;
        id::parse("partners", &request.partner, "partner")?;
        let (partner, segment) = (request.partner, id.clone());
        let (ord, facts, exclusion) = self
            .db
            .read(move |conn| {
                let ord = store::partner::get(conn, &partner)?.ord;
                let facts =
                    store::read::some(conn, &[ord])?.pop().map(|(_, facts)| facts).unwrap_or_default();
                let exclusion = store::entry::excluding(conn, &segment, ord, &facts)?;
                Ok((ord, facts, exclusion))
            })
            .await?;
        let now = self.db.clock().now();
        let name = segment_name(&id);
        let not_there = Error::not_found(&name);
        let explained = self
            .live
            .ask(move |engine| {
                let found = engine.explain(&name, ord, now).ok_or(not_there)?;
                let member =
                    |segment: &str| engine.members(segment).is_some_and(|members| members.contains(ord));
                let rule = engine.definition(&name).and_then(|definition| definition.rule.as_ref());
                let due = rule.and_then(|rule| rule.next_flip(&facts, now, &member));
                Ok((found, due))
            })
            .await?;
        let (found, due) = explained;
        let parents = found.parents.into_iter();
        Ok(proto::ExplainMembershipResponse {
            member: found.member,
            exclusion: exclusion.map(entry::to_proto),
            on_static_list: !found.included_by.is_empty(),
            parents: parents.map(|(segment, member)| proto::ParentAnswer { segment, member }).collect(),
            rule: found.rule.map(term),
            due_time: due.map(clock::to_proto),
        })
    }

    pub(super) async fn compare(
        &self,
        caller: Caller,
        request: proto::CompareSegmentsRequest,
    ) -> Result<proto::CompareSegmentsResponse> {
        let names = request.segments;
        if !(1..=sets::VENN_CAP).contains(&names.len()) {
            return Err(Error::invalid("segments", format!("name 1 to {}", sets::VENN_CAP)));
        }
        for (place, name) in names.iter().enumerate() {
            let field = format!("segments[{place}]");
            if names[..place].contains(name) {
                return Err(Error::invalid(field, format!("{name} stands there twice")));
            }
            self.seen(&caller, name, &field).await?;
        }
        self.live
            .ask(move |engine| {
                let none = RoaringBitmap::new();
                let all: Vec<&RoaringBitmap> =
                    names.iter().map(|name| engine.members(name).unwrap_or(&none)).collect();
                Ok(compared(&names, &all))
            })
            .await
    }

    pub(super) async fn audience(
        &self,
        caller: Caller,
        request: proto::CheckAudienceRequest,
    ) -> Result<proto::CheckAudienceResponse> {
        let id = self.seen(&caller, &request.name, "name").await?;
        let name = segment_name(&id);
        let (count, all) = self
            .live
            .ask(move |engine| {
                let count = engine.members(&name).map_or(0, RoaringBitmap::len);
                Ok((count as i64, engine.columns().present().to_bitmap().len() as i64))
            })
            .await?;
        if count == 0 {
            return Err(Error::precondition("EMPTY", format!("nobody is in {}", request.name)));
        }
        if count == all && request.confirmed_count != count {
            let message = format!(
                "{} holds all {count} partners: if everybody is meant, ask again with confirmed_count {count}",
                request.name
            );
            return Err(Error::precondition("MATCHES_EVERYBODY", message).with("count", count.to_string()));
        }
        Ok(proto::CheckAudienceResponse { count, partner_count: all })
    }
}

fn term(term: Term) -> proto::Term {
    proto::Term {
        text: term.text,
        holds: term.holds,
        reason: term.found,
        terms: term.parts.into_iter().map(self::term).collect(),
    }
}

fn compared(names: &[String], all: &[&RoaringBitmap]) -> proto::CompareSegmentsResponse {
    let counts = sets::venn(all).unwrap_or_default();
    let regions = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(place, count)| {
        let segments =
            names.iter().enumerate().filter(|(at, _)| place & 1 << at != 0).map(|(_, name)| name.clone());
        proto::VennRegion { segments: segments.collect(), count: *count as i64 }
    });
    let mut overlaps = Vec::new();
    for first in 0..all.len() {
        for second in first + 1..all.len() {
            let overlap = sets::overlap(all[first], all[second]);
            overlaps.push(proto::PairOverlap {
                first: first as i32,
                second: second as i32,
                overlap_count: overlap.both as i64,
                first_only_count: overlap.only_first as i64,
                second_only_count: overlap.only_second as i64,
            });
        }
    }
    proto::CompareSegmentsResponse {
        sizes: all.iter().map(|members| members.len() as i64).collect(),
        union_count: counts.iter().sum::<u64>() as i64,
        intersection_count: counts.last().copied().unwrap_or(0) as i64,
        regions: regions.collect(),
        overlaps,
    }
}
