//! Works on campaigns that run: puts members of segments on call lists or makes them recipients of mailings, also those who join later, and cancels the entries of those who leave. One process of the
//! installation does it, the one that writes memberships. Started by lib.rs; `fill.rs` adds, `leave.rs` cancels, `mailing.rs` does both by mail.
//!
//! What became of each partner stands in the database before and after telephony is asked, so it goes on after a crash where it was; a list of telephony has a number once.

mod fill;
mod leave;
mod mailing;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::outbox::NewEvent;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};
use kontor_proto::segmentation::v1 as proto;
use roaring::RoaringBitmap;

use crate::domain::campaign::{Audience, Campaign, Fate, State};
use crate::engine::{Live, segment_name};
use crate::pulls::Sources;
use crate::store;
use crate::store::campaign_move::Move;

/// How often to look.
const LOOK: Duration = Duration::from_millis(300);
/// Partners that are worked off together.
const BATCH: usize = 500;
/// Pause of a campaign whose neighbours do not answer.
const LATER: Duration = Duration::from_secs(2);
/// A search for numbers that came may take a part of the time: after one of a millisecond, the next comes after this many.
const REST: u32 = 50;

/// Whom a campaign is about at a moment.
pub struct Members {
    /// Who is to be on the list.
    pub wanted: RoaringBitmap,
    /// Members that an excluded segment keeps out.
    pub excluded: u64,
    /// Partners that are known in all.
    pub known: u64,
}

impl Members {
    /// How many they are.
    pub fn audience(&self) -> Audience {
        Audience { members: self.wanted.len(), known: self.known }
    }
}

/// The members of a campaign's segment now.
///
/// # Errors
/// UNAVAILABLE while segments are loaded.
pub async fn members(live: &Live, campaign: &Campaign) -> Result<Members> {
    let (segment, excluded) = (campaign.segment.clone(), campaign.excluded.clone());
    live.ask(move |engine| {
        let all = engine.members(&segment_name(&segment)).cloned().unwrap_or_default();
        let mut wanted = all.clone();
        for id in &excluded {
            if let Some(out) = engine.members(&segment_name(id)) {
                wanted -= out;
            }
        }
        let excluded = all.len() - wanted.len();
        Ok(Members { wanted, excluded, known: engine.columns().present().to_bitmap().len() })
    })
    .await
}

/// Why a campaign has to be confirmed anew.
fn outgrown(campaign: &Campaign, members: &Members, progress: &Progress) -> Option<String> {
    let done = (progress.seen() & &members.wanted).len();
    campaign.outgrown(members.audience(), done)
}

/// Tells that the state of a campaign is another one, in the transaction that writes it.
pub fn state_changed(tx: &mut kontor_kit::db::Tx<'_>, campaign: &Campaign) {
    let state = match campaign.state {
        State::Draft => proto::CampaignState::Draft,
        State::Running => proto::CampaignState::Running,
        State::Paused => proto::CampaignState::Paused,
        State::Ended => proto::CampaignState::Ended,
    };
    let event =
        proto::CampaignStateChanged { state: state.into(), display_name: campaign.display_name.clone() };
    tx.publish(NewEvent::new("segmentation", campaign.name(), &campaign.guard(), &event));
}

/// Works for as long as the process runs.
pub fn start(context: &Context, db: &Db, live: &Live, sources: &Sources) {
    if sources.telephony().is_none() && sources.mail().is_none() {
        return;
    }
    let worker = Worker { db: db.clone(), live: live.clone(), sources: sources.clone() };
    context.spawn(async move {
        let mut campaigns: HashMap<String, Progress> = HashMap::new();
        loop {
            if worker.live.is_writing() {
                if let Err(cause) = worker.round(&mut campaigns).await {
                    tracing::warn!(cause = %cause, "campaigns can't be read");
                }
            } else {
                campaigns.clear();
            }
            tokio::time::sleep(LOOK).await;
        }
    });
}

/// What this process knows of a campaign.
#[derive(Default)]
struct Progress {
    /// Version of the campaign that they are of: it is another one too when a merge that it saw is taken back.
    version: i64,
    /// The partners by what became of them; none before they are read.
    fates: Option<BTreeMap<Fate, RoaringBitmap>>,
    /// Not before.
    pause: Option<Instant>,
    /// When to look for numbers that came.
    look: Option<Instant>,
    /// Behind whom to look then; none is from the first on.
    looked: Option<u32>,
    /// Partners that left while an operator had their entry: when to look again.
    busy: HashMap<u32, Instant>,
}

impl Progress {
    fn of(&self, fate: Fate) -> RoaringBitmap {
        self.fates.as_ref().and_then(|fates| fates.get(&fate)).cloned().unwrap_or_default()
    }

    fn seen(&self) -> RoaringBitmap {
        self.fates.iter().flat_map(BTreeMap::values).fold(RoaringBitmap::new(), |all, some| all | some)
    }

    fn forget(&mut self, ord: u32) {
        for some in self.fates.iter_mut().flat_map(BTreeMap::values_mut) {
            some.remove(ord);
        }
    }

    fn moved(&mut self, all: &[(u32, Fate, String)]) {
        let fates = self.fates.get_or_insert_default();
        for (ord, fate, _) in all {
            for others in fates.values_mut() {
                others.remove(*ord);
            }
            fates.entry(*fate).or_default().insert(*ord);
        }
    }
}

#[derive(Clone)]
struct Worker {
    db: Db,
    live: Live,
    sources: Sources,
}

impl Worker {
    async fn round(&self, known: &mut HashMap<String, Progress>) -> Result<()> {
        let campaigns = self.db.read_few(store::campaign::busy).await?;
        known.retain(|id, _| campaigns.iter().any(|it| it.id == *id));
        for campaign in campaigns {
            let progress = known.entry(campaign.id.clone()).or_default();
            if progress.pause.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            progress.pause = None;
            if progress.version != campaign.version {
                (progress.version, progress.fates) = (campaign.version, None);
            }
            if let Err(cause) = self.work(&campaign, progress).await {
                *progress = Progress { pause: Some(Instant::now() + LATER), ..Progress::default() };
                self.failed(&campaign, &cause).await?;
            }
        }
        Ok(())
    }

    /// One batch of a campaign after the other until nothing is left to do, or its state is another one.
    async fn work(&self, campaign: &Campaign, progress: &mut Progress) -> Result<()> {
        if progress.fates.is_none() {
            let id = campaign.id.clone();
            progress.fates = Some(self.db.read(move |conn| store::campaign::all(conn, &id)).await?);
        }
        if campaign.cancelling {
            return self.cancel_all(campaign, progress).await;
        }
        let mut members = members(&self.live, campaign).await?;
        if let Some(reason) = outgrown(campaign, &members, progress) {
            return self.change(campaign, |it| it.pause(&reason)).await;
        }
        self.offer_pending(campaign, progress).await?;
        loop {
            let new: Vec<u32> = (&members.wanted - progress.seen()).iter().take(BATCH).collect();
            if new.is_empty() {
                break;
            }
            self.add(campaign, progress, &new).await?;
            if !self.still_runs(campaign).await? {
                return Ok(());
            }
            // Many take minutes: who is no member any more meanwhile is not added.
            members = self::members(&self.live, campaign).await?;
            if let Some(reason) = outgrown(campaign, &members, progress) {
                return self.change(campaign, |it| it.pause(&reason)).await;
            }
        }
        if campaign.mailing.is_empty() {
            self.add_numbers_that_came(campaign, progress, &members.wanted).await?;
        }
        if !campaign.keeps_leavers {
            let left = progress.of(Fate::Added) - &members.wanted;
            // While all of them are with operators, nothing is looked for.
            let now = Instant::now();
            if left.iter().any(|ord| progress.busy.get(&ord).is_none_or(|until| *until <= now)) {
                let left = self.hand_on(campaign, progress, left).await?;
                self.leave(campaign, progress, left).await?;
            }
        }
        if campaign.fill_time.is_none() {
            let now = self.db.clock().now();
            self.change(campaign, |it| {
                it.fill_time = Some(now);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// A campaign that was ended with its entries.
    async fn cancel_all(&self, campaign: &Campaign, progress: &mut Progress) -> Result<()> {
        // Nobody becomes a recipient only to be taken off; of calls, what was offered and not noted is found out.
        let by_mail = !campaign.mailing.is_empty();
        if !by_mail {
            self.offer_pending(campaign, progress).await?;
        }
        let waiting = |progress: &Progress| match by_mail {
            true => progress.of(Fate::Added) | progress.of(Fate::Pending),
            false => progress.of(Fate::Added),
        };
        let left = waiting(progress);
        self.leave(campaign, progress, left).await?;
        if waiting(progress).is_empty() {
            self.change(campaign, |it| {
                it.cancelling = false;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn still_runs(&self, campaign: &Campaign) -> Result<bool> {
        let id = campaign.id.clone();
        let now: Campaign = self.db.read_few(move |conn| resource::get(conn, &id)).await?;
        Ok(self.live.is_writing() && now.version == campaign.version)
    }

    /// Changes a campaign, unless somebody else did meanwhile: then the next round sees what is to be done.
    async fn change(&self, campaign: &Campaign, how: impl FnOnce(&mut Campaign) -> Result<()>) -> Result<()> {
        let mut new = campaign.clone();
        how(&mut new)?;
        let (old, state) = (campaign.version, campaign.state);
        self.db
            .write(move |tx| {
                let mut new = new.clone();
                if resource::hold::<Campaign>(tx, &new.id)?.version != old {
                    return Ok(());
                }
                new.update_time = tx.now();
                resource::update(tx, &mut new)?;
                if new.state != state {
                    state_changed(tx, &new);
                }
                Ok(())
            })
            .await
    }

    /// A list that is gone or has ended pauses the campaign; all else is tried again.
    async fn failed(&self, campaign: &Campaign, cause: &Error) -> Result<()> {
        let is_over = matches!(cause.code(), tonic::Code::NotFound | tonic::Code::FailedPrecondition);
        tracing::warn!(campaign = campaign.full_name(), cause = %cause, "a campaign can't go on");
        if is_over && campaign.state == State::Running {
            let reason = format!("{} can't be filled: {}", campaign.target(), cause.message());
            return self.change(campaign, |it| it.pause(&reason)).await;
        }
        Ok(())
    }

    async fn put(
        &self,
        campaign: &Campaign,
        progress: &mut Progress,
        all: Vec<(u32, Fate, String)>,
    ) -> Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        let (id, rows) = (campaign.id.clone(), all.clone());
        self.db.write(move |tx| store::campaign::put(tx, &id, &rows)).await?;
        progress.moved(&all);
        Ok(())
    }

    /// Hands on what partners have that went into others.
    async fn hand(&self, campaign: &Campaign, progress: &mut Progress, moves: Vec<Move>) -> Result<()> {
        if moves.is_empty() {
            return Ok(());
        }
        let id = campaign.id.clone();
        let done = self.db.write(move |tx| store::campaign_move::hand_on(tx, &id, &moves)).await?;
        progress.moved(&done);
        Ok(())
    }
}
