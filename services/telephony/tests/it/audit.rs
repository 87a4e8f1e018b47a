//! Row H4 in telephony: connectors without their secrets, calls by connector and by hand.

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::r#type::v1::ListAuditEntriesRequest;
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};
use kontor_testbed::{admin, caller};

use crate::world::{World, event};

kontor_testbed::on_both! { World;
    h4_connectors_are_told_without_their_secrets,
    h4_calls_are_told_by_connector_and_by_hand,
}

/// What the SQL of telephony writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    (
        "call",
        "by kit::resource; the SQL only takes calls along with their partner, which the directory tells of",
    ),
    (
        "call_entry",
        "by hand in store/list_entry.rs; not its leases, which events tell, nor its import, which the list's entry counts, nor that it goes along with its partner",
    ),
    ("call_entry_move", "not: where an entry came from, which its partner tells"),
    ("call_import", "not: how far an import was"),
    ("call_list_zone", "not: follows from the numbers"),
    ("connector_refusal", "not: what outsiders sent in vain"),
    ("post_seen", "not: which posts were here, for some minutes"),
    (
        "call_operator",
        "by kit::resource, and by operators.rs what is set by hand; the SQL only notes signs of life",
    ),
    ("call_pop", "not: whose screen showed a call"),
    ("dial", "not: what is on its way to the telephone system; its call is, with who asked for it"),
    ("dial_step", "not: what is on its way to the telephone system after somebody answered a dialler"),
    ("dialler_lease", "not: which process places calls"),
    ("connector_state", "not: how a connection is at the moment"),
    ("do_not_call", "by kit::resource, and by its note where one may be there already"),
    ("figure", "not: counts of what the events say"),
    ("operator_period", "not: how the states of an operator followed each other, which the events tell"),
    ("partner_move", "not: where a call came from, which its partner tells"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

async fn lines(world: &World, subject: &str) -> Vec<String> {
    Audit::new(&world.link, "telephony").of(subject).await.iter().map(line).collect()
}

async fn h4_connectors_are_told_without_their_secrets(world: World) {
    let settings = proto::AsteriskSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        username: "kontor".to_owned(),
        secret: "hush".to_owned(),
        ..Default::default()
    };
    let made = world.add_connector("office", Kind::Asterisk(settings.clone())).await.unwrap();
    let changed = proto::AsteriskSettings { secret: "quiet".to_owned(), ..settings };
    let request = proto::UpdateConnectorRequest {
        connector: Some(proto::Connector {
            name: made.name,
            kind: Some(Kind::Asterisk(changed)),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["asterisk.secret".to_owned()] }),
        ..Default::default()
    };
    world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
    let told = lines(&world, "connectors/office").await;
    assert!(told[0].starts_with("CREATE admin by CreateConnector: "), "{told:?}");
    assert!(told[0].contains("kind -> asterisk; secret -> (secret); host -> 127.0.0.1"), "{told:?}");
    assert_eq!(told[1], "UPDATE admin by UpdateConnector: secret (secret) -> (secret)");
    assert!(!format!("{told:?}").contains("hush"));
    let audit = Audit::new(&world.link, "telephony");
    let request =
        || ListAuditEntriesRequest { subject: "connectors/office".to_owned(), ..Default::default() };
    let sales = caller("sales", &["sales"], &[]);
    assert_eq!(audit.list(sales.request(request())).await.unwrap().entries, []);
}

async fn h4_calls_are_told_by_connector_and_by_hand(world: World) {
    for (kind, second) in [("RINGING", 10), ("ANSWERED", 12), ("HUNGUP", 20)] {
        world.post(&event("c", kind, second)).await.unwrap();
    }
    world.settle(2).await;
    let call = world.only_call().await;
    let change = proto::Call { note: "calls back".to_owned(), ..call.clone() };
    let request = proto::UpdateCallRequest {
        call: Some(change),
        update_mask: Some(prost_types::FieldMask { paths: vec!["note".to_owned()] }),
        ..Default::default()
    };
    world.calls.clone().update_call(caller("sales", &["sales"], &[]).request(request)).await.unwrap();
    let told = lines(&world, &call.name).await;
    assert!(
        told[0].starts_with(
            "CREATE cloud by ReceiveWebhook: connector -> cloud; external_id -> c; direction -> "
        ),
        "{told:?}"
    );
    assert_eq!(told.last().unwrap(), "UPDATE sales by UpdateCall: note -> calls back");
    // Ringing and answering are the telephone system's news, not somebody's change.
    assert!(told.len() <= 4, "{told:?}");
    Audit::new(&world.link, "telephony").whole().await;
}
