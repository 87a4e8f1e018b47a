//! SubscriptionService: secret addresses under which a calendar is read without sign-in.
//! Mounted by `start`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kontor_collection::{Access, Kind};
use kontor_kit::auth::Caller;
use kontor_kit::secret::{Secret, random};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::subscription_service_server::SubscriptionService;
use tonic::{Request, Response};

use super::objects::find_calendar;
use super::{Answer, Core};
use crate::store::subscriptions::{self, Subscription};

/// What the hash of a secret address is for.
pub(super) const PURPOSE: &str = "kontor calendar address";

#[tonic::async_trait]
impl SubscriptionService for Core {
    async fn create_calendar_subscription(
        &self,
        request: Request<proto::CreateCalendarSubscriptionRequest>,
    ) -> Answer<proto::CreateCalendarSubscriptionResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.create_subscription(caller, request.into_inner()).await?))
    }

    async fn list_calendar_subscriptions(
        &self,
        request: Request<proto::ListCalendarSubscriptionsRequest>,
    ) -> Answer<proto::ListCalendarSubscriptionsResponse> {
        let caller = Caller::of(&request)?;
        let calendar = id::parse("calendars", &request.get_ref().parent, "parent")?.to_owned();
        let read = self.db.read(move |conn| {
            let (calendar, access) = find_calendar(conn, &caller, &calendar)?;
            let login = if access == Access::Owner { "" } else { &caller.user };
            subscriptions::list(conn, &calendar.id, login)
        });
        let subscriptions = read.await?.into_iter().map(message).collect();
        Ok(Response::new(proto::ListCalendarSubscriptionsResponse { subscriptions }))
    }

    async fn delete_calendar_subscription(
        &self,
        request: Request<proto::DeleteCalendarSubscriptionRequest>,
    ) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (calendar, subscription) = id::parse_child("calendars", "subscriptions", &request.name, "name")?;
        let (calendar, subscription) = (calendar.to_owned(), subscription.to_owned());
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let missing = || Error::not_found(&request.name);
                    let found = subscriptions::find(tx, &calendar, &subscription)?.ok_or_else(missing)?;
                    // Who made it may end it even when the calendar is no longer to be seen.
                    let own = !caller.user.is_empty() && found.login == caller.user;
                    let owns =
                        own || find_calendar(tx, &caller, &calendar).is_ok_and(|it| it.1 == Access::Owner);
                    if !owns {
                        return Err(missing());
                    }
                    subscriptions::remove(tx, &found)
                })
            })
            .await?;
        Ok(Response::new(()))
    }
}

impl Core {
    /// A repeat is answered without the secret, which is kept nowhere.
    async fn create_subscription(
        &self,
        caller: Caller,
        request: proto::CreateCalendarSubscriptionRequest,
    ) -> Result<proto::CreateCalendarSubscriptionResponse> {
        if caller.user.is_empty() {
            return Err(Error::denied("only a user makes secret addresses: they end with the user"));
        }
        let calendar = id::parse("calendars", &request.parent, "parent")?.to_owned();
        let given = request.subscription.clone().unwrap_or_default();
        let new = Subscription {
            id: id::new(),
            calendar: String::new(),
            login: caller.user.clone(),
            display_name: display_name(&given.display_name)?,
            busy_only: given.busy_only,
            create_time: self.db.clock().now(),
            last_use_time: 0,
        };
        let secret = Secret::from_random(random());
        let hash = secret.hash(PURPOSE);
        let made = Arc::new(AtomicBool::new(false));
        let mark = made.clone();
        let mut answer = self
            .db
            .write(move |tx| {
                mark.store(false, Ordering::SeqCst);
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let (calendar, _) = find_calendar(tx, &caller, &calendar)?;
                    if calendar.kind == Kind::Deadlines {
                        return Err(Error::denied(
                            "deadlines have no addresses: who may see them changes with each",
                        ));
                    }
                    let new = Subscription { calendar: calendar.id, ..new.clone() };
                    subscriptions::add(tx, &new, hash)?;
                    mark.store(true, Ordering::SeqCst);
                    let subscription = Some(message(new));
                    Ok(proto::CreateCalendarSubscriptionResponse { subscription, path: String::new() })
                })
            })
            .await?;
        if made.load(Ordering::SeqCst) {
            answer.path = format!("/ics/{}.ics", secret.plain());
        }
        Ok(answer)
    }
}

fn display_name(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        let field = "subscription.display_name";
        return Err(Error::invalid(field, "use at most 100 characters on one line"));
    }
    Ok(text.to_owned())
}

fn message(kept: Subscription) -> proto::CalendarSubscription {
    proto::CalendarSubscription {
        name: format!("calendars/{}/subscriptions/{}", kept.calendar, kept.id),
        display_name: kept.display_name,
        creator: format!("users/{}", kept.login),
        busy_only: kept.busy_only,
        create_time: Some(clock::to_proto(kept.create_time)),
        last_use_time: (kept.last_use_time > 0).then(|| clock::to_proto(kept.last_use_time)),
    }
}
