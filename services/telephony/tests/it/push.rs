//! T1 and T2: the gRPC stream. Each event is acknowledged after it is stored; a fault does not end the stream.

use kontor_kit::auth::Caller;
use kontor_kit::clock;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::{CallDirection, CallEventKind, CallOutcome};
use tonic::Request;

use crate::world::{ANNA, World};
use kontor_testbed::{MONDAY, SECOND, caller};

kontor_testbed::on_both! { World;
    t1_shuffled_and_doubled_events_give_one_call,
    t2_faults_and_strangers_are_answered_in_the_stream,
}

fn push(sequence: i64, kind: CallEventKind, second: i64) -> proto::PushCallEventsRequest {
    let event = proto::CallEvent {
        call_id: "g1".to_owned(),
        kind: kind.into(),
        event_time: Some(clock::to_proto(MONDAY + second * SECOND)),
        direction: CallDirection::Outbound.into(),
        from: "102".to_owned(),
        to: ANNA.to_owned(),
        extension: "102".to_owned(),
        transfer_to: if kind == CallEventKind::Transferred { "101".to_owned() } else { String::new() },
        ..Default::default()
    };
    proto::PushCallEventsRequest { connector: "connectors/grpc".to_owned(), sequence, event: Some(event) }
}

async fn send(
    world: &World,
    caller: &Caller,
    events: Vec<proto::PushCallEventsRequest>,
) -> Vec<proto::PushCallEventsResponse> {
    let mut request = Request::new(tokio_stream::iter(events));
    request.extensions_mut().insert(caller.clone());
    let mut stream = world.ingest.clone().push_call_events(request).await.unwrap().into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        answers.push(answer);
    }
    answers
}

async fn t1_shuffled_and_doubled_events_give_one_call(world: World) {
    use CallEventKind::{Answered, Hungup, Ringing, Transferred};
    let pbx = caller("pbx", &[], &[]);
    let kinds =
        [(Hungup, 40), (Answered, 20), (Transferred, 30), (Hungup, 40), (Ringing, 10), (Answered, 20)];
    let events = kinds.iter().enumerate();
    let events = events.map(|(at, (kind, second))| push(at as i64 + 7, *kind, *second)).collect();
    let answers = send(&world, &pbx, events).await;
    let call = world.only_call().await;
    let sequences: Vec<i64> = answers.iter().map(|answer| answer.sequence).collect();
    assert_eq!(sequences, [7, 8, 9, 10, 11, 12]);
    assert!(answers.iter().all(|answer| answer.call == call.name && answer.error.is_empty()));
    world.settle(2).await;
    let call = world.only_call().await;
    assert_eq!((call.direction(), call.outcome()), (CallDirection::Outbound, CallOutcome::Answered));
    assert_eq!((call.user.as_str(), call.external_id.as_str()), ("users/operator", "g1"));
    assert_eq!(call.callee.unwrap().e164, ANNA);
    assert_eq!((call.ring_duration.unwrap().seconds, call.talk_duration.unwrap().seconds), (10, 20));
    assert_eq!(call.transfers.len(), 1);
    assert_eq!(call.transfers[0].to, "101");
}

async fn t2_faults_and_strangers_are_answered_in_the_stream(world: World) {
    let pbx = caller("pbx", &[], &[]);
    let mut nameless = push(1, CallEventKind::Ringing, 10);
    nameless.event.as_mut().unwrap().call_id.clear();
    let unknown = proto::PushCallEventsRequest {
        connector: "connectors/none".to_owned(),
        ..push(2, CallEventKind::Ringing, 10)
    };
    let webhook = proto::PushCallEventsRequest {
        connector: "connectors/cloud".to_owned(),
        ..push(3, CallEventKind::Ringing, 10)
    };
    // PostgreSQL would refuse the whole batch for it
    let mut odd = push(6, CallEventKind::Ringing, 10);
    odd.event.as_mut().unwrap().from_name = "Ann\0a".to_owned();
    let events = vec![nameless, unknown, webhook, push(4, CallEventKind::Ringing, 10), odd];
    let answers = send(&world, &pbx, events).await;
    assert!(answers[0].error.starts_with("call_id: "), "{answers:#?}");
    assert!(answers[1].error.contains("connectors/none"));
    assert!(answers[2].error.contains("takes no gRPC stream"));
    assert_eq!((answers[3].error.as_str(), answers[3].call.is_empty()), ("", false));
    assert!(answers[4].error.starts_with("from_name: "));
    let stranger = send(&world, &caller("sales", &[], &[]), vec![push(5, CallEventKind::Hungup, 20)]).await;
    assert!(stranger[0].error.contains("only an administrator"));
    assert!(world.only_call().await.end_time.is_none());
}
