//! Meetings of the sample company, six weeks back and seven ahead.
//! Called by mod.rs.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::calendar_service_client::CalendarServiceClient;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::calendar::v1::{
    Attendee, CreateEventRequest, Event, EventTime, ListCalendarsRequest, event_time,
};
use kontor_proto::directory::v1::Partner;

use super::{AT_ONCE, caller, today};

/// Monday to Friday, six weeks back and seven ahead, one meeting a day for each of three people, and two series.
pub(super) async fn add(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    for user in ["manager", "sales", "operator"] {
        wait_for_calendar(&link, user).await?;
    }
    let today = today(context)?;
    let mut wanted = vec![
        ("manager", series("Sales meeting", today, "09:00:00", "10:00:00", "FREQ=WEEKLY;BYDAY=MO", context)),
        ("sales", series("Pipeline review", today, "16:00:00", "16:45:00", "FREQ=WEEKLY;BYDAY=TH", context)),
    ];
    for offset in -42..49_i32 {
        let Ok(day) = today.checked_add(jiff::Span::new().days(offset)) else { continue };
        if day.weekday().to_monday_one_offset() > 5 {
            continue;
        }
        let user = ["manager", "sales", "operator"][usize::try_from(offset.rem_euclid(3)).unwrap_or(0)];
        let partner = &partners[usize::try_from(offset.rem_euclid(30)).unwrap_or(0) % partners.len()];
        let hour = 9 + offset.rem_euclid(7);
        wanted.push((
            user,
            meeting(
                partner,
                &format!("{day}T{hour:02}:30:00"),
                &format!("{day}T{:02}:15:00", hour + 1),
                context,
            ),
        ));
    }
    let client = EventServiceClient::new(link);
    stream::iter(wanted)
        .map(|(user, event)| {
            let mut client = client.clone();
            async move {
                let request = CreateEventRequest {
                    parent: "calendars/default".to_owned(),
                    event: Some(event),
                    ..Default::default()
                };
                client.create_event(caller(user).request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// The calendar service makes a user's calendar when it hears of the user.
async fn wait_for_calendar(link: &Link, user: &str) -> Result<()> {
    let mut client = CalendarServiceClient::new(link.clone());
    for _ in 0..500 {
        let request = caller(user).request(ListCalendarsRequest::default());
        let calendars = client.list_calendars(request).await?.into_inner().calendars;
        if calendars.iter().any(|calendar| calendar.owner == format!("users/{user}")) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Error::unavailable(format!("the calendar of {user} did not appear")))
}

fn local(text: &str, context: &Context) -> Option<EventTime> {
    Some(EventTime {
        kind: Some(event_time::Kind::Local(text.to_owned())),
        time_zone: context.company.time_zone.clone(),
    })
}

fn meeting(partner: &Partner, start: &str, end: &str, context: &Context) -> Event {
    let email = partner.emails.first().map(|email| email.address.clone()).unwrap_or_default();
    Event {
        summary: format!("Meeting with {}", partner.display_name),
        location: "Main office".to_owned(),
        start: local(start, context),
        end: local(end, context),
        attendees: vec![Attendee {
            email,
            display_name: partner.display_name.clone(),
            participation: "ACCEPTED".to_owned(),
        }],
        partners: vec![partner.name.clone()],
        ..Default::default()
    }
}

fn series(
    summary: &str,
    today: jiff::civil::Date,
    start: &str,
    end: &str,
    rule: &str,
    context: &Context,
) -> Event {
    let wanted =
        if rule.ends_with("MO") { jiff::civil::Weekday::Monday } else { jiff::civil::Weekday::Thursday };
    let first = today
        .checked_sub(jiff::Span::new().days(42))
        .and_then(|day| day.nth_weekday(1, wanted))
        .unwrap_or(today);
    Event {
        summary: summary.to_owned(),
        start: local(&format!("{first}T{start}"), context),
        end: local(&format!("{first}T{end}"), context),
        recurrence_rule: rule.to_owned(),
        ..Default::default()
    }
}
