//! Cancels the entries of partners that left, when they wait. A partner that left because it went into a member is that member: what it has waits for that one.
//! Called by campaigns/mod.rs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::telephony::v1 as telephony;
use kontor_proto::telephony::v1::CallListEntryState as State;
use roaring::RoaringBitmap;

use super::{BATCH, Progress, Worker, members};
use crate::domain::campaign::{Campaign, Fate};
use crate::store;
use crate::store::campaign_move::Move;

/// When to look again at an entry that an operator has.
const BUSY: Duration = Duration::from_secs(3);

/// What became of an entry.
enum Done {
    Cancelled,
    /// It is closed, another partner's, or an agreed call-back.
    Stays,
    /// An operator has it.
    Busy,
}

impl Worker {
    /// Of those who left, some went into another partner. Where that one is a member and has nothing of its own, it has what they had: telephony and mail
    /// give it their entries when they hear of the merge. Answers those who are to be worked off; who can't be judged yet is left out.
    pub(super) async fn hand_on(
        &self,
        campaign: &Campaign,
        progress: &mut Progress,
        mut left: RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        if left.is_empty() {
            return Ok(left);
        }
        let limit = i64::try_from(BATCH).map_err(Error::internal)?;
        // One entry for each.
        let mut given = HashSet::new();
        let mut after = None;
        loop {
            let id = campaign.id.clone();
            let read = move |conn: &mut Conn<'_>| store::campaign_move::merged(conn, &id, after, limit);
            let (merged, last) = self.db.read(read).await?;
            if !merged.is_empty() {
                // Whether the survivors are members is asked anew: now that all is in memory that was committed with the merges.
                self.live.settled().await?;
                let wanted = members(&self.live, campaign).await?.wanted;
                let by_mail = !campaign.mailing.is_empty();
                let mut moves = Vec::new();
                for it in merged {
                    let goes_on = wanted.contains(it.survivor);
                    let gives = goes_on && it.has_nothing(by_mail) && !it.unread && given.insert(it.survivor);
                    // Mail lets one wait of two: nothing is taken off. One that is about to be offered is judged then.
                    let stays = by_mail && goes_on;
                    if it.unread || (stays && !gives && it.known == Some(Fate::Pending)) {
                        left.remove(it.ord);
                    } else if gives || stays {
                        left.remove(it.ord);
                        moves.push(Move {
                            ord: it.ord,
                            was: Fate::Added,
                            becomes: Fate::Left,
                            number: it.number,
                            survivor: it.survivor,
                            gives: gives.then_some(Fate::Added),
                        });
                    }
                }
                self.hand(campaign, progress, moves).await?;
            }
            match last {
                Some(_) => after = last,
                None => return Ok(left),
            }
        }
    }

    /// Works off a batch of those who left.
    pub(super) async fn leave(
        &self,
        campaign: &Campaign,
        progress: &mut Progress,
        left: RoaringBitmap,
    ) -> Result<()> {
        let now = Instant::now();
        progress.busy.retain(|ord, _| left.contains(*ord));
        let due = left.iter().filter(|ord| progress.busy.get(ord).is_none_or(|until| *until <= now));
        let ords: Vec<u32> = due.take(BATCH).collect();
        if ords.is_empty() {
            return Ok(());
        }
        let id = campaign.id.clone();
        let read = move |conn: &mut Conn<'_>| {
            let names = store::partner::names(conn, &ords)?;
            let (mut all, mut erased) = (Vec::with_capacity(ords.len()), Vec::new());
            for (ord, name) in ords.iter().zip(names) {
                let Some((_, number)) = store::campaign::one(conn, &id, *ord)? else {
                    // Erased meanwhile: nothing is written of it any more.
                    erased.push(*ord);
                    continue;
                };
                // Telephony may have heard of a merge before.
                let now = match store::partner::find(conn, &name)? {
                    Some(ords) => store::partner::name(conn, ords.ord)?.unwrap_or_default(),
                    None => name.clone(),
                };
                all.push((*ord, [name, now], number));
            }
            Ok((all, erased))
        };
        let (all, erased) = self.db.read(read).await?;
        erased.into_iter().for_each(|ord| progress.forget(ord));
        if all.is_empty() {
            return Ok(());
        }
        if !campaign.mailing.is_empty() {
            // Mail knows what it gave to whom.
            let all = all.into_iter().map(|(ord, [partner, _], _)| (ord, partner)).collect();
            return self.take_off(campaign, progress, all).await;
        }
        let mut fates = Vec::new();
        for (ord, names, number) in all {
            match self.cancel(campaign, &names, &number).await? {
                Done::Cancelled => fates.push((ord, Fate::Cancelled, number)),
                Done::Stays => fates.push((ord, Fate::Left, number)),
                Done::Busy => {
                    progress.busy.insert(ord, now + BUSY);
                }
            }
        }
        self.put(campaign, progress, fates).await
    }

    async fn cancel(&self, campaign: &Campaign, names: &[String; 2], number: &str) -> Result<Done> {
        let mut client = self.sources.call_lists()?;
        let request = telephony::ListCallListEntriesRequest {
            parent: campaign.call_list.clone(),
            page_size: 1,
            filter: format!("e164 = \"{number}\""),
            ..Default::default()
        };
        let found = client.list_call_list_entries(Caller::system().request(request)).await?.into_inner();
        let Some(entry) = found.entries.into_iter().find(|entry| names.contains(&entry.partner)) else {
            return Ok(Done::Stays);
        };
        match entry.state() {
            State::Open if !entry.call_back => {}
            State::Leased | State::Dialling => return Ok(Done::Busy),
            _ => return Ok(Done::Stays),
        }
        let request = telephony::CancelCallListEntryRequest {
            name: entry.name,
            etag: entry.etag,
            request_id: String::new(),
        };
        let mut client = self.sources.dispatch()?;
        match client.cancel_call_list_entry(Caller::system().request(request)).await {
            Ok(_) => Ok(Done::Cancelled),
            Err(status) => match Error::from(status) {
                // Somebody took it in this moment.
                cause if matches!(cause.code(), tonic::Code::Aborted | tonic::Code::FailedPrecondition) => {
                    Ok(Done::Busy)
                }
                cause => Err(cause),
            },
        }
    }
}
