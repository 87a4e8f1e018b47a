//! Cancels the entries of partners that left, when they wait.
//! Called by campaigns/mod.rs.

use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::telephony::v1 as telephony;
use kontor_proto::telephony::v1::CallListEntryState as State;
use roaring::RoaringBitmap;

use super::{BATCH, Progress, Worker};
use crate::domain::campaign::{Campaign, Fate};
use crate::store;

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
            let mut all = Vec::with_capacity(ords.len());
            for (ord, name) in ords.iter().zip(names) {
                let known = store::campaign::one(conn, &id, *ord)?;
                all.push((*ord, name, known.map(|(_, number)| number).unwrap_or_default()));
            }
            Ok(all)
        };
        if !campaign.mailing.is_empty() {
            let all = self.db.read(read).await?.into_iter().map(|(ord, partner, _)| (ord, partner)).collect();
            return self.take_off(campaign, progress, all).await;
        }
        let mut fates = Vec::new();
        for (ord, partner, number) in self.db.read(read).await? {
            match self.cancel(campaign, &partner, &number).await? {
                Done::Cancelled => fates.push((ord, Fate::Cancelled, number)),
                Done::Stays => fates.push((ord, Fate::Left, number)),
                Done::Busy => {
                    progress.busy.insert(ord, now + BUSY);
                }
            }
        }
        self.put(campaign, progress, fates).await
    }

    async fn cancel(&self, campaign: &Campaign, partner: &str, number: &str) -> Result<Done> {
        let mut client = self.sources.call_lists()?;
        let request = telephony::ListCallListEntriesRequest {
            parent: campaign.call_list.clone(),
            page_size: 1,
            filter: format!("e164 = \"{number}\""),
            ..Default::default()
        };
        let found = client.list_call_list_entries(Caller::system().request(request)).await?.into_inner();
        let Some(entry) = found.entries.into_iter().find(|entry| entry.partner == partner) else {
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
