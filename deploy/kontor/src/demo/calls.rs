//! Calls of the sample company.
//! Called by mod.rs.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::{Error, Result, clock};
use kontor_proto::directory::v1::Partner;
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::telephony::v1::{Call, CallDirection, CallOutcome, CreateCallRequest, Party};

use super::{AT_ONCE, DAY, USERS, caller};

const MINUTE: i64 = 60_000_000;

/// 200 calls over the last 60 days.
pub(super) async fn add(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    let now = context.clock.now();
    let client = CallServiceClient::new(link);
    stream::iter(0..200_i64)
        .map(|place| {
            let mut client = client.clone();
            // All but the administrator telephone.
            let (user, _, extension) = USERS[usize::try_from(1 + place % 3).unwrap_or(1)];
            let partner = &partners[usize::try_from(place * 11).unwrap_or(0) % partners.len()];
            let call = call(place, now, extension, partner);
            async move {
                let request = CreateCallRequest { call: Some(call), ..Default::default() };
                client.create_call(caller(user).request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

fn call(place: i64, now: i64, extension: &str, partner: &Partner) -> Call {
    let number = partner.phones.first().map(|phone| phone.number.clone()).unwrap_or_default();
    let outside = Party { number, display_name: partner.display_name.clone(), ..Default::default() };
    let inside = Party { number: extension.to_owned(), ..Default::default() };
    let inbound = place % 2 == 0;
    let outcome = match place % 7 {
        0 => CallOutcome::Missed,
        3 => CallOutcome::NoAnswer,
        5 => CallOutcome::Busy,
        _ => CallOutcome::Answered,
    };
    let start = now - (place * 60 * DAY) / 200 - 3 * 60 * MINUTE;
    let answered = outcome == CallOutcome::Answered;
    let answer_time = answered.then(|| clock::to_proto(start + 8_000_000));
    let talk = if answered { (30 + (place * 37) % 600) * 1_000_000 } else { 0 };
    Call {
        direction: if inbound { CallDirection::Inbound } else { CallDirection::Outbound }.into(),
        outcome: outcome.into(),
        caller: Some(if inbound { outside.clone() } else { inside.clone() }),
        callee: Some(if inbound { inside } else { outside }),
        start_time: Some(clock::to_proto(start)),
        answer_time,
        end_time: Some(clock::to_proto(start + 8_000_000 + talk)),
        ..Default::default()
    }
}
