//! T2: posts of Twilio, Plivo and Vonage, signed by the vendors' own SDKs (`tests/vectors/`), and of 3CX, give one correct call in any order.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use serde_json::Value;
use tonic::{Response, Status};

use crate::world::{ANNA, World};

kontor_testbed::on_both! { World;
    t2_twilio_gives_one_call_in_any_order,
    t2_plivo_gives_one_call_in_any_order,
    t2_vonage_gives_one_call_in_any_order,
    t2_a_call_of_which_only_the_ends_are_told_is_whole,
    t2_every_post_of_the_vendors_sdks_is_taken,
    t2_a_call_of_a_cloud_system_pops_up_where_it_rings,
    t2_threecx_reports_give_one_call_by_number_and_time,
}

/// A post of `tests/vectors/`.
#[derive(Clone, Debug)]
pub struct Vector {
    pub name: String,
    pub headers: BTreeMap<String, String>,
    pub query: String,
    pub body: String,
    /// Reason of the refusal; empty when it is taken.
    pub refused: String,
}

/// The posts of a provider, and the connector of its name that takes them.
pub async fn connect(world: &World, provider: &str) -> Vec<Vector> {
    let path = format!("{}/tests/vectors/{provider}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (secret, public_url) = (text(&file["secret"]), text(&file["public_url"]));
    let kind = match provider {
        "twilio" => Kind::Twilio(proto::TwilioSettings { auth_token: secret, public_url }),
        "plivo" => Kind::Plivo(proto::PlivoSettings { auth_token: secret, public_url }),
        _ => Kind::Vonage(proto::VonageSettings { signature_secret: secret }),
    };
    world.add_connector(provider, kind).await.unwrap();
    let posts = file["posts"].as_array().unwrap().iter();
    let posts = posts.map(|post| Vector {
        name: text(&post["name"]),
        headers: post["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        query: text(&post["query"]),
        body: text(&post["body"]),
        refused: text(&post["refused"]),
    });
    posts.collect()
}

/// Posts as the gateway hands it on.
pub async fn send(
    world: &World,
    connector: &str,
    vector: &Vector,
) -> Result<proto::ReceiveWebhookResponse, Status> {
    let request = proto::ReceiveWebhookRequest {
        connector: format!("connectors/{connector}"),
        headers: vector.headers.clone(),
        body: vector.body.clone().into_bytes().into(),
        method: "POST".to_owned(),
        path: format!("/telephony/{connector}/events"),
        query: vector.query.clone(),
    };
    world.ingest.clone().receive_webhook(Caller::system().request(request)).await.map(Response::into_inner)
}

/// The posts of the one whole call in the vectors: its names begin with "call", "leg" or "other leg".
fn whole_call(vectors: &[Vector]) -> Vec<Vector> {
    let of_call =
        |it: &&Vector| ["call ", "leg ", "other leg "].iter().any(|begin| it.name.starts_with(begin));
    vectors.iter().filter(of_call).cloned().collect()
}

/// Some of the orders of so many things, the first and the last among them.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![(0..count).collect::<Vec<_>>(), (0..count).rev().collect()];
    // a small generator with a fixed seed
    let mut seed = 7_u64;
    for _ in 0..6 {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, usize::try_from(seed >> 33).unwrap() % (at + 1));
        }
        all.push(order);
    }
    all
}

/// Each order gives the same call; each order is another connector, so that the calls are other ones.
async fn same_in_any_order(world: &World, provider: &str, doubled: bool) -> proto::Call {
    let vectors = connect(world, provider).await;
    let posts = whole_call(&vectors);
    assert!(posts.len() >= 5, "{posts:?}");
    let mut first: Option<proto::Call> = None;
    let kind = world.connector(provider).await.kind.unwrap();
    for (number, order) in orders(posts.len()).into_iter().enumerate() {
        let name = format!("{provider}-{number}");
        let with_secret = with_secret(&kind, provider);
        world.add_connector(&name, with_secret).await.unwrap();
        for at in &order {
            send(world, &name, &posts[*at]).await.unwrap();
            if doubled {
                send(world, &name, &posts[*at]).await.unwrap();
            }
        }
        world.pass(4);
        let mut calls = world.list(&format!("connector = \"connectors/{name}\"")).await;
        assert_eq!(calls.len(), 1, "{order:?}: {calls:#?}");
        let mut call = calls.remove(0);
        call.name.clear();
        call.connector.clear();
        call.etag.clear();
        let first = first.get_or_insert_with(|| call.clone());
        assert_eq!(*first, call, "{order:?}");
        world.pass(-4);
    }
    first.unwrap()
}

fn with_secret(kind: &Kind, provider: &str) -> Kind {
    let path = format!("{}/tests/vectors/{provider}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let secret = file["secret"].as_str().unwrap().to_owned();
    match kind.clone() {
        Kind::Twilio(it) => Kind::Twilio(proto::TwilioSettings { auth_token: secret, ..it }),
        Kind::Plivo(it) => Kind::Plivo(proto::PlivoSettings { auth_token: secret, ..it }),
        Kind::Vonage(_) => Kind::Vonage(proto::VonageSettings { signature_secret: secret }),
        other => panic!("{other:?}"),
    }
}

/// What all of them must know of the call: from Anna, taken at extension 101.
fn check(call: &proto::Call) {
    assert_eq!(call.state(), CallState::Ended);
    assert_eq!(call.direction(), CallDirection::Inbound);
    assert_eq!(call.outcome(), CallOutcome::Answered);
    assert_eq!(call.caller.as_ref().unwrap().e164, ANNA);
    assert_eq!(call.callee.as_ref().unwrap().e164, "+3225550000");
    assert_eq!(call.user, "users/sales");
}

fn seconds(call: &proto::Call) -> (i64, i64) {
    (call.ring_duration.unwrap().seconds, call.talk_duration.unwrap().seconds)
}

async fn t2_twilio_gives_one_call_in_any_order(world: World) {
    let call = same_in_any_order(&world, "twilio", true).await;
    check(&call);
    assert_eq!(call.external_id, format!("CA{}", "a".repeat(32)));
    assert_eq!(seconds(&call), (5, 45));
    assert_eq!(call.caller.unwrap().display_name, "PEETERS ANNA & CO");
}

async fn t2_plivo_gives_one_call_in_any_order(world: World) {
    // Dial's callbacks have no time, so they happen when they come
    let call = same_in_any_order(&world, "plivo", true).await;
    check(&call);
    assert_eq!(call.external_id, "11111111-aaaa");
}

async fn t2_vonage_gives_one_call_in_any_order(world: World) {
    // each post of Vonage may come once only
    let call = same_in_any_order(&world, "vonage", false).await;
    check(&call);
    assert_eq!(call.external_id, "CON-aaaa0000");
    assert_eq!(seconds(&call), (5, 45));
}

async fn t2_a_call_of_which_only_the_ends_are_told_is_whole(world: World) {
    // Kontor was away while it rang and was taken; "ringing" may be left out at any time
    for provider in ["twilio", "plivo", "vonage"] {
        let vectors = connect(&world, provider).await;
        let ends = whole_call(&vectors);
        let ends = ends.iter().filter(|it| it.name.ends_with("completed") || it.name.ends_with("hung up"));
        for vector in ends {
            send(&world, provider, vector).await.unwrap();
        }
        let call = world.list(&format!("connector = \"connectors/{provider}\"")).await.remove(0);
        check(&call);
        assert!(call.talk_duration.unwrap().seconds >= 44, "{call:?}");
    }
}

async fn t2_every_post_of_the_vendors_sdks_is_taken(world: World) {
    for provider in ["twilio", "plivo", "vonage"] {
        let vectors = connect(&world, provider).await;
        let good: Vec<_> = vectors.iter().filter(|vector| vector.refused.is_empty()).collect();
        assert!(good.len() >= 9, "{provider}");
        for vector in good {
            let taken = send(&world, provider, vector).await;
            assert!(taken.is_ok(), "{provider}, {}: {taken:?}", vector.name);
        }
        let state = world.connector(provider).await.state.unwrap();
        assert_eq!((state.connected, state.last_error.as_str(), state.refused_posts.len()), (true, "", 0));
    }
    let busy = world.list("outcome = BUSY").await;
    assert_eq!(busy.len(), 3, "one of each provider: {busy:#?}");
    assert!(busy.iter().all(|call| call.direction() == CallDirection::Outbound));
    assert!(busy.iter().all(|call| call.callee.as_ref().unwrap().e164 == ANNA));
}

async fn t2_a_call_of_a_cloud_system_pops_up_where_it_rings(world: World) {
    for provider in ["twilio", "plivo", "vonage"] {
        let vectors = connect(&world, provider).await;
        let request =
            kontor_testbed::caller("sales", &["sales"], &[]).request(proto::WatchCallPopsRequest::default());
        let mut pops = world.calls.clone().watch_call_pops(request).await.unwrap().into_inner();
        for vector in whole_call(&vectors).iter().filter(|it| it.name.ends_with("ringing")) {
            send(&world, provider, vector).await.unwrap();
        }
        let pop = tokio::time::timeout(std::time::Duration::from_secs(5), pops.message()).await;
        let call = pop.expect("it rings").unwrap().unwrap().call.unwrap();
        assert_eq!((call.state(), call.caller.unwrap().e164.as_str()), (CallState::Ringing, ANNA));
    }
}

/// A report as 3CX's template sends it.
fn report(kind: &str, number: &str, agent: &str) -> Value {
    serde_json::json!({
        "type": kind, "number": number, "agent": agent, "name": "Anna Peeters", "start": "2026-11-23T09:00:05Z",
        "established": "2026-11-23 09:00:10", "end": "11/23/2026 9:00:54 AM", "duration": "00:00:44",
    })
}

async fn t2_threecx_reports_give_one_call_by_number_and_time(world: World) {
    let made =
        world.add_connector("threecx", Kind::Threecx(proto::ThreeCxSettings::default())).await.unwrap();
    let Some(Kind::Threecx(settings)) = made.kind else { panic!("{made:?}") };
    assert_eq!(settings.token.len(), 64, "it is made, and shown once");
    let Some(Kind::Threecx(hidden)) = world.connector("threecx").await.kind else { panic!() };
    assert_eq!(hidden.token, "");
    let post = async |kind: &str, body: String| {
        let headers =
            [("authorization", format!("Bearer {}", settings.token)), ("content-type", kind.to_owned())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        world.post_with("threecx", BTreeMap::from(headers), &body).await
    };
    let inbound = report("Inbound", "0475 12 34 56", "101").to_string();
    let first = post("application/json; charset=utf-8", inbound.clone()).await.unwrap();
    world.pass(60);
    // the same call in another spelling, as XML, and once more
    let xml = "<?xml version=\"1.0\"?><call><type>Inbound</type><number>+32475123456</number><agent>101</agent><name>Anna Peeters</name>\
        <start>2026-11-23T09:00:05Z</start><established>2026-11-23T09:00:10Z</established><end>2026-11-23T09:00:54Z</end></call>";
    assert_eq!(post("text/xml", xml.to_owned()).await.unwrap(), first);
    assert_eq!(post("application/json", inbound).await.unwrap(), first);
    let call = world.only_call().await;
    assert_eq!((call.direction(), call.outcome()), (CallDirection::Inbound, CallOutcome::Answered));
    assert_eq!((call.caller.as_ref().unwrap().e164.as_str(), call.user.as_str()), (ANNA, "users/sales"));
    assert_eq!(seconds(&call), (5, 44));
    assert_eq!(call.caller.unwrap().display_name, "Anna Peeters");
    let form =
        "type=Notanswered&number=0475123457&agent=101&start=2026-11-23T09:00:05Z&end=2026-11-23T09:00:25Z";
    post("application/x-www-form-urlencoded", form.to_owned()).await.unwrap();
    let missed = report("Missed", "0475123458", "102").to_string();
    post("application/json", missed).await.unwrap();
    let outcome = async |filter: &str| {
        world.list(filter).await.first().map(|call| (call.direction(), call.user.clone()))
    };
    assert_eq!(
        outcome("outcome = NO_ANSWER").await,
        Some((CallDirection::Outbound, "users/sales".to_owned()))
    );
    assert_eq!(
        outcome("outcome = MISSED").await,
        Some((CallDirection::Inbound, "users/operator".to_owned()))
    );
}
