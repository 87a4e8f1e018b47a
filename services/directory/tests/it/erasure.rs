//! Row H3 in the directory: an erased partner is gone at once, never comes back, and every service's report is kept.
//! The other services are real outboxes on the real bus; what they erase is tested where they stand.

use std::time::Duration;

use kontor_kit::auth::Guard;
use kontor_kit::link::Link;
use kontor_kit::outbox::{self, NewEvent};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::pipeline::v1::OpportunityCreated;
use kontor_proto::r#type::v1::{Email, Phone};
use kontor_testbed::traces::traces;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::card::{objects, partners, path, put, sales, sync};
use crate::world::World;

kontor_testbed::on_both! { World;
    h3_a_partner_is_gone_with_all_that_was_merged_into_it_and_never_comes_back,
    h3_the_report_is_done_when_every_service_is_and_each_counts_once,
    h3_only_administrators_erase_and_wrong_wishes_change_nothing,
    h3_what_somebody_else_has_too_is_left_alone,
}

/// A word that stands nowhere else.
const WORD: &str = "zqxerased";

fn erasures(world: &World) -> ErasureServiceClient<Link> {
    ErasureServiceClient::new(world.link.clone())
}

fn person(name: &str, phone: &str, email: &str) -> proto::Partner {
    proto::Partner {
        display_name: format!("{name} {WORD}"),
        note: format!("likes {WORD}"),
        phones: if phone.is_empty() { Vec::new() } else { vec![number(phone)] },
        emails: vec![Email { address: email.to_owned(), ..Default::default() }],
        ..Default::default()
    }
}

fn number(phone: &str) -> Phone {
    Phone { number: phone.to_owned(), ..Default::default() }
}

async fn create(world: &World, partner: proto::Partner, id: &str) -> Result<proto::Partner, Status> {
    let request = proto::CreatePartnerRequest {
        partner: Some(partner),
        request_id: id.to_owned(),
        ..Default::default()
    };
    Ok(partners(world).create_partner(sales().request(request)).await?.into_inner())
}

async fn get(world: &World, name: &str) -> Result<proto::Partner, Status> {
    let request = proto::GetPartnerRequest { name: name.to_owned() };
    Ok(partners(world).get_partner(sales().request(request)).await?.into_inner())
}

async fn merge(world: &World, name: &str, other: &str) -> Result<proto::PartnerMerge, Status> {
    let request = proto::MergePartnersRequest {
        name: name.to_owned(),
        others: vec![other.to_owned()],
        ..Default::default()
    };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    Ok(merges.merge_partners(sales().request(request)).await?.into_inner().merge.unwrap())
}

fn wish(name: &str) -> proto::ErasePartnerRequest {
    proto::ErasePartnerRequest {
        name: name.to_owned(),
        reason: proto::ErasureReason::Requested.into(),
        note: "letter of Monday".to_owned(),
        request_id: "once".to_owned(),
        ..Default::default()
    }
}

async fn erase(world: &World, request: proto::ErasePartnerRequest) -> Result<proto::Erasure, Status> {
    Ok(erasures(world).erase_partner(admin().request(request)).await?.into_inner())
}

async fn report(world: &World, name: &str) -> proto::Erasure {
    let request = proto::GetErasureRequest { name: name.to_owned() };
    erasures(world).get_erasure(admin().request(request)).await.unwrap().into_inner()
}

/// Waits until these services have reported.
async fn wait_for(world: &World, name: &str, done: &[&str]) -> proto::Erasure {
    for () in kontor_testbed::patience() {
        let report = report(world, name).await;
        let is_done = |part: &&proto::ServiceErasure| part.state() == proto::ErasureState::Done;
        let seen: Vec<&str> =
            report.services.iter().filter(is_done).map(|part| part.service.as_str()).collect();
        if seen == done {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not done: {:?}", report(world, name).await);
}

fn counts(report: &proto::Erasure, service: &str) -> Vec<(String, i64)> {
    let part = report.services.iter().find(|part| part.service == service).expect("the service");
    part.counts.iter().map(|counted| (counted.kind.clone(), counted.count)).collect()
}

/// The services that take part beside the directory.
const OTHERS: [&str; 3] = ["calendar", "pipeline", "telephony"];

/// Opens the outboxes of the other services, which take part from then on.
async fn others(world: &World) {
    for service in OTHERS {
        world.place.fake(service).await;
    }
}

/// Another service says that it is done, as often as wanted.
async fn say_done(world: &World, service: &'static str, erasure: &str, times: usize) {
    let db = world.place.fake(service).await;
    let counts = vec![proto::ErasedCount { kind: "calls".to_owned(), count: 3 }];
    let erased =
        proto::PartnerDataErased { erasure: erasure.to_owned(), done: true, counts, ..Default::default() };
    for _ in 0..times {
        let (subject, erased) = (erasure.to_owned(), erased.clone());
        db.write(move |tx| {
            tx.publish(NewEvent::new(service, subject.clone(), &Guard::company(), &erased));
            Ok(())
        })
        .await
        .unwrap();
    }
}

async fn h3_a_partner_is_gone_with_all_that_was_merged_into_it_and_never_comes_back(world: World) {
    others(&world).await;
    let anna = create(&world, person("Anna", "+32 471 11 22 33", "zqxerased@example.com"), "").await.unwrap();
    let twin =
        create(&world, person("A.", "+32 471 99 88 77", "zqxerased.a@example.com"), "twin").await.unwrap();
    let other = create(&world, proto::Partner { display_name: "Other".to_owned(), ..Default::default() }, "")
        .await
        .unwrap();
    let merged = merge(&world, &anna.name, &twin.name).await.unwrap();
    world.add_user("sales", "").await;
    let own = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:own\r\nFN:My Anna\r\nEND:VCARD\r\n";
    put(&world, path("sales", "contacts"), "own.vcf", own).await.unwrap();
    let (_, number, book) = sync(&world, -1, "").await;

    let draft =
        erase(&world, proto::ErasePartnerRequest { validate_only: true, ..wish(&twin.name) }).await.unwrap();
    assert_eq!((draft.name.as_str(), draft.partner.as_str()), ("", anna.name.as_str()));
    assert_eq!(counts(&draft, "directory"), [("cards".to_owned(), 2), ("merges".to_owned(), 1)]);
    get(&world, &twin.name).await.unwrap();

    // By the name of the one that went, for both are one partner.
    let erasure = erase(&world, wish(&twin.name)).await.unwrap();
    assert_eq!((&erasure.partner, &erasure.merged_partners), (&anna.name, &vec![twin.name.clone()]));
    assert_eq!(erasure.state(), proto::ErasureState::Pending);
    for name in [&anna.name, &twin.name] {
        assert_eq!(failure(get(&world, name).await).0, Code::NotFound);
        assert_eq!(failure(merge(&world, &other.name, name).await).0, Code::NotFound);
    }
    let lost = sync(&world, number, &book).await.0;
    assert!(lost.len() == 1 && lost[0].missing, "phones lose the card");
    let request = proto::UnmergePartnersRequest { name: merged.name, request_id: String::new() };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    assert_eq!(failure(merges.unmerge_partners(sales().request(request)).await).0, Code::NotFound);
    // A repeat is answered as before, and a second wish finds nobody.
    assert_eq!(erase(&world, wish(&twin.name)).await.unwrap(), erasure);
    let again = proto::ErasePartnerRequest { request_id: String::new(), ..wish(&twin.name) };
    assert_eq!(failure(erase(&world, again).await).0, Code::NotFound);

    let done = wait_for(&world, &erasure.name, &["directory"]).await;
    assert_eq!(
        counts(&done, "directory")[..2],
        [("answers to requests".to_owned(), 1), ("cards".to_owned(), 2)]
    );
    for service in OTHERS {
        say_done(&world, service, &erasure.name, 1).await;
    }
    wait_for(&world, &erasure.name, &["calendar", "directory", "pipeline", "telephony"]).await;
    for () in kontor_testbed::patience() {
        if traces(&world.place.context.storage, &[WORD]).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(traces(&world.place.context.storage, &[WORD, "47111", "47199"]).await, [""; 0]);
    assert_eq!(objects(&world, path("sales", "contacts")).await.len(), 1, "a user's own card is the user's");

    // The request that made one of them is not run anew, and somebody with the same address is somebody new.
    let repeat = create(&world, person("A.", "+32 471 99 88 77", "zqxerased.a@example.com"), "twin").await;
    assert_eq!(failure(repeat), (Code::FailedPrecondition, "ERASED".to_owned()));
    let new = create(&world, person("Anna", "", "zqxerased@example.com"), "").await.unwrap();
    assert!(new.name != anna.name && get(&world, &new.name).await.is_ok());
    assert_eq!(failure(get(&world, &anna.name).await).0, Code::NotFound);
}

async fn h3_the_report_is_done_when_every_service_is_and_each_counts_once(world: World) {
    others(&world).await;
    let anna = create(&world, person("Anna", "+32 471 11 22 33", "zqxerased@example.com"), "").await.unwrap();
    let before = world.events().await;
    let pipeline = world.place.fake("pipeline").await;
    let (partner, created) =
        (anna.name.clone(), OpportunityCreated { title: WORD.to_owned(), ..Default::default() });
    let publish = move |tx: &mut kontor_kit::db::Tx<'_>| {
        let event = NewEvent::new("pipeline", "opportunities/1", &Guard::company(), &created);
        tx.publish(event.partner(partner.clone()));
        Ok(())
    };
    pipeline.write(publish.clone()).await.unwrap();
    let erasure = erase(&world, wish(&anna.name)).await.unwrap();
    assert_eq!((erasure.note.as_str(), erasure.actor.as_str()), ("letter of Monday", "users/admin"));
    say_done(&world, "telephony", &erasure.name, 2).await;
    wait_for(&world, &erasure.name, &["directory", "telephony"]).await;
    // News of before that come late leave nothing behind.
    pipeline.write(publish).await.unwrap();
    say_done(&world, "calendar", &erasure.name, 1).await;
    say_done(&world, "pipeline", &erasure.name, 1).await;
    let done = wait_for(&world, &erasure.name, &["calendar", "directory", "pipeline", "telephony"]).await;
    assert_eq!(done.state(), proto::ErasureState::Done);
    assert!(done.done_time.is_some());
    assert_eq!(counts(&done, "telephony"), [("calls".to_owned(), 3)]);

    let request = proto::ListErasuresRequest::default();
    let listed = erasures(&world).list_erasures(admin().request(request)).await.unwrap().into_inner();
    assert_eq!(listed.erasures, [done]);

    // The stream has all its numbers, tells of the erasure, and says nothing of the person.
    let last = |events: &[kontor_proto::r#type::v1::Event]| {
        events.iter().filter(|event| outbox::kind(event).ends_with("PartnerErasureDone")).count()
    };
    let mut events = world.events().await;
    for () in kontor_testbed::patience() {
        if last(&events) == 1 && !format!("{events:?}").contains("zqx") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        events = world.events().await;
    }
    let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    for (old, new) in before.iter().zip(&events) {
        assert_eq!(
            (&old.event_id, &old.occur_time, &old.subject),
            (&new.event_id, &new.occur_time, &new.subject)
        );
    }
    assert!(
        !events.iter().any(|event| event.payload.as_ref().unwrap().value.windows(3).any(|it| it == b"zqx"))
    );
    let kinds: Vec<&str> =
        events.iter().map(|event| outbox::kind(event).rsplit('.').next().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "ErasedPayload",
            "ErasedPayload",
            "PartnerErased",
            "ErasedPayload",
            "PartnerDataErased",
            "PartnerErasureDone"
        ]
    );
    let db = world.other_process().await;
    let left =
        db.read(|conn| conn.one("SELECT COUNT(*) FROM timeline", &[], |row| row.int(0))).await.unwrap();
    assert_eq!(left, Some(0));
}

async fn h3_only_administrators_erase_and_wrong_wishes_change_nothing(world: World) {
    let anna = create(&world, person("Anna", "", "zqxerased@example.com"), "").await.unwrap();
    let mut client = erasures(&world);
    let denied = client.erase_partner(sales().request(wish(&anna.name))).await;
    assert_eq!(failure(denied).0, Code::PermissionDenied);
    let get_one = proto::GetErasureRequest { name: "erasures/1".to_owned() };
    assert_eq!(failure(client.get_erasure(sales().request(get_one.clone())).await).0, Code::PermissionDenied);
    let list = proto::ListErasuresRequest::default();
    assert_eq!(failure(client.list_erasures(sales().request(list)).await).0, Code::PermissionDenied);
    let stranger = client.erase_partner(wish(&anna.name)).await;
    assert_eq!(failure(stranger).0, Code::Unauthenticated);
    assert_eq!(failure(client.get_erasure(admin().request(get_one)).await).0, Code::NotFound);

    let good = wish(&anna.name);
    for (wrong, code, word) in [
        (proto::ErasePartnerRequest { reason: 0, ..good.clone() }, Code::InvalidArgument, "reason"),
        (proto::ErasePartnerRequest { note: "x".repeat(201), ..good.clone() }, Code::InvalidArgument, "note"),
        (
            proto::ErasePartnerRequest { name: "people/1".to_owned(), ..good.clone() },
            Code::InvalidArgument,
            "name",
        ),
        (
            proto::ErasePartnerRequest { name: "partners/1".to_owned(), ..good.clone() },
            Code::NotFound,
            "partners/1",
        ),
        (proto::ErasePartnerRequest { etag: "old".to_owned(), ..good.clone() }, Code::Aborted, "changed"),
    ] {
        for validate_only in [true, false] {
            let answer = erase(&world, proto::ErasePartnerRequest { validate_only, ..wrong.clone() }).await;
            let status = answer.expect_err("it is refused");
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.message().contains(word), "{status:?}");
        }
    }
    assert_eq!(get(&world, &anna.name).await.unwrap(), anna);
    erase(&world, proto::ErasePartnerRequest { etag: anna.etag.clone(), ..good }).await.unwrap();
    assert_eq!(failure(get(&world, &anna.name).await).0, Code::NotFound);
}

async fn h3_what_somebody_else_has_too_is_left_alone(world: World) {
    let shared = |name: &str, email: &str| proto::Partner {
        display_name: name.to_owned(),
        phones: vec![number("+32 2 555 00 00")],
        emails: vec![
            Email { address: "home@example.com".to_owned(), ..Default::default() },
            Email { address: email.to_owned(), ..Default::default() },
        ],
        ..Default::default()
    };
    let anna = create(&world, shared("Anna", "anna@example.com"), "").await.unwrap();
    let bo = create(&world, shared("Bo", "bo@example.com"), "bo").await.unwrap();
    let erasure = erase(&world, wish(&anna.name)).await.unwrap();
    let events = world.events().await;
    let begun = events.iter().find_map(outbox::payload::<proto::PartnerErasureBegun>).expect("it began");
    assert_eq!((begun.emails, begun.phones), (vec!["anna@example.com".to_owned()], Vec::new()));
    wait_for(&world, &erasure.name, &["directory"]).await;
    assert_eq!(get(&world, &bo.name).await.unwrap(), bo);
    let of_bo = |events: &[kontor_proto::r#type::v1::Event]| {
        events
            .iter()
            .filter(|event| event.partner == bo.name)
            .map(|event| event.payload.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of_bo(&world.events().await), of_bo(&events));
    assert_eq!(create(&world, shared("Bo", "bo@example.com"), "bo").await.unwrap(), bo, "its answer is kept");
}
