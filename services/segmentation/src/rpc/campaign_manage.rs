//! Makes, changes, starts and watches campaigns, and counts them; protobuf to domain and back.
//! Called by rpc/campaign.rs.

use std::collections::BTreeMap;
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::mask::Mask;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::telephony::v1 as telephony;

use super::{House, chosen_id, must, segment_id};
use crate::campaigns::{self, Members};
use crate::domain::campaign::{Campaign, Fate, State, must_lead};
use crate::domain::segment::Segment;
use crate::engine::segment_name;
use crate::store;

/// Fields that UpdateCampaign takes.
const FIELDS: [&str; 4] = ["display_name", "excluded_segments", "leavers", "priority"];
/// Partners on a page.
const PAGE: (i32, i32) = (50, 1_000);
/// How often a watched campaign is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The id in "campaigns/{campaign}".
fn campaign_id(name: &str, field: &str) -> Result<String> {
    id::parse("campaigns", name, field).map(str::to_owned)
}

pub(super) fn to_proto(campaign: &Campaign, counts: Option<proto::CampaignCounts>) -> proto::Campaign {
    let state = match campaign.state {
        State::Draft => proto::CampaignState::Draft,
        State::Running => proto::CampaignState::Running,
        State::Paused => proto::CampaignState::Paused,
        State::Ended => proto::CampaignState::Ended,
    };
    let leavers =
        if campaign.keeps_leavers { proto::CampaignLeavers::Keep } else { proto::CampaignLeavers::Cancel };
    proto::Campaign {
        name: campaign.name(),
        display_name: campaign.display_name.clone(),
        segment: segment_name(&campaign.segment),
        call_list: campaign.call_list.clone(),
        mailing: campaign.mailing.clone(),
        team: campaign.team.clone(),
        excluded_segments: campaign.excluded.iter().map(|it| segment_name(it)).collect(),
        leavers: leavers.into(),
        priority: campaign.priority,
        state: state.into(),
        pause_reason: campaign.pause_reason.clone(),
        counts,
        fill_time: campaign.fill_time.map(clock::to_proto),
        creator: campaign.creator.clone(),
        etag: campaign.etag(),
        create_time: Some(clock::to_proto(campaign.create_time)),
        update_time: Some(clock::to_proto(campaign.update_time)),
        start_time: campaign.start_time.map(clock::to_proto),
    }
}

/// Fields that a message has set, for an update without a mask.
fn fields_set(given: &proto::Campaign) -> Vec<&'static str> {
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("excluded_segments", !given.excluded_segments.is_empty()),
        ("leavers", given.leavers != 0),
        ("priority", given.priority != 0),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// Takes over what the mask names.
fn read(given: &proto::Campaign, mask: &Mask, campaign: &mut Campaign) -> Result<()> {
    if mask.has("display_name") {
        campaign.display_name = given.display_name.trim().to_owned();
    }
    if mask.has("excluded_segments") {
        let names = given.excluded_segments.iter().enumerate();
        campaign.excluded = names
            .map(|(place, name)| segment_id(name, &format!("campaign.excluded_segments[{place}]")))
            .collect::<Result<_>>()?;
    }
    if mask.has("leavers") {
        let leavers = proto::CampaignLeavers::try_from(given.leavers);
        let leavers = leavers.map_err(|_| Error::invalid("campaign.leavers", "use CANCEL or KEEP"))?;
        campaign.keeps_leavers = leavers == proto::CampaignLeavers::Keep;
    }
    if mask.has("priority") {
        campaign.priority = given.priority;
    }
    campaign.check()
}

/// Checks that the segments are there and that the caller may see them. `also` is one more: the campaign's own, when it is made.
fn check_segments(conn: &mut Conn<'_>, caller: &Caller, campaign: &Campaign, also_own: bool) -> Result<()> {
    let excluded = campaign.excluded.iter().enumerate();
    let excluded = excluded.map(|(at, id)| (format!("campaign.excluded_segments[{at}]"), id));
    let own = also_own.then(|| ("campaign.segment".to_owned(), &campaign.segment));
    for (field, id) in own.into_iter().chain(excluded) {
        let found: Option<Segment> = resource::find(conn, id)?;
        let is_there = found.is_some_and(|it| it.delete_time.is_none() && caller.may_read(&it.guard()));
        if !is_there {
            let message = format!("segments/{id} does not exist or you may not see it");
            return Err(Error::invalid(field, message));
        }
    }
    Ok(())
}

fn counts(campaign: &Campaign, members: &Members, fates: &Fates) -> proto::CampaignCounts {
    let of = |fate: Fate| fates.counts.get(&fate).copied().unwrap_or(0);
    let fresh = if campaign.state == State::Ended { 0 } else { fates.fresh };
    proto::CampaignCounts {
        members: members.wanted.len() as i64,
        excluded: members.excluded as i64,
        added: of(Fate::Added),
        already_listed: of(Fate::Listed) + of(Fate::Duplicate),
        without_number: of(Fate::WithoutNumber),
        do_not_call: of(Fate::DoNotCall),
        refused_numbers: of(Fate::Refused),
        cancelled: of(Fate::Cancelled),
        left: of(Fate::Left),
        waiting: of(Fate::Pending) + fresh,
    }
}

/// What became of the partners of a campaign.
struct Fates {
    counts: BTreeMap<Fate, i64>,
    /// Members that the campaign has not seen.
    fresh: i64,
}

impl House {
    /// A campaign with its counts.
    pub(super) async fn counted(&self, campaign: Campaign) -> Result<proto::Campaign> {
        let members = campaigns::members(&self.live, &campaign).await?;
        let (id, wanted) = (campaign.id.clone(), members.wanted.clone());
        let fates = self
            .db
            .read(move |conn| {
                let all = store::campaign::all(conn, &id)?;
                let mut fresh = wanted;
                for seen in all.values() {
                    fresh -= seen;
                }
                let counts = all.into_iter().map(|(fate, ords)| (fate, ords.len() as i64));
                Ok(Fates { counts: counts.collect(), fresh: fresh.len() as i64 })
            })
            .await?;
        let counts = counts(&campaign, &members, &fates);
        Ok(to_proto(&campaign, Some(counts)))
    }

    /// The list that a campaign fills: the one that is named, or a new one. Answers its name and its team.
    async fn call_list(
        &self,
        caller: &Caller,
        given: &proto::Campaign,
        request: &proto::CreateCampaignRequest,
    ) -> Result<(String, String)> {
        let mut client = self.sources.call_lists()?;
        if !given.call_list.is_empty() {
            id::parse("callLists", &given.call_list, "campaign.call_list")?;
            let get = telephony::GetCallListRequest { name: given.call_list.clone() };
            let list = client.get_call_list(caller.request(get)).await.map_err(Error::from);
            let list = match list {
                Err(cause) if cause.is_not_found() => {
                    let message = format!("{} does not exist or you may not see it", given.call_list);
                    return Err(Error::invalid("campaign.call_list", message));
                }
                list => list?.into_inner(),
            };
            if !given.team.is_empty() && given.team != list.team {
                let message = format!("{} belongs to {}", list.name, list.team);
                return Err(Error::invalid("campaign.team", message));
            }
            must_lead(caller, &list.team)?;
            if list.state() == telephony::CallListState::Ended {
                return Err(Error::precondition("LIST_ENDED", format!("{} has ended", list.name)));
            }
            return Ok((list.name, list.team));
        }
        id::parse("teams", &given.team, "campaign.team")?;
        must_lead(caller, &given.team)?;
        let create = telephony::CreateCallListRequest {
            call_list: Some(telephony::CallList {
                display_name: given.display_name.trim().to_owned(),
                team: given.team.clone(),
                priority: given.priority,
                ..Default::default()
            }),
            // The same request again finds the list that it made before.
            request_id: request.request_id.clone(),
            validate_only: request.validate_only,
            ..Default::default()
        };
        let list = client.create_call_list(caller.request(create)).await?.into_inner();
        Ok((if request.validate_only { String::new() } else { list.name }, list.team))
    }

    pub(super) async fn create_campaign(
        &self,
        caller: Caller,
        request: proto::CreateCampaignRequest,
    ) -> Result<proto::Campaign> {
        let given = must(request.campaign.as_ref(), "campaign")?;
        let now = self.db.clock().now();
        let mut campaign = Campaign {
            id: chosen_id(&request.campaign_id, "campaign_id")?,
            version: 1,
            display_name: String::new(),
            segment: segment_id(&given.segment, "campaign.segment")?,
            call_list: String::new(),
            mailing: given.mailing.clone(),
            team: String::new(),
            excluded: Vec::new(),
            keeps_leavers: false,
            priority: 0,
            state: State::Draft,
            confirmed: 0,
            cancelling: false,
            pause_reason: String::new(),
            creator: caller.name(),
            create_time: now,
            update_time: now,
            start_time: None,
            fill_time: None,
        };
        read(&given, &Mask::read(None, &[], &FIELDS)?, &mut campaign)?;
        let (reader, checked) = (caller.clone(), campaign.clone());
        self.db.read(move |conn| check_segments(conn, &reader, &checked, true)).await?;
        if given.mailing.is_empty() {
            (campaign.call_list, campaign.team) = self.call_list(&caller, &given, &request).await?;
        } else {
            campaign.team = self.draft_team(&caller, &given).await?;
        }
        if request.validate_only {
            return self.counted(campaign).await;
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                check_segments(tx, &caller, &campaign, true)?;
                resource::insert(tx, &campaign)?;
                Ok(to_proto(&campaign, None))
            })
        });
        self.with_counts(write.await?).await
    }

    /// The answer of a change, with the counts of now.
    async fn with_counts(&self, campaign: proto::Campaign) -> Result<proto::Campaign> {
        let id = campaign_id(&campaign.name, "name")?;
        let now: Campaign = self.db.read_few(move |conn| resource::get(conn, &id)).await?;
        let counts = self.counted(now).await?.counts;
        Ok(proto::Campaign { counts, ..campaign })
    }

    /// Changes a campaign that the caller manages.
    pub(super) async fn change<Q: prost::Message + prost::Name + Clone + 'static>(
        &self,
        caller: Caller,
        (name, field): (&str, &str),
        (etag, request_id): (&str, &str),
        request: Q,
        how: impl Fn(&mut Conn<'_>, &Caller, &mut Campaign, i64) -> Result<()> + Send + 'static,
    ) -> Result<proto::Campaign> {
        let id = campaign_id(name, field)?;
        let (etag, request_id) = (etag.to_owned(), request_id.to_owned());
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request_id, &request, |tx| {
                let mut campaign: Campaign = resource::hold(tx, &id)?;
                campaign.must_be_managed_by(&caller)?;
                resource::check_etag(&campaign, &etag)?;
                let (before, now) = (campaign.clone(), tx.now());
                how(tx, &caller, &mut campaign, now)?;
                if campaign != before {
                    campaign.update_time = now;
                    resource::update(tx, &mut campaign)?;
                }
                if campaign.state != before.state {
                    campaigns::state_changed(tx, &campaign);
                }
                Ok(to_proto(&campaign, None))
            })
        });
        self.with_counts(write.await?).await
    }

    pub(super) async fn seen_campaign(&self, caller: &Caller, name: &str, field: &str) -> Result<Campaign> {
        let (id, caller) = (campaign_id(name, field)?, caller.clone());
        self.db.read_few(move |conn| store::campaign::get(conn, &caller, &id)).await
    }

    pub(super) async fn update_campaign(
        &self,
        caller: Caller,
        request: proto::UpdateCampaignRequest,
    ) -> Result<proto::Campaign> {
        let given = must(request.campaign.as_ref(), "campaign")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        let (name, etag) = (given.name.clone(), given.etag.clone());
        let request_id = request.request_id.clone();
        let update = move |conn: &mut Conn<'_>, caller: &Caller, campaign: &mut Campaign, _| {
            campaign.must_not_have_ended()?;
            read(&given, &mask, campaign)?;
            if mask.has("excluded_segments") {
                check_segments(conn, caller, campaign, false)?;
            }
            Ok(())
        };
        self.change(caller, (&name, "campaign.name"), (&etag, &request_id), request, update).await
    }

    pub(super) async fn start_campaign(
        &self,
        caller: Caller,
        request: proto::StartCampaignRequest,
    ) -> Result<proto::Campaign> {
        let campaign = self.seen_campaign(&caller, &request.name, "name").await?;
        campaign.must_be_managed_by(&caller)?;
        self.live.settled().await?;
        let audience = campaigns::members(&self.live, &campaign).await?.audience();
        // A repeat of a start that was done goes straight to its first answer.
        if !campaign.mailing.is_empty() && campaign.state != State::Running {
            let now = self.db.clock().now();
            // Refused or asked back before anything is started.
            resource::check_etag(&campaign, &request.etag)?;
            campaign.clone().start(audience, request.expected_members, now)?;
            self.open_mailing(&caller, &campaign.mailing).await?;
        }
        let (name, etag) = (request.name.clone(), request.etag.clone());
        let (request_id, expected) = (request.request_id.clone(), request.expected_members);
        let start = move |_: &mut Conn<'_>, _: &Caller, campaign: &mut Campaign, now| {
            campaign.start(audience, expected, now)
        };
        self.change(caller, (&name, "name"), (&etag, &request_id), request, start).await
    }

    pub(super) async fn campaign_partners(
        &self,
        caller: Caller,
        request: proto::ListCampaignPartnersRequest,
    ) -> Result<proto::ListCampaignPartnersResponse> {
        let campaign = self.seen_campaign(&caller, &request.parent, "parent").await?;
        let size = match request.page_size {
            0 => PAGE.0,
            size if size < 0 => return Err(Error::invalid("page_size", "it can't be negative")),
            size => size.min(PAGE.1),
        };
        let after = match request.page_token.as_str() {
            "" => -1,
            token => token.parse::<i64>().map_err(|_| {
                Error::invalid("page_token", "it is not a token of this list: begin again without one")
            })?,
        };
        let fate = Fate::of(i64::from(request.state)).filter(|fate| *fate != Fate::Duplicate);
        if fate.is_none() && request.state != 0 {
            return Err(Error::invalid("state", "use a value of CampaignPartnerState"));
        }
        let read = move |conn: &mut Conn<'_>| {
            store::campaign::partners(conn, &campaign.id, fate, after, i64::from(size) + 1)
        };
        let mut rows = self.db.read(read).await?;
        let is_more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let last = rows.last().map(|row| row.ord.to_string());
        let partners = rows.into_iter().map(|row| proto::CampaignPartner {
            partner: row.partner,
            state: if row.fate == Fate::Duplicate { Fate::Listed } else { row.fate } as i32,
            phone_number: row.number,
            time: Some(clock::to_proto(row.time)),
        });
        Ok(proto::ListCampaignPartnersResponse {
            partners: partners.collect(),
            next_page_token: last.filter(|_| is_more).unwrap_or_default(),
        })
    }

    /// What is new of a campaign that is watched. None when it is not to be watched any more.
    pub(super) async fn news(&self, watch: &mut Watch) -> Result<Option<proto::Campaign>> {
        while !watch.is_over {
            if watch.last.is_some() {
                let stopped = self.context.stop.cancelled();
                if tokio::time::timeout(LOOK, stopped).await.is_ok() {
                    return Err(Error::unavailable("the server stops: ask again"));
                }
            }
            let campaign = self.seen_campaign(&watch.caller, &watch.name, "name").await?;
            let now = self.counted(campaign).await?;
            let waiting = now.counts.as_ref().map_or(0, |counts| counts.waiting);
            let is_running = now.state() == proto::CampaignState::Running;
            watch.is_over = !is_running || (now.fill_time.is_some() && waiting == 0);
            if watch.last.as_ref() != Some(&now) {
                watch.last = Some(now.clone());
                return Ok(Some(now));
            }
        }
        Ok(None)
    }
}

/// A campaign that somebody watches.
pub(super) struct Watch {
    pub(super) caller: Caller,
    pub(super) name: String,
    pub(super) last: Option<proto::Campaign>,
    pub(super) is_over: bool,
}
