//! Makes members recipients of a campaign's mailing, and takes those off who left before their turn. A mailing has each partner once, and the same offer after a crash gets
//! the answer of the first, so it is known who became a recipient by the campaign and who was one before.
//! Called by fill.rs and leave.rs.

use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::RecipientState;
use sha2::{Digest, Sha256};

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
            request_id: offer_id(&campaign.id, pending),
            // Whoever it went into may be no member, and is offered as one otherwise.
            as_named: true,
        };
        let mut client = self.sources.mailings()?;
        let answer = client.add_recipients(Caller::system().request(request)).await?.into_inner();
        if answer.results.len() != pending.len() {
            return Err(Error::unavailable("mail broke off: it is asked again"));
        }
        let fates = pending.iter().zip(answer.results()).map(|(seen, result)| {
            let fate = match result {
                RecipientState::Pending => Fate::Added,
                // Also of one that went into another one, which we have not heard yet.
                RecipientState::NoAddress | RecipientState::Removed => Fate::WithoutNumber,
                RecipientState::Duplicate => Fate::Duplicate,
                // The mailing had the partner.
                _ => Fate::Listed,
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

/// The id of an offer, the same after a crash: that of the campaign and of whom it names.
fn offer_id(campaign: &str, pending: &[Seen]) -> String {
    let mut digest = Sha256::new();
    // An offer of before `as_named` is another request.
    digest.update(b"as named\n");
    for seen in pending {
        digest.update(seen.partner.as_bytes());
        digest.update(b"\n");
    }
    let digest: String = digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("campaign-{campaign}-{digest}")
}
