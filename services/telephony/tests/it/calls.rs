//! Calls logged by hand and changed by hand: defaults, checks, repeats, etags, who may.

use kontor_kit::clock;
use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome};
use tonic::Code;

use crate::world::{ANNA, World, event, refusal};
use kontor_testbed::{MONDAY, SECOND, admin, caller};

kontor_testbed::on_both! { World;
    t3_call_by_hand_has_its_times_and_one_event,
    x3_faults_of_a_call_by_hand_name_the_field,
    x3_repeat_and_check_only_have_no_second_effect,
    t4_partner_and_opportunity_set_by_hand_stay,
    x3_lists_page_filter_and_order,
}

fn draft() -> proto::Call {
    proto::Call {
        direction: CallDirection::Outbound.into(),
        callee: Some(proto::Party { number: "0475 12 34 56".to_owned(), ..Default::default() }),
        start_time: Some(clock::to_proto(MONDAY - 600 * SECOND)),
        talk_duration: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        note: "wants an offer".to_owned(),
        ..Default::default()
    }
}

fn create(call: proto::Call) -> proto::CreateCallRequest {
    proto::CreateCallRequest { call: Some(call), ..Default::default() }
}

async fn t3_call_by_hand_has_its_times_and_one_event(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    let mut client = world.calls.clone();
    let call = client.create_call(sales.request(create(draft()))).await.unwrap().into_inner();
    assert_eq!((call.outcome(), call.user.as_str()), (CallOutcome::Answered, "users/sales"));
    assert_eq!(call.callee.as_ref().unwrap().e164, ANNA);
    assert_eq!(clock::from_proto(&call.end_time.unwrap()), MONDAY - 510 * SECOND);
    assert_eq!((call.talk_duration.unwrap().seconds, call.ring_duration.unwrap().seconds), (90, 0));
    let events = world.settle(2).await;
    assert!(payload::<proto::CallStarted>(&events[0]).is_some());
    assert_eq!(payload::<proto::CallEnded>(&events[1]).unwrap().number, ANNA);
    let get = proto::GetCallRequest { name: call.name.clone() };
    assert_eq!(client.get_call(sales.request(get)).await.unwrap().into_inner(), call);
    let get = proto::GetCallRequest { name: "calls/none".to_owned() };
    assert_eq!(refusal(client.get_call(sales.request(get)).await).0, Code::NotFound);
}

async fn x3_faults_of_a_call_by_hand_name_the_field(world: World) {
    let number = |number: &str| Some(proto::Party { number: number.to_owned(), ..Default::default() });
    let cases = [
        (proto::Call { direction: 0, ..draft() }, "call.direction: "),
        (proto::Call { callee: None, ..draft() }, "call.callee.number: "),
        (proto::Call { callee: number("hello"), ..draft() }, "call.callee.number: \"hello\""),
        (proto::Call { outcome: 77, ..draft() }, "call.outcome: "),
        (proto::Call { end_time: Some(clock::to_proto(0)), ..draft() }, "call.end_time: "),
        (
            proto::Call { end_time: Some(clock::to_proto(MONDAY + 86_400 * 8 * SECOND)), ..draft() },
            "call.end_time: ",
        ),
        (proto::Call { note: "x".repeat(100_001), ..draft() }, "call.note: "),
        (proto::Call { note: "x\0".to_owned(), ..draft() }, "call.note: "),
        (proto::Call { partner: "partners/none".to_owned(), ..draft() }, "call.partner: partners/none"),
        (proto::Call { partner: "calls/7".to_owned(), ..draft() }, "call.partner: "),
        (proto::Call { opportunity: "opportunities/no".to_owned(), ..draft() }, "call.opportunity: "),
    ];
    for (call, beginning) in cases {
        let (code, words) = refusal(world.calls.clone().create_call(admin().request(create(call))).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
    assert!(world.events().await.is_empty());
}

async fn x3_repeat_and_check_only_have_no_second_effect(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    let mut client = world.calls.clone();
    let checked = proto::CreateCallRequest { validate_only: true, ..create(draft()) };
    let checked = client.create_call(sales.request(checked)).await.unwrap().into_inner();
    assert_eq!(checked.callee.unwrap().e164, ANNA);
    assert!(world.list("").await.is_empty());
    let request = proto::CreateCallRequest { request_id: "r1".to_owned(), ..create(draft()) };
    let first = client.create_call(sales.request(request.clone())).await.unwrap().into_inner();
    let again = client.create_call(sales.request(request)).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(world.events().await.len(), 2);
}

async fn t4_partner_and_opportunity_set_by_hand_stay(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", ANNA).await;
    let bert = world.neighbours.add_partner("Bert", "+3225550002").await;
    let deal = world.neighbours.add_opportunity(&bert, "New machine").await;
    for (kind, second) in [("RINGING", 10), ("ANSWERED", 12), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    world.settle(2).await;
    let call = world.only_call().await;
    assert_eq!((&call.partner, call.user.as_str()), (&anna, "users/sales"));
    let change = proto::Call { partner: bert.clone(), ..call.clone() };
    let update = proto::UpdateCallRequest {
        call: Some(change),
        update_mask: Some(prost_types::FieldMask { paths: vec!["partner".to_owned()] }),
        ..Default::default()
    };
    let mut client = world.calls.clone();
    let other = caller("operator", &["sales"], &[]);
    assert_eq!(refusal(client.update_call(other.request(update.clone())).await).0, Code::PermissionDenied);
    let leader = caller("manager", &["sales"], &["sales"]);
    let changed = client.update_call(leader.request(update.clone())).await.unwrap().into_inner();
    assert_eq!((&changed.partner, &changed.opportunity), (&bert, &deal));
    assert_eq!(refusal(client.update_call(leader.request(update)).await).0, Code::Aborted);
    let events = world.settle(3).await;
    assert_eq!(events[2].partner, bert);
    assert!(payload::<proto::CallCorrected>(&events[2]).is_some());
    world.post(&event("c", "ANSWERED", 11)).await.unwrap();
    world.settle(4).await;
    assert_eq!(world.only_call().await.partner, bert);
    let wrong = proto::UpdateCallRequest {
        call: Some(proto::Call { name: call.name, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["outcome".to_owned()] }),
        ..Default::default()
    };
    assert_eq!(refusal(client.update_call(admin().request(wrong)).await).0, Code::InvalidArgument);
}

async fn x3_lists_page_filter_and_order(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    for minute in 0..7 {
        let start_time = Some(clock::to_proto(MONDAY - minute * 60 * SECOND));
        let call = proto::Call { start_time, ..draft() };
        world.calls.clone().create_call(sales.request(create(call))).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut request = proto::ListCallsRequest {
        page_size: 3,
        filter: "user = me AND direction = OUTBOUND AND state = ENDED".to_owned(),
        order_by: "start_time".to_owned(),
        ..Default::default()
    };
    loop {
        let page = world.calls.clone().list_calls(sales.request(request.clone())).await.unwrap().into_inner();
        seen.extend(page.calls.iter().map(|call| clock::from_proto(&call.start_time.unwrap())));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let wanted: Vec<i64> = (0..7).rev().map(|minute| MONDAY - minute * 60 * SECOND).collect();
    assert_eq!(seen, wanted);
    assert!(world.list("user = \"users/operator\"").await.is_empty());
    let bad = proto::ListCallsRequest { filter: "note = x".to_owned(), ..Default::default() };
    assert_eq!(refusal(world.calls.clone().list_calls(sales.request(bad)).await).0, Code::InvalidArgument);
}
