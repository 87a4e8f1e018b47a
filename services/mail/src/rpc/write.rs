//! Mailings as they are written: made, changed and deleted.
//! Called by rpc/mailing.rs.

use kontor_kit::auth::Caller;
use kontor_kit::mask::Mask;
use kontor_kit::{Result, replay, resource};
use kontor_proto::mail::v1 as proto;

use super::convert::{FIELDS, LATER, fields_set, read, to_proto};
use super::{House, chosen_id, mailing_id, must};
use crate::domain::mailing::{Basis, Mailing, State};
use crate::store;

impl House {
    pub(super) async fn create(
        &self,
        caller: Caller,
        request: proto::CreateMailingRequest,
    ) -> Result<proto::Mailing> {
        let given = must(request.mailing.as_ref(), "mailing")?;
        let now = self.db.clock().now();
        let mut row = Mailing {
            id: chosen_id(&request.mailing_id, "mailing_id")?,
            version: 1,
            display_name: String::new(),
            template: String::new(),
            subject: String::new(),
            text: String::new(),
            sender: String::new(),
            reply_to: String::new(),
            team: given.team.clone(),
            owner: caller.name(),
            basis: Basis::Consent,
            purpose: String::new(),
            fields: Vec::new(),
            locale: String::new(),
            start_time: None,
            end_time: None,
            hours: None,
            rate: 0,
            keep_open: false,
            state: State::Draft,
            pause_reason: String::new(),
            revision: String::new(),
            confirmed: 0,
            create_time: now,
            update_time: now,
            finish_time: None,
        };
        read(&given, &Mask::read(None, &[], &FIELDS)?, &mut row)?;
        row.check_team(&caller)?;
        // One that the caller may not see is no template for it.
        self.templates.revision(&caller, &row.template).await?;
        if request.validate_only {
            return Ok(to_proto(&row));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                resource::insert(tx, &row)?;
                Ok(to_proto(&row))
            })
        });
        write.await
    }

    pub(super) async fn update(
        &self,
        caller: Caller,
        request: proto::UpdateMailingRequest,
    ) -> Result<proto::Mailing> {
        let given = must(request.mailing.as_ref(), "mailing")?;
        let id = mailing_id(&given.name, "mailing.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        if mask.has("template") {
            self.templates.revision(&caller, &given.template).await?;
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let mut row = store::mailing::hold(tx, &caller, &id, &given.etag)?;
                if mask.fields().iter().all(|field| LATER.contains(&field.as_str())) {
                    row.must_not_have_ended()?;
                } else {
                    row.must_be_a_draft()?;
                }
                let before = row.clone();
                read(&given, &mask, &mut row)?;
                if mask.has("team") && row.team != given.team {
                    row.team = given.team.clone();
                    row.check_team(&caller)?;
                }
                if row != before {
                    row.update_time = tx.now();
                    resource::update(tx, &mut row)?;
                }
                Ok(to_proto(&row))
            })
        });
        write.await
    }

    pub(super) async fn delete(&self, caller: Caller, request: proto::DeleteMailingRequest) -> Result<()> {
        let id = mailing_id(&request.name, "name")?;
        // Many recipients take a while, so they go a part at a time, and the draft with the last of them: one that is made anew by its name keeps its own.
        let mut is_first = true;
        loop {
            let (user, id, request) = (caller.clone(), id.clone(), request.clone());
            let write = self.db.write(move |tx| {
                let mut is_more = false;
                replay::once(tx, &user, &request.request_id, &request, |tx| {
                    let etag = if is_first { request.etag.as_str() } else { "" };
                    let mut row = store::mailing::hold(tx, &user, &id, etag)?;
                    row.must_be_a_draft()?;
                    is_more = store::outgoing::drop_some(tx, &id)? > 0;
                    if !is_more {
                        return resource::delete(tx, &row);
                    }
                    if is_first {
                        // Another version, and an end that has passed: nobody starts what is left of it.
                        let now = tx.now();
                        (row.end_time, row.update_time) = (Some(now), now);
                        resource::update(tx, &mut row)?;
                    }
                    Ok(())
                })?;
                if is_more {
                    replay::forget::<proto::DeleteMailingRequest>(tx, &user, &request.request_id)?;
                }
                Ok(is_more)
            });
            if !write.await? {
                return Ok(());
            }
            is_first = false;
        }
    }
}
