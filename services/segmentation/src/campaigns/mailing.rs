//! Makes members recipients of a campaign's mailing, and takes those off who left before their turn. A mailing has each partner once, so what is offered again after a crash
//! does no harm.
//! Called by fill.rs and leave.rs.

use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::RecipientState;

use super::{Progress, Worker};
use crate::domain::campaign::{Campaign, Fate};
use crate::store::campaign::Seen;

/// When to look again at a recipient whose message is on its way.
const BUSY: Duration = Duration::from_secs(1);

impl Worker {
    /// Makes partners recipients.
    pub(super) async fn offer_to_mail(
        &self,
        campaign: &Campaign,
        pending: &[Seen],
    ) -> Result<Vec<(u32, Fate, String)>> {
        let recipient =
            |seen: &Seen| mail::NewRecipient { partner: seen.partner.clone(), ..Default::default() };
        let request = mail::AddRecipientsRequest {
            parent: campaign.mailing.clone(),
            recipients: pending.iter().map(recipient).collect(),
            request_id: String::new(),
        };
        let mut client = self.sources.mailings()?;
        let answer = client.add_recipients(Caller::system().request(request)).await?.into_inner();
        if answer.results.len() != pending.len() {
            return Err(Error::unavailable("mail broke off: it is asked again"));
        }
        let fates = pending.iter().zip(answer.results()).map(|(seen, result)| {
            let fate = match result {
                RecipientState::NoAddress => Fate::WithoutNumber,
                RecipientState::Duplicate => Fate::Listed,
                // New, or there since before a crash.
                _ => Fate::Added,
            };
            (seen.ord, fate, String::new())
        });
        Ok(fates.collect())
    }

    /// Takes recipients off that left: those that wait get nothing.
    pub(super) async fn take_off(
        &self,
        campaign: &Campaign,
        progress: &mut Progress,
        left: Vec<(u32, String)>,
    ) -> Result<()> {
        let request = mail::RemoveRecipientsRequest {
            parent: campaign.mailing.clone(),
            partners: left.iter().map(|(_, partner)| partner.clone()).collect(),
            request_id: String::new(),
        };
        let mut client = self.sources.mailings()?;
        let answer = client.remove_recipients(Caller::system().request(request)).await?.into_inner();
        let mut fates = Vec::new();
        for (ord, partner) in left {
            if answer.busy.contains(&partner) {
                progress.busy.insert(ord, Instant::now() + BUSY);
            } else {
                let fate = if answer.stayed.contains(&partner) { Fate::Left } else { Fate::Cancelled };
                fates.push((ord, fate, String::new()));
            }
        }
        self.put(campaign, progress, fates).await
    }
}
