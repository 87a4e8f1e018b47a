//! Recipients as they are added and taken off.
//! Called by rpc/mailing.rs.

use std::collections::{BTreeMap, BTreeSet};

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::mail::v1 as proto;

use super::{House, mailing_id};
use crate::directory::Partner;
use crate::domain::Address;
use crate::domain::mailing::ADDED_AT_ONCE;
use crate::domain::recipient::State;
use crate::store;
use crate::store::outgoing::{DUPLICATE, New};

/// Somebody to add, as it was given.
#[derive(Clone)]
enum Given {
    Partner(String),
    Address(Address),
}

impl House {
    pub(super) async fn add_recipients(
        &self,
        caller: Caller,
        request: proto::AddRecipientsRequest,
    ) -> Result<proto::AddRecipientsResponse> {
        let mailing = self.own_mailing(&caller, &request.parent, "parent").await?;
        mailing.must_not_have_ended()?;
        let given = read(&request.recipients)?;
        let names = given.iter().filter_map(|it| match it {
            Given::Partner(name) => Some(name.clone()),
            Given::Address(_) => None,
        });
        let partners = self.directory.partners(names.collect()).await?;
        let (keys, house) = (self.keys.clone(), self.clone());
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let row = store::mailing::hold(tx, &caller, &mailing.id, "")?;
                row.must_not_have_ended()?;
                let (new, answer) = house.sort(tx, &mailing.id, request.as_named, &given, &partners)?;
                store::outgoing::add(tx, &keys, &mailing.id, &new)?;
                Ok(answer)
            })
        });
        write.await
    }

    /// Sorts out who is there already, and who has the address of another one. The mailing is held.
    fn sort(
        &self,
        tx: &mut Tx<'_>,
        mailing: &str,
        as_named: bool,
        given: &[Given],
        partners: &BTreeMap<String, Partner>,
    ) -> Result<(Vec<New>, proto::AddRecipientsResponse)> {
        // By the names that partners have now: one that went into another one is that one.
        let all: Vec<(String, std::result::Result<Address, String>)> = given
            .iter()
            .map(|it| match it {
                Given::Address(address) => (String::new(), Ok(address.clone())),
                Given::Partner(name) => match partners.get(name) {
                    Some(partner) => (partner.name.clone(), partner.address.clone()),
                    None => (name.clone(), Err("the partner does not exist".to_owned())),
                },
            })
            .collect();
        let names: Vec<String> = all.iter().map(|it| it.0.clone()).filter(|it| !it.is_empty()).collect();
        let keys: Vec<String> = all.iter().filter_map(|it| Some(it.1.as_ref().ok()?.key())).collect();
        let mut names: BTreeSet<String> = store::outgoing::known(tx, mailing, "partner", &names)?;
        let mut keys: BTreeSet<String> = store::outgoing::known(tx, mailing, "address_key", &keys)?;
        let (mut new, mut answer) = (Vec::new(), proto::AddRecipientsResponse::default());
        for ((partner, address), given) in all.into_iter().zip(given) {
            let has_moved = matches!(given, Given::Partner(name) if *name != partner);
            if as_named && has_moved {
                answer.results.push(proto::RecipientState::Removed.into());
                continue;
            }
            if !partner.is_empty() && !names.insert(partner.clone()) {
                answer.already_there += 1;
                answer.results.push(0);
                continue;
            }
            let is_new = address.as_ref().is_ok_and(|address| keys.insert(address.key()));
            let id = id::new();
            let message_id = self.message_id(&id);
            let (state, reason, address) = match address {
                Ok(address) if is_new => {
                    answer.added += 1;
                    (State::Pending, String::new(), Some(address))
                }
                // The same address again: of a partner it is told, a bare one is there.
                Ok(_) if partner.is_empty() => {
                    answer.already_there += 1;
                    answer.results.push(0);
                    continue;
                }
                Ok(address) => {
                    answer.duplicates += 1;
                    (State::Duplicate, DUPLICATE.to_owned(), Some(address))
                }
                Err(why) => {
                    answer.without_address += 1;
                    (State::NoAddress, why, None)
                }
            };
            answer.results.push(super::convert::state(state));
            new.push(New { id, partner, address, message_id, state, reason });
        }
        Ok((new, answer))
    }

    pub(super) async fn remove_recipients(
        &self,
        caller: Caller,
        request: proto::RemoveRecipientsRequest,
    ) -> Result<proto::RemoveRecipientsResponse> {
        let id = mailing_id(&request.parent, "parent")?;
        check_count("partners", request.partners.len())?;
        for (place, name) in request.partners.iter().enumerate() {
            id::parse("partners", name, &format!("partners[{place}]"))?;
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::mailing::hold(tx, &caller, &id, "")?;
                let mut answer = proto::RemoveRecipientsResponse::default();
                for name in &request.partners {
                    match store::outgoing::remove(tx, &id, name, "taken off before its turn")? {
                        Some(State::Pending | State::Deferred) => answer.removed += 1,
                        Some(State::Sending) => answer.busy.push(name.clone()),
                        _ => answer.stayed.push(name.clone()),
                    }
                }
                Ok(answer)
            })
        });
        write.await
    }
}

fn check_count(field: &str, count: usize) -> Result<()> {
    if (1..=ADDED_AT_ONCE).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{count} are not 1 to {ADDED_AT_ONCE}: send them in several requests")))
}

fn read(recipients: &[proto::NewRecipient]) -> Result<Vec<Given>> {
    check_count("recipients", recipients.len())?;
    let read =
        |(place, one): (usize, &proto::NewRecipient)| match (one.partner.as_str(), one.address.as_str()) {
            ("", "") => Err(Error::invalid(format!("recipients[{place}]"), "name a partner or an address")),
            (partner, "") => {
                id::parse("partners", partner, &format!("recipients[{place}].partner"))?;
                Ok(Given::Partner(partner.to_owned()))
            }
            ("", address) => Address::parse(address)
                .map(Given::Address)
                .map_err(|why| Error::invalid(format!("recipients[{place}].address"), why)),
            _ => Err(Error::invalid(
                format!("recipients[{place}]"),
                "name a partner or an address: a partner's own address is taken",
            )),
        };
    recipients.iter().enumerate().map(read).collect()
}
