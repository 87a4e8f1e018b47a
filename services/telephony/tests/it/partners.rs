//! T3, T4 and T5: a number alone finds the partner; its only open opportunity comes along; a directory that is away is waited for;
//! the call stands in the partner's history.

use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallDirection;

use crate::world::{ANNA, World, event};
use kontor_testbed::caller;

kontor_testbed::on_both! { World;
    t3_number_alone_finds_the_one_partner,
    t4_call_has_its_partner_in_its_events,
    t4_absent_directory_is_asked_again,
    t4_absent_pipeline_is_asked_again,
    t5_call_stands_once_in_the_history,
    p14_calls_follow_their_partner_into_a_merge_and_out_of_it,
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
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    world.neighbours.add_partner("One", "+3225550001").await;
    world.neighbours.add_partner("Two", "+3225550001").await;
    let call = log(&world, "0475/12.34.56").await;
    assert_eq!((&call.partner, call.caller.unwrap().e164.as_str()), (&anna, ANNA));
    let call = log(&world, "02 555 00 01").await;
    assert_eq!((call.partner.as_str(), call.partner_candidates.len()), ("", 2));
    let call = log(&world, "+32 2 555 99 99").await;
    assert!(call.partner.is_empty() && call.partner_candidates.is_empty());
    assert_eq!(world.kinds().await.iter().filter(|kind| *kind == "CallEnded").count(), 3);
}

async fn t4_call_has_its_partner_in_its_events(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    let deal = world.neighbours.add_opportunity(&anna, "New machine").await;
    for (kind, second) in [("RINGING", 10), ("ANSWERED", 12), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    let events = world.settle(2).await;
    assert!(events.iter().all(|event| event.partner == anna), "{events:#?}");
    let call = world.only_call().await;
    assert_eq!((&call.partner, &call.opportunity), (&anna, &deal));
    let look_ups = world.neighbours.directory_gate.count("LookupPartners");
    assert_eq!(look_ups, 1, "the number is looked up once for the call");
    let filter = format!("partner = \"{anna}\" AND opportunity = \"{deal}\"");
    assert_eq!(world.list(&filter).await.len(), 1);
    world.neighbours.add_opportunity(&anna, "Spare parts").await;
    world.post(&event("d", "RINGING", 10)).await.unwrap();
    let second = world.list("external_id = d").await.remove(0);
    assert_eq!((&second.partner, second.opportunity.as_str()), (&anna, ""));
}

async fn t4_absent_directory_is_asked_again(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    world.post(&event("warm", "RINGING", 1)).await.unwrap();
    world.neighbours.directory_gate.shut();
    for (kind, second) in [("RINGING", 10), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    // its own beginning and end, and the beginning of the other
    world.settle(3).await;
    assert_eq!(world.list("external_id = c").await[0].partner, "");
    world.neighbours.directory_gate.open();
    wait_for(&world, |call| !call.partner.is_empty()).await;
    let last = world.events().await.pop().unwrap();
    assert_eq!(last.partner, anna);
    assert!(kontor_kit::outbox::payload::<proto::CallCorrected>(&last).is_some());
}

async fn t4_absent_pipeline_is_asked_again(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    let deal = world.neighbours.add_opportunity(&anna, "New machine").await;
    world.neighbours.pipeline_gate.shut();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    let call = world.only_call().await;
    assert_eq!((&call.partner, call.opportunity.as_str()), (&anna, ""));
    world.neighbours.pipeline_gate.open();
    wait_for(&world, |call| call.opportunity == deal).await;
}

/// Lets time pass until the call "c" is as wanted.
async fn wait_for(world: &World, wanted: impl Fn(&proto::Call) -> bool) {
    for () in kontor_testbed::patience() {
        if wanted(&world.list("external_id = c").await[0]) {
            return;
        }
        world.pass(1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never comes to that: {:#?}", world.list("external_id = c").await);
}

async fn t5_call_stands_once_in_the_history(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    for (kind, second) in [("RINGING", 10), ("HUNGUP", 35), ("ANSWERED", 15), ("HUNGUP", 35)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    world.settle(2).await;
    world.neighbours.history(&anna, 1).await;
    // one too many would come about now
    tokio::time::sleep(Duration::from_millis(200)).await;
    let history = world.neighbours.history(&anna, 1).await;
    assert_eq!(history.len(), 1, "{history:#?}");
    let (entry, call) = (&history[0], world.only_call().await);
    assert_eq!((&entry.subject, entry.actor.as_str()), (&call.name, "users/sales"));
    assert_eq!((entry.kind.as_str(), entry.summary.as_str()), ("call", "call from +32475123456, 20 s"));
}

async fn p14_calls_follow_their_partner_into_a_merge_and_out_of_it(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    let acme = world.neighbours.add_partner("Acme", "+3221234567").await;
    let third = world.neighbours.add_partner("Third", "+3221234568").await;
    for call in ["c", "given away"] {
        for (kind, second) in [("RINGING", 10), ("HUNGUP", 20)] {
            world.post(&event(call, kind, second)).await.unwrap();
        }
    }
    let own = log(&world, "+3221234567").await;
    assert_eq!(own.partner, acme);
    world.pass(4);
    world.neighbours.history(&anna, 2).await;
    let of = async |partner: &str| -> Vec<String> {
        let calls = world.list(&format!("partner = \"{partner}\"")).await;
        let mut ids: Vec<String> = calls.into_iter().map(|call| call.external_id).collect();
        ids.sort();
        ids
    };
    let comes_to = async |partner: &str, expected: &[&str]| {
        for () in kontor_testbed::patience() {
            if of(partner).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(of(partner).await, expected);
    };
    let merge = world.neighbours.merge_partners(&acme, &anna).await;
    comes_to(&acme, &["", "c", "given away"]).await;
    assert!(of(&anna).await.is_empty());
    let call = world.list("external_id = \"given away\"").await.remove(0);
    let request = proto::UpdateCallRequest {
        call: Some(proto::Call { name: call.name, partner: third.clone(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["partner".to_owned()] }),
        ..Default::default()
    };
    let request = caller("sales", &["sales"], &[]).request(request);
    world.calls.clone().update_call(request).await.unwrap();
    // What is said of the other one now names the survivor, and its entry goes there.
    world.post(&event("c", "ANSWERED", 15)).await.unwrap();
    world.pass(4);
    world.neighbours.unmerge_partners(&merge).await;
    comes_to(&anna, &["c"]).await;
    comes_to(&acme, &[""]).await;
    comes_to(&third, &["given away"]).await;
    for () in kontor_testbed::patience() {
        world.pass(1);
        let subjects = async |partner: &str| world.neighbours.history(partner, 1).await.len();
        if subjects(&anna).await == 1 && subjects(&acme).await == 1 && subjects(&third).await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("each has its own history again");
}
