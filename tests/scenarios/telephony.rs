//! Telephone systems: events in any order, doubled or cut, give one right call on the right partner.
//! Rows T1, T2, T3, T4, T5.

use hmac::{Hmac, Mac};
use kontor_kit::clock;
use kontor_proto::directory::v1::ListTimelineEntriesRequest;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{
    Call, CallDirection, CallEvent, CallEventKind, CallOutcome, CallState, Connector, CreateCallRequest,
    CreateConnectorRequest, GrpcSettings, ListCallsRequest, Party, PushCallEventsRequest,
    WatchCallPopsRequest, WebhookSettings,
};
use kontor_tests::{Answer, Grpc, Http, Sandbox, both};
use sha2::Sha256;
use tonic::Code;

use crate::support::{add_opportunity, add_partner, eventually};

const SECRET: &str = "a secret of sixteen or more";

async fn add_connector(sandbox: &Sandbox, id: &str, kind: Kind) {
    let connector =
        Connector { display_name: id.into(), kind: Some(kind), region: "BE".into(), ..Default::default() };
    let request =
        CreateConnectorRequest { connector: Some(connector), connector_id: id.into(), ..Default::default() };
    sandbox.grpc("admin").connectors().create_connector(request).await.expect("a new connector");
}

async fn webhook(sandbox: &Sandbox) {
    add_connector(sandbox, "pbx", Kind::Webhook(WebhookSettings { secret: SECRET.into() })).await;
}

fn now_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn signature(secret: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={digest}")
}

async fn post(sandbox: &Sandbox, connector: &str, timestamp: i64, signature: &str, body: &str) -> Answer {
    let headers = [
        ("x-kontor-timestamp", &*timestamp.to_string()),
        ("x-kontor-signature", signature),
        ("content-type", "application/json"),
    ];
    Http::new(&sandbox.address())
        .send("POST", &format!("/telephony/{connector}/events"), &headers, body.to_owned())
        .await
}

async fn post_signed(sandbox: &Sandbox, body: &str) -> Answer {
    let now = now_seconds();
    post(sandbox, "pbx", now, &signature(SECRET, now, body), body).await
}

/// The four events of one answered call of 30 seconds that rang for 5; `base` is its start in seconds.
fn events(call_id: &str, from: &str, base: i64) -> Vec<String> {
    let at = |seconds: i64| jiff::Timestamp::from_second(base + seconds).expect("an instant");
    vec![
        format!(
            r#"{{"call_id":"{call_id}","kind":"RINGING","event_time":"{}","direction":"INBOUND","from":"{from}","to":"+3225550000","extension":"101"}}"#,
            at(0)
        ),
        format!(r#"{{"call_id":"{call_id}","kind":"ANSWERED","event_time":"{}","extension":"101"}}"#, at(5)),
        format!(r#"{{"call_id":"{call_id}","kind":"HUNGUP","event_time":"{}"}}"#, at(35)),
    ]
}

async fn calls(grpc: &Grpc) -> Vec<Call> {
    grpc.calls().list_calls(ListCallsRequest::default()).await.expect("calls").into_inner().calls
}

async fn ended(grpc: &Grpc, external_id: &str) -> Call {
    eventually("the call's end", async || {
        calls(grpc)
            .await
            .into_iter()
            .find(|call| call.external_id == external_id && call.state() == CallState::Ended)
    })
    .await
}

both! {
    async fn t1_events_in_any_order_and_doubled_give_one_correct_call(sandbox: Sandbox) {
        webhook(&sandbox).await;
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Anna Peeters", "0471 11 22 33", "").await;
        let base = now_seconds() - 60;
        let orders: [&[usize]; 6] = [&[0, 1, 2], &[2, 1, 0], &[1, 0, 2], &[2, 0, 1], &[0, 0, 2, 1, 1, 2, 0], &[1, 2, 1, 0]];
        for (number, order) in orders.iter().enumerate() {
            let id = format!("call-{number}");
            let events = events(&id, "+32471112233", base);
            for at in *order {
                post_signed(&sandbox, &events[*at]).await.expect(200);
            }
            let call = ended(&grpc, &id).await;
            assert_eq!(call.direction(), CallDirection::Inbound, "{order:?}");
            assert_eq!(call.outcome(), CallOutcome::Answered, "{order:?}");
            assert_eq!(call.ring_duration.expect("ring time").seconds, 5, "{order:?}");
            assert_eq!(call.talk_duration.expect("talk time").seconds, 30, "{order:?}");
            assert_eq!(call.caller.as_ref().expect("a caller").e164, "+32471112233");
            assert_eq!(call.partner, partner.name);
        }
        assert_eq!(calls(&grpc).await.len(), orders.len());
    }

    async fn t2_a_wrong_signature_an_old_post_and_an_unknown_connector_each_have_their_answer(sandbox: Sandbox) {
        webhook(&sandbox).await;
        let body = events("x", "+32471112233", now_seconds())[0].clone();
        let now = now_seconds();
        post(&sandbox, "pbx", now, &signature("another secret altogether", now, &body), &body).await.expect(401);
        post(&sandbox, "pbx", now, "", &body).await.expect(401);
        post(&sandbox, "pbx", now - 3_600, &signature(SECRET, now - 3_600, &body), &body).await.expect(401);
        post(&sandbox, "nobody", now, &signature(SECRET, now, &body), &body).await.expect(404);
        let changed = body.replace("RINGING", "HUNGUP");
        post(&sandbox, "pbx", now, &signature(SECRET, now, &body), &changed).await.expect(401);
        let wrong = body.replace("RINGING", "SINGING");
        let answer = post_signed(&sandbox, &wrong).await.expect(400);
        assert!(answer.text().contains("kind"), "{}", answer.text());
        let answer = post_signed(&sandbox, "{\"events\":[{\"call_id\":\"\"}]}").await.expect(400);
        assert!(answer.text().contains("call_id"), "{}", answer.text());
        post_signed(&sandbox, "not json").await.expect(400);
        post_signed(&sandbox, &"[".repeat(200_000)).await.expect(400);
        assert!(calls(&sandbox.grpc("sales")).await.is_empty(), "nothing was stored");
        post_signed(&sandbox, &body).await.expect(200);
    }

    async fn t2_a_grpc_stream_is_acknowledged_event_by_event_and_goes_on_after_a_fault(sandbox: Sandbox) {
        add_connector(&sandbox, "switch", Kind::Grpc(GrpcSettings { user: "users/sales".into() })).await;
        let base = clock::to_proto((now_seconds() - 60) * 1_000_000);
        let event = |kind: CallEventKind, seconds: i64| CallEvent {
            call_id: "g1".into(),
            kind: kind.into(),
            event_time: Some(prost_types::Timestamp { seconds: base.seconds + seconds, nanos: 0 }),
            direction: CallDirection::Inbound.into(),
            from: "+32471112233".into(),
            to: "101".into(),
            ..Default::default()
        };
        let push = |sequence, event| PushCallEventsRequest { connector: "connectors/switch".into(), sequence, event: Some(event) };
        let messages = vec![
            push(1, event(CallEventKind::Ringing, 0)),
            push(2, CallEvent::default()),
            push(3, event(CallEventKind::Hungup, 12)),
        ];
        let mut answers = sandbox.grpc("sales").ingest().push_call_events(futures_util::stream::iter(messages.clone())).await.expect("a stream").into_inner();
        let mut got = Vec::new();
        while let Some(answer) = answers.message().await.expect("no error") {
            got.push((answer.sequence, answer.error.is_empty(), answer.call));
        }
        assert_eq!(got.iter().map(|(sequence, good, _)| (*sequence, *good)).collect::<Vec<_>>(), [(1, true), (2, false), (3, true)]);
        assert_eq!(got[0].2, got[2].2);
        let call = ended(&sandbox.grpc("sales"), "g1").await;
        assert_eq!(call.outcome(), CallOutcome::Missed);
        let refused = sandbox.grpc("neighbour").ingest().push_call_events(futures_util::stream::iter(messages)).await;
        let denied = match refused {
            Err(status) => status.code() == Code::PermissionDenied,
            Ok(answers) => match answers.into_inner().message().await {
                Err(status) => status.code() == Code::PermissionDenied,
                Ok(first) => first.is_some_and(|answer| !answer.error.is_empty()),
            },
        };
        assert!(denied, "a neighbour may not push");
    }

    async fn t3_a_number_alone_finds_one_partner_two_candidates_or_nobody(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let only = add_partner(&grpc, "Only", "+32 471 11 22 33", "").await;
        let first = add_partner(&grpc, "First", "+32 2 555 10 20", "").await;
        let second = add_partner(&grpc, "Second", "02 555 10 20", "").await;
        let log = async |number: &str, direction: CallDirection| {
            let outside = Some(Party { number: number.into(), ..Default::default() });
            let (caller, callee) = if direction == CallDirection::Inbound { (outside, None) } else { (None, outside) };
            let call = Call { direction: direction.into(), caller, callee, ..Default::default() };
            let request = CreateCallRequest { call: Some(call), ..Default::default() };
            grpc.calls().create_call(request).await.expect("logged").into_inner()
        };
        assert_eq!(log("0471/11.22.33", CallDirection::Inbound).await.partner, only.name);
        assert_eq!(log("+32471112233", CallDirection::Outbound).await.partner, only.name);
        let two = log("+32 2 555 10 20", CallDirection::Inbound).await;
        let mut candidates = two.partner_candidates.clone();
        candidates.sort();
        let mut expected = vec![first.name, second.name];
        expected.sort();
        assert_eq!((two.partner.as_str(), candidates), ("", expected));
        let none = log("+32 499 00 00 00", CallDirection::Inbound).await;
        assert!(none.partner.is_empty() && none.partner_candidates.is_empty());
        assert_eq!(none.caller.expect("a caller").e164, "+32499000000");
    }

    async fn t4_a_call_stands_once_on_the_partners_timeline_and_on_its_opportunity(sandbox: Sandbox) {
        webhook(&sandbox).await;
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Anna Peeters", "0471 11 22 33", "").await;
        let deal = add_opportunity(&grpc, "Machine", &partner.name, "users/sales").await;
        for event in events("c1", "0471112233", now_seconds() - 60) {
            post_signed(&sandbox, &event).await.expect(200);
            post_signed(&sandbox, &event).await.expect(200);
        }
        let call = ended(&grpc, "c1").await;
        assert_eq!(call.opportunity, deal.name);
        let entries = async || {
            let request = ListTimelineEntriesRequest { parent: partner.name.clone(), ..Default::default() };
            let entries = grpc.partners().list_timeline_entries(request).await.expect("a timeline").into_inner().timeline_entries;
            entries.into_iter().filter(|entry| entry.kind == "call").collect::<Vec<_>>()
        };
        eventually("the entry", async || (!entries().await.is_empty()).then_some(())).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let found = entries().await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].subject, call.name);
    }

    async fn t5_a_ringing_call_pops_up_with_partner_and_open_opportunities(sandbox: Sandbox) {
        webhook(&sandbox).await;
        let grpc = sandbox.grpc("sales");
        give_extension(&sandbox, "sales", "101").await;
        let partner = add_partner(&grpc, "Anna Peeters", "0471 11 22 33", "").await;
        add_opportunity(&grpc, "Machine", &partner.name, "users/sales").await;
        add_opportunity(&grpc, "Spare parts", &partner.name, "users/sales").await;
        let mut pops = grpc.calls().watch_call_pops(WatchCallPopsRequest::default()).await.expect("a stream").into_inner();
        let mut others = sandbox.grpc("neighbour").calls().watch_call_pops(WatchCallPopsRequest::default()).await.expect("a stream").into_inner();
        post_signed(&sandbox, &events("c1", "+32471112233", now_seconds())[0]).await.expect(200);
        let pop = tokio::time::timeout(std::time::Duration::from_secs(5), pops.message()).await;
        let pop = pop.expect("a pop in time").expect("no error").expect("a pop");
        assert_eq!(pop.partner_display_name, "Anna Peeters");
        assert_eq!(pop.open_opportunities.len(), 2);
        assert!(!pop.last_contacts.is_empty());
        let call = pop.call.expect("a call");
        assert_eq!((call.state(), call.partner), (CallState::Ringing, partner.name));
        let silence = tokio::time::timeout(std::time::Duration::from_millis(300), others.message()).await;
        assert!(silence.is_err(), "nobody else gets it");
    }
}

async fn give_extension(sandbox: &Sandbox, user: &str, extension: &str) {
    use kontor_proto::directory::v1::{UpdateUserRequest, User};
    let user = User { name: format!("users/{user}"), extension: extension.into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["extension".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("an extension");
}
