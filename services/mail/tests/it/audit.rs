//! Row H4 in mail: mailings, suppressions and limits are told by field.

use kontor_proto::mail::v1 as proto;
use kontor_testbed::admin;
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};

use crate::world::World;

kontor_testbed::on_both! { World; h4_mailings_suppressions_and_limits_are_told_by_field }

/// What the SQL of mail writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("installation", "not: the key, made once"),
    ("lane", "not: follows from who waits"),
    ("outgoing", "not: what became of each recipient stands in the mailing; as letters"),
    ("outgoing_halt", "not: follows from merges of partners, which the directory tells"),
    ("outgoing_move", "not: follows from merges of partners, which the directory tells"),
    ("pace", "not: how servers took messages"),
    ("suppression", "kit::resource when it is deleted; by hand in store/suppression.rs when it is made"),
    ("withdrawal", "not: what is on its way to the directory, which tells it"),
    ("worker", "not: signs of life"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

async fn h4_mailings_suppressions_and_limits_are_told_by_field(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example"]).await;
    world.send(&mailing).await;
    let audit = Audit::new(&world.link, "mail");
    let told: Vec<String> = audit.of(&mailing).await.iter().map(line).collect();
    assert!(told[0].starts_with("CREATE sales by CreateMailing: display_name -> News;"), "{told:?}");
    assert!(
        told[1].starts_with("UPDATE sales by StartMailing: state DRAFT -> RUNNING; revision"),
        "{told:?}"
    );
    assert!(told[2].contains("state RUNNING -> COMPLETED"), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
    let suppression = world.suppress("b@one.example", "").await;
    let told: Vec<String> = audit.of(&suppression.name).await.iter().map(line).collect();
    assert_eq!(told, ["CREATE sales by CreateSuppression: address -> b@one.example; cause -> MANUAL"]);
    let limit = proto::DomainLimit {
        name: "domainLimits/one.example".to_owned(),
        messages_per_minute: 5,
        ..Default::default()
    };
    let request = proto::SetDomainLimitRequest { domain_limit: Some(limit), ..Default::default() };
    world.limits.clone().set_domain_limit(admin().request(request)).await.unwrap();
    let told: Vec<String> = audit.of("domainLimits/one.example").await.iter().map(line).collect();
    assert_eq!(told, ["CREATE admin by SetDomainLimit: messages_per_minute -> 5; connections -> 0"]);
    audit.whole().await;
}
