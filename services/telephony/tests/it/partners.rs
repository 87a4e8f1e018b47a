//! T3 and T4: a number alone finds the partner; its only open opportunity comes along; a directory that is away is waited for.

use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallDirection;

use crate::place::caller;
use crate::world::{ANNA, World, event};

crate::on_both! { World;
    t3_number_alone_finds_the_one_partner,
    t4_call_has_its_partner_in_its_events,
    t4_absent_directory_is_asked_again,
}

async fn log(world: &World, number: &str) -> proto::Call {
    let other = proto::Party { number: number.to_owned(), ..Default::default() };
    let call =
        proto::Call { direction: CallDirection::Inbound.into(), caller: Some(other), ..Default::default() };
    let request = proto::CreateCallRequest { call: Some(call), ..Default::default() };
    let request = caller("sales", &["sales"], &[]).request(request);
    world.calls.clone().create_call(request).await.unwrap().into_inner()
}

async fn t3_number_alone_finds_the_one_partner(world: World) {
    world.book.add_partner("anna", "Anna Peeters", ANNA);
    world.book.add_partner("one", "One", "+3225550001");
    world.book.add_partner("two", "Two", "+3225550001");
    let call = log(&world, "0475/12.34.56").await;
    assert_eq!((call.partner.as_str(), call.caller.unwrap().e164.as_str()), ("partners/anna", ANNA));
    let call = log(&world, "02 555 00 01").await;
    assert_eq!((call.partner.as_str(), call.partner_candidates.len()), ("", 2));
    let call = log(&world, "+32 2 555 99 99").await;
    assert!(call.partner.is_empty() && call.partner_candidates.is_empty());
    assert_eq!(world.kinds().await.iter().filter(|kind| *kind == "CallEnded").count(), 3);
}

async fn t4_call_has_its_partner_in_its_events(world: World) {
    world.book.add_partner("anna", "Anna Peeters", ANNA);
    world.book.add_opportunity("deal", "anna", "New machine");
    for (kind, second) in [("RINGING", 10), ("ANSWERED", 12), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    let events = world.settle(2).await;
    assert!(events.iter().all(|event| event.partner == "partners/anna"), "{events:#?}");
    let call = world.only_call().await;
    assert_eq!((call.partner.as_str(), call.opportunity.as_str()), ("partners/anna", "opportunities/deal"));
    assert_eq!(world.book.open().look_ups, 1, "the number is looked up once for the call");
    assert_eq!(
        world.list("partner = \"partners/anna\" AND opportunity = \"opportunities/deal\"").await.len(),
        1
    );
    world.book.add_opportunity("other", "anna", "Spare parts");
    world.post(&event("d", "RINGING", 10)).await.unwrap();
    let second = world.list("external_id = d").await.remove(0);
    assert_eq!((second.partner.as_str(), second.opportunity.as_str()), ("partners/anna", ""));
}

async fn t4_absent_directory_is_asked_again(world: World) {
    world.book.add_partner("anna", "Anna Peeters", ANNA);
    world.post(&event("warm", "RINGING", 1)).await.unwrap();
    world.book.open().away = true;
    for (kind, second) in [("RINGING", 10), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    // its own beginning and end, and the beginning of the other
    world.settle(3).await;
    assert_eq!(world.list("external_id = c").await[0].partner, "");
    world.book.open().away = false;
    let mut tries = 0;
    while world.list("external_id = c").await[0].partner.is_empty() {
        tries += 1;
        assert!(tries < 100, "the partner is never found");
        world.pass(1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last = world.events().await.pop().unwrap();
    assert_eq!(last.partner, "partners/anna");
    assert!(kontor_kit::outbox::payload::<proto::CallCorrected>(&last).is_some());
}
