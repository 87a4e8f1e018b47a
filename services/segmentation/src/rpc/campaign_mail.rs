//! The mailing of a campaign: looked at when the campaign is made, started with it, and let come to its end.
//! Called by campaign_manage.rs and campaign.rs.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id};
use kontor_proto::mail::v1 as mail;
use kontor_proto::segmentation::v1 as proto;

use super::House;
use crate::domain::campaign::must_lead;

impl House {
    async fn mailing(&self, caller: &Caller, name: &str) -> Result<mail::Mailing> {
        let request = mail::GetMailingRequest { name: name.to_owned() };
        let found = self.sources.mailings()?.get_mailing(caller.request(request)).await;
        match found.map_err(Error::from) {
            Err(cause) if cause.is_not_found() => {
                let message = format!("{name} does not exist or you may not see it");
                Err(Error::invalid("campaign.mailing", message))
            }
            found => Ok(found?.into_inner()),
        }
    }

    /// The team of the draft that a new campaign names.
    pub(super) async fn draft_team(&self, caller: &Caller, given: &proto::Campaign) -> Result<String> {
        id::parse("mailings", &given.mailing, "campaign.mailing")?;
        if !given.call_list.is_empty() {
            return Err(Error::invalid("campaign.mailing", "name a call list or a mailing, not both"));
        }
        let mailing = self.mailing(caller, &given.mailing).await?;
        if mailing.team.is_empty() {
            let message = format!(
                "{} belongs to no team: give it the one whose leaders manage the campaign",
                mailing.name
            );
            return Err(Error::invalid("campaign.mailing", message));
        }
        if !given.team.is_empty() && given.team != mailing.team {
            let message = format!("{} belongs to {}", mailing.name, mailing.team);
            return Err(Error::invalid("campaign.team", message));
        }
        must_lead(caller, &mailing.team)?;
        if mailing.state() != mail::MailingState::Draft {
            let message = format!("{} was started: a campaign takes a draft", mailing.name);
            return Err(Error::precondition("MAILING_STARTED", message));
        }
        Ok(mailing.team)
    }

    async fn keep_open(&self, caller: &Caller, name: &str, keep_open: bool) -> Result<()> {
        let request = mail::UpdateMailingRequest {
            mailing: Some(mail::Mailing { name: name.to_owned(), keep_open, ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["keep_open".to_owned()] }),
            request_id: String::new(),
        };
        self.sources.mailings()?.update_mailing(caller.request(request)).await?;
        Ok(())
    }

    /// Starts the mailing of a campaign that starts: it is open for members as they are added. One that was paused by hand stays so.
    pub(super) async fn open_mailing(&self, caller: &Caller, name: &str) -> Result<()> {
        let mailing = self.mailing(caller, name).await?;
        // Also of one that was started by hand meanwhile; one that has ended says so.
        self.keep_open(caller, name, true).await?;
        if mailing.state() != mail::MailingState::Draft {
            return Ok(());
        }
        let request = mail::StartMailingRequest {
            name: name.to_owned(),
            // Those that were added by hand before.
            expected_recipients: mailing.counts.map_or(0, |counts| counts.waiting),
            ..Default::default()
        };
        self.sources.mailings()?.start_mailing(caller.request(request)).await?;
        Ok(())
    }

    /// Lets the mailing of a campaign that ends come to its end. One that has ended stays as it is, and one that is gone is nobody's hindrance.
    pub(super) async fn close_mailing(&self, caller: &Caller, name: &str) -> Result<()> {
        match self.keep_open(caller, name, false).await {
            Err(cause) if cause.is_not_found() || cause.code() == tonic::Code::FailedPrecondition => Ok(()),
            outcome => outcome,
        }
    }
}
