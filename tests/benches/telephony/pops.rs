//! 200 calls a second by webhook: how long from the event's post to the pop at the one whose telephone rings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use kontor_proto::directory::v1::{Team, UpdateTeamRequest, User};
use kontor_proto::telephony::v1 as proto;
use kontor_tests::{Grpc, Http};
use sha2::Sha256;

use crate::{Bed, PASSWORD};

const SECRET: &str = "a secret of a bench, long";
const USERS: usize = 20;
const CALLS: usize = 2_000;
const EVERY: Duration = Duration::from_millis(5);

/// Times of pops.
pub async fn figures(bed: &Bed) {
    connector(bed).await;
    let begun: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
    for number in 0..USERS {
        let watcher = user(bed, number).await;
        let request = proto::WatchCallPopsRequest::default();
        let mut pops = watcher.calls().watch_call_pops(request).await.expect("a stream").into_inner();
        let (begun, times) = (begun.clone(), times.clone());
        tokio::spawn(async move {
            while let Ok(Some(pop)) = pops.message().await {
                let id = pop.call.expect("a call").external_id;
                let began = begun.lock().expect("whole").get(&id).copied().expect("it was posted");
                times.lock().expect("whole").push(began.elapsed());
            }
        });
    }
    // one telephone system keeps its connections; and so many a second also when one post is late
    let http = Arc::new(Http::new(&bed.process.address));
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let begin = Instant::now();
    // The first ones read the table of users.
    for call in 0..CALLS + USERS {
        ticks.tick().await;
        let http = http.clone();
        let (id, extension) = (format!("pop-{call}"), 200 + call % USERS);
        begun.lock().expect("whole").insert(id.clone(), Instant::now());
        tokio::spawn(async move { ring(&http, &id, extension).await });
    }
    let rate = (CALLS + USERS) as f64 / begin.elapsed().as_secs_f64();
    for _ in 0..500 {
        if times.lock().expect("whole").len() >= CALLS + USERS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut times: Vec<Duration> = times.lock().expect("whole").split_off(USERS);
    assert_eq!(times.len(), CALLS, "each call pops once");
    times.sort();
    println!(
        "\ncall pops at {rate:.0} calls a second: median {:.1} ms, p99 {:.1} ms (aim: 20 at 200 a second), most {:.1} ms",
        milliseconds(times[CALLS / 2]),
        milliseconds(times[CALLS * 99 / 100]),
        milliseconds(times[CALLS - 1])
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn connector(bed: &Bed) {
    let webhook = proto::connector::Kind::Webhook(proto::WebhookSettings { secret: SECRET.into() });
    let connector = proto::Connector {
        display_name: "Bench".into(),
        kind: Some(webhook),
        region: "BE".into(),
        ..Default::default()
    };
    let request = proto::CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "bench".into(),
        ..Default::default()
    };
    bed.admin.connectors().create_connector(request).await.expect("a connector");
}

async fn user(bed: &Bed, number: usize) -> Grpc {
    use kontor_proto::directory::v1::CreateUserRequest;
    let user = User {
        display_name: format!("Operator {number}"),
        extension: (200 + number).to_string(),
        ..Default::default()
    };
    let request = CreateUserRequest {
        user: Some(user),
        user_id: format!("pop{number}"),
        password: PASSWORD.into(),
        ..Default::default()
    };
    bed.admin.users().create_user(request).await.expect("a user");
    let members = (0..=number).map(|number| format!("users/pop{number}")).chain(["users/bench".into()]);
    let team = Team { name: "teams/sales".into(), members: members.collect(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["members".into()] });
    let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
    bed.admin.teams().update_team(request).await.expect("a member");
    Grpc::new(&bed.process.address, &format!("pop{number}"), PASSWORD)
}

async fn ring(http: &Http, id: &str, extension: usize) {
    let now = jiff::Timestamp::now();
    let body = format!(
        r#"{{"call_id":"{id}","kind":"RINGING","event_time":"{now}","direction":"INBOUND","from":"+32475123456","to":"{extension}","extension":"{extension}"}}"#
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(format!("{}.{body}", now.as_second()).as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (time, signature) = (now.as_second().to_string(), format!("v1={digest}"));
    let headers = [("x-kontor-timestamp", time.as_str()), ("x-kontor-signature", &signature)];
    http.send("POST", "/telephony/bench/events", &headers, body).await.expect(200);
}
