//! T2: what cloud telephone systems did not sign, and rubbish that they did, is refused, named and counted.

use std::collections::BTreeMap;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_testbed::admin;
use tonic::Code;

use crate::cloud::{Vector, connect, send};
use crate::world::{World, event, refusal};

kontor_testbed::on_both! { World;
    t2_every_forged_post_is_refused_named_and_counted,
    t2_a_replayed_post_of_vonage_is_refused_and_one_that_was_not_stored_may_come_again,
    t2_old_posts_of_twilio_sent_again_change_nothing,
    t2_without_a_public_address_the_state_says_what_to_do,
    t2_settings_of_cloud_systems_are_checked_and_their_secrets_stay_inside,
    t2_rubbish_with_a_good_token_names_the_field,
    t2_refused_posts_are_counted_without_a_write_for_each,
}

async fn t2_every_forged_post_is_refused_named_and_counted(world: World) {
    for provider in ["twilio", "plivo", "vonage"] {
        let vectors = connect(&world, provider).await;
        let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
        for vector in vectors.iter().filter(|vector| !vector.refused.is_empty()) {
            let refused = send(&world, provider, vector).await;
            let status = refused.expect_err(&vector.name);
            assert_eq!(status.code(), Code::Unauthenticated, "{provider}, {}", vector.name);
            let (reason, _) = kontor_kit::error::reason(&status).unwrap();
            assert_eq!(reason, vector.refused, "{provider}, {}: {}", vector.name, status.message());
            assert!(
                status.message().contains(':') || status.message().contains("header"),
                "{}",
                status.message()
            );
            *wanted.entry(reason).or_default() += 1;
        }
        // what is counted at last is written within a second
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let state = world.connector(provider).await.state.unwrap();
        let counted = state.refused_posts.iter().map(|it| (it.reason.clone(), it.count)).collect();
        assert_eq!(wanted, counted, "{provider}");
        assert!(state.refused_posts.iter().all(|it| !it.description.is_empty() && it.last_time.is_some()));
        assert!(!state.last_error.is_empty() && state.last_event_time.is_none());
    }
    assert!(world.list("").await.is_empty(), "nothing was stored");
    assert!(world.events().await.is_empty());
}

fn named(vectors: &[Vector], name: &str) -> Vector {
    vectors.iter().find(|it| it.name == name).cloned().unwrap_or_else(|| panic!("no post {name}"))
}

async fn t2_a_replayed_post_of_vonage_is_refused_and_one_that_was_not_stored_may_come_again(world: World) {
    let vectors = connect(&world, "vonage").await;
    let post = named(&vectors, "call ringing");
    send(&world, "vonage", &post).await.unwrap();
    let (code, words) = refusal(send(&world, "vonage", &post).await);
    assert_eq!(code, Code::Unauthenticated);
    assert!(words.contains("before"), "{words}");
    // two at once: one is taken
    let post = named(&vectors, "call completed");
    let (one, other) = tokio::join!(send(&world, "vonage", &post), send(&world, "vonage", &post));
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?}, {other:?}");
    let state = world.connector("vonage").await.state.unwrap();
    assert!(state.refused_posts.iter().any(|it| it.reason == "REPLAYED"), "{state:?}");
    // a disabled connector takes nothing, and does not use the post up either
    let post = named(&vectors, "call answered");
    disable(&world, "vonage", true).await;
    assert_eq!(refusal(send(&world, "vonage", &post).await).0, Code::FailedPrecondition);
    disable(&world, "vonage", false).await;
    send(&world, "vonage", &post).await.unwrap();
    // five minutes later its time is over
    world.pass(301);
    let (_, words) = refusal(send(&world, "vonage", &named(&vectors, "leg ringing")).await);
    assert!(words.contains("301 s old"), "{words}");
}

async fn disable(world: &World, connector: &str, disabled: bool) {
    let connector =
        proto::Connector { name: format!("connectors/{connector}"), disabled, ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["disabled".to_owned()] });
    let request =
        proto::UpdateConnectorRequest { connector: Some(connector), update_mask, ..Default::default() };
    world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
}

async fn t2_old_posts_of_twilio_sent_again_change_nothing(world: World) {
    let vectors = connect(&world, "twilio").await;
    let call: Vec<_> = vectors.iter().filter(|it| it.refused.is_empty()).take(7).collect();
    for post in &call {
        send(&world, "twilio", post).await.unwrap();
    }
    world.settle(2).await;
    let before = world.only_call().await;
    for hours in [1, 30] {
        world.pass(hours * 3_600);
        for post in &call {
            send(&world, "twilio", post).await.unwrap();
        }
    }
    // the post without a time is later news each time, which is kept and seen nowhere
    let after = world.only_call().await;
    assert_eq!(proto::Call { etag: before.etag.clone(), ..after }, before);
    world.settle(2).await;
}

async fn t2_without_a_public_address_the_state_says_what_to_do(world: World) {
    for (id, kind) in [
        (
            "twilio",
            Kind::Twilio(proto::TwilioSettings {
                auth_token: "1234567890".into(),
                public_url: String::new(),
            }),
        ),
        (
            "plivo",
            Kind::Plivo(proto::PlivoSettings { auth_token: "1234567890".into(), public_url: String::new() }),
        ),
    ] {
        world.add_connector(id, kind).await.unwrap();
        let state = world.connector(id).await.state.unwrap();
        assert!(!state.connected && state.description.contains("set public_url"), "{state:?}");
        let headers = BTreeMap::from([
            ("x-twilio-signature".to_owned(), "eA==".to_owned()),
            ("x-plivo-signature-v3".to_owned(), "eA==".to_owned()),
            ("x-plivo-signature-v3-nonce".to_owned(), "1".to_owned()),
        ]);
        let (code, words) = refusal(world.post_with(id, headers, "a=b").await);
        assert_eq!(code, Code::Unauthenticated);
        assert!(words.contains("public_url"), "{words}");
    }
    world
        .add_connector("vonage", Kind::Vonage(proto::VonageSettings { signature_secret: "12345678".into() }))
        .await
        .unwrap();
    assert!(world.connector("vonage").await.state.unwrap().connected, "its signature covers no address");
}

async fn t2_settings_of_cloud_systems_are_checked_and_their_secrets_stay_inside(world: World) {
    let twilio = |token: &str, url: &str| {
        Kind::Twilio(proto::TwilioSettings { auth_token: token.to_owned(), public_url: url.to_owned() })
    };
    let bad = [
        (twilio("", ""), "connector.twilio.auth_token: "),
        (twilio("two words 12345", ""), "connector.twilio.auth_token: "),
        (twilio("1234567890", "crm.example.com"), "connector.twilio.public_url: "),
        (twilio("1234567890", "https://crm.example.com/?a=b"), "connector.twilio.public_url: "),
        (Kind::Plivo(proto::PlivoSettings::default()), "connector.plivo.auth_token: "),
        (Kind::Vonage(proto::VonageSettings::default()), "connector.vonage.signature_secret: "),
        (Kind::Threecx(proto::ThreeCxSettings { token: "short".into() }), "connector.threecx.token: "),
    ];
    for (kind, beginning) in bad {
        let (code, words) = refusal(world.add_connector("fine", kind).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
    let made =
        world.add_connector("twilio", twilio("hush-hush-hush", "https://crm.example.com")).await.unwrap();
    let change = |kind: Kind, path: &str| proto::UpdateConnectorRequest {
        connector: Some(proto::Connector { name: made.name.clone(), kind: Some(kind), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    let mut client = world.connectors.clone();
    let request = change(twilio("", "https://other.example.com"), "twilio");
    let changed = client.update_connector(admin().request(request)).await.unwrap().into_inner();
    let Some(Kind::Twilio(settings)) = &changed.kind else { panic!("{changed:?}") };
    assert_eq!(
        (settings.auth_token.as_str(), settings.public_url.as_str()),
        ("", "https://other.example.com")
    );
    let request = change(twilio("hush-hush-again", "https://x.example.com"), "twilio.auth_token");
    let changed = client.update_connector(admin().request(request)).await.unwrap().into_inner();
    let Some(Kind::Twilio(settings)) = &changed.kind else { panic!("{changed:?}") };
    assert_eq!(settings.public_url, "https://other.example.com");
    let other = change(Kind::Vonage(proto::VonageSettings { signature_secret: "12345678".into() }), "vonage");
    assert_eq!(refusal(client.update_connector(admin().request(other)).await).0, Code::InvalidArgument);
    let told = kontor_testbed::audit::Audit::new(&world.link, "telephony").of("connectors/twilio").await;
    for text in [format!("{made:?}"), format!("{changed:?}"), format!("{told:?}")] {
        assert!(!text.contains("hush"), "{text}");
    }
    assert!(format!("{told:?}").contains("twilio"));
    // the vectors' secret is not that of this connector
    let delete = proto::DeleteConnectorRequest { name: made.name, ..Default::default() };
    client.delete_connector(admin().request(delete)).await.unwrap();
    world.add_connector("twilio", twilio("1234567890", "")).await.unwrap();
    assert!(world.connector("twilio").await.state.unwrap().refused_posts.is_empty());
}

async fn t2_rubbish_with_a_good_token_names_the_field(world: World) {
    let token = "0123456789abcdef";
    world
        .add_connector("threecx", Kind::Threecx(proto::ThreeCxSettings { token: token.into() }))
        .await
        .unwrap();
    let post = async |kind: &str, token: &str, body: &str| {
        let headers = [("authorization", format!("Bearer {token}")), ("content-type", kind.to_owned())];
        world.post_with("threecx", headers.map(|(name, value)| (name.to_owned(), value)).into(), body).await
    };
    let (json, form, xml) = ("application/json", "application/x-www-form-urlencoded", "application/xml");
    let deep = format!("<a>{}</a>", "<b>".repeat(10_000));
    let many: String = (0..201).map(|number| format!("f{number}=1&")).collect();
    let long = format!("number={}", "1".repeat(9_000));
    let large = " ".repeat(64 * 1024 + 1);
    let cases: [(&str, &str, &str); 17] = [
        (json, "", "body: "),
        (json, "[]", "body: "),
        (json, "{}", "number: "),
        (json, "{\"number\": {}}", "number: "),
        (json, "{\"number\": \"1\"}", "start: "),
        (json, "{\"number\": \"1\", \"start\": \"[CallStartTimeUTC]\"}", "start: "),
        (json, "{\"number\": \"1\", \"start\": \"2026-11-23T09:00:05Z\"}", "type: "),
        (json, "{\"number\": \"1\", \"start\": \"2036-11-23T09:00:05Z\", \"type\": \"Inbound\"}", "start: "),
        (
            json,
            "{\"number\": \"1\", \"start\": \"2026-11-23T09:00:05Z\", \"type\": \"Inbound\", \"duration\": \"-1\"}",
            "duration: ",
        ),
        (form, "number=%ff", "body: "),
        (form, &many, "body: "),
        (form, &long, "body: "),
        (form, &large, "body: "),
        (xml, &deep, "body: "),
        (xml, "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "body: "),
        (xml, "<a><number>1</number>", "body: "),
        (xml, "<a><number>&b;</number></a>", "body: "),
    ];
    for (kind, body, beginning) in cases {
        let (code, words) = refusal(post(kind, token, body).await);
        assert_eq!(code, Code::InvalidArgument, "{words}");
        assert!(words.starts_with(beginning), "{words}");
    }
    assert_eq!(refusal(post(json, "0123456789abcdeg", "{}").await).0, Code::Unauthenticated);
    assert_eq!(refusal(world.post_with("threecx", BTreeMap::new(), "{}").await).0, Code::Unauthenticated);
    assert!(world.list("").await.is_empty());
    let state = world.connector("threecx").await.state.unwrap();
    assert!(state.refused_posts.iter().any(|it| it.reason == "UNREADABLE"), "{state:?}");
}

async fn t2_refused_posts_are_counted_without_a_write_for_each(world: World) {
    for _ in 0..500 {
        assert_eq!(refusal(world.post_with("cloud", BTreeMap::new(), "{}").await).0, Code::Unauthenticated);
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    let state = world.connector("cloud").await.state.unwrap();
    let counted: Vec<_> = state.refused_posts.iter().map(|it| (it.reason.as_str(), it.count)).collect();
    assert_eq!(counted, [("UNSIGNED", 500)]);
    assert!(state.last_event_time.is_some());
}
