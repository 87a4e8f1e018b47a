//! Unsubscribing, erasing and merging: what becomes of addresses.

use std::time::Duration;

use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::ConsentState;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::RecipientState as State;
use kontor_testbed::{admin, failure, patience};
use tonic::{Code, Status};

use crate::world::{World, sales};

kontor_testbed::on_both! { World;
    l7_one_click_suppresses_and_withdraws_the_consent_once,
    l7_the_address_of_a_test_says_so_and_unsubscribes_nobody,
    l7_wrong_tokens_are_counted_and_only_the_gateway_may_ask,
    l7_an_erased_person_stands_nowhere_and_still_gets_nothing,
    l7_a_merged_partner_gets_a_mailing_once,
    l7_a_survivor_that_would_get_nothing_takes_the_turn_of_the_merged_one,
    l7_a_survivor_whose_merged_one_has_the_mailing_waits_no_more,
    l7_whom_a_merge_put_out_waits_again_when_it_is_taken_back,
    l7_a_survivor_of_two_that_have_the_mailing_waits_for_both_to_be_taken_back,
    l7_a_partner_that_went_into_another_one_is_left_out_where_that_is_asked,
}

fn token(world: &World, to: &str) -> String {
    let message = world.smtp.taken().into_iter().find(|it| it.to == to).expect("it was sent");
    let address = message.header("List-Unsubscribe");
    let token = address.rsplit('/').next().unwrap().trim_end_matches('>').to_owned();
    // Also where the template puts it.
    let quoted_printable = message.data.replace("=\r\n", "");
    assert!(quoted_printable.matches(&token).count() >= 2, "{}", message.data);
    token
}

async fn unsubscribe(world: &World, token: &str) -> Result<(), Status> {
    let request = proto::UnsubscribeRequest { token: token.to_owned(), peer: "192.0.2.1".to_owned() };
    let system = kontor_kit::auth::Caller::system();
    world.unsubscribes.clone().unsubscribe(system.request(request)).await.map(|_| ())
}

async fn until_withdrawn(world: &World, partner: &str) {
    for () in patience() {
        if world.standing(partner).await == ConsentState::Withdrawn {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the consent was not withdrawn");
}

async fn l7_one_click_suppresses_and_withdraws_the_consent_once(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    world.consent(&anna, ConsentState::Granted).await;
    world.place.pass(1_000_000);
    let basis = proto::MailingBasis::Consent.into();
    let mailing = world.mailing(proto::Mailing { basis, ..Default::default() }).await;
    world.add(&mailing, &[&anna]).await;
    world.send(&mailing).await;
    let token = token(&world, "anna@one.example");
    // Looking changes nothing.
    let request = proto::CheckUnsubscribeRequest { token: token.clone(), peer: String::new() };
    let system = kontor_kit::auth::Caller::system();
    let seen =
        world.unsubscribes.clone().check_unsubscribe(system.request(request)).await.unwrap().into_inner();
    assert_eq!(seen.company, "Kontor Ltd");
    assert_eq!(failure(world.suppression("anna@one.example").await).0, Code::NotFound);
    world.place.pass(1_000_000);
    unsubscribe(&world, &token).await.unwrap();
    let suppression = world.suppression("anna@one.example").await.unwrap();
    assert_eq!(
        (suppression.cause(), &suppression.mailing),
        (proto::SuppressionCause::Unsubscribed, &mailing)
    );
    until_withdrawn(&world, &anna).await;
    unsubscribe(&world, &token.to_uppercase()).await.unwrap();
    assert_eq!(world.get(&mailing).await.counts.unwrap().unsubscribed, 1);
    let rows = world.recipients(&mailing, "unsubscribed = true").await;
    assert_eq!((rows.len(), rows[0].state()), (1, State::Sent));
    assert!(rows[0].unsubscribe_time.is_some());
    let next = world.mailing(proto::Mailing { basis, ..Default::default() }).await;
    world.add(&next, &[&anna]).await;
    world.send(&next).await;
    assert_eq!(world.states(&next).await[0].0, State::NoConsent);
    assert_eq!(world.smtp.count(), 1);
}

async fn l7_the_address_of_a_test_says_so_and_unsubscribes_nobody(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    world.consent(&anna, ConsentState::Granted).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    let test = proto::SendTestMessageRequest {
        name: mailing.clone(),
        addresses: vec!["anna@one.example".to_owned()],
        partner: anna.clone(),
    };
    let sent = world.mailings.clone().send_test_message(sales().request(test)).await.unwrap().into_inner();
    assert!(sent.results[0].sent, "{sent:?}");
    let message = world.smtp.taken().remove(0);
    assert_eq!(message.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(message.header("List-Unsubscribe").starts_with("<https://crm.kontor.example/unsubscribe/"));
    let token = token(&world, "anna@one.example");
    let check = async |token: &str, peer: &str| {
        let request = proto::CheckUnsubscribeRequest { token: token.to_owned(), peer: peer.to_owned() };
        let system = kontor_kit::auth::Caller::system();
        world.unsubscribes.clone().check_unsubscribe(system.request(request)).await
    };
    let seen = check(&token, "192.0.2.1").await.unwrap().into_inner();
    assert_eq!((seen.company.as_str(), seen.test), ("Kontor Ltd", true));
    let request = proto::UnsubscribeRequest { token: token.clone(), peer: "192.0.2.1".to_owned() };
    let system = kontor_kit::auth::Caller::system();
    let done = world.unsubscribes.clone().unsubscribe(system.request(request)).await.unwrap().into_inner();
    assert!(done.test);
    // What looks like one leads nowhere.
    let last = if token.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    assert_eq!(failure(check(&forged, "192.0.2.2").await).0, Code::NotFound);
    // She gets the mailing as if nothing had been.
    assert_eq!(failure(world.suppression("anna@one.example").await).0, Code::NotFound);
    world.add(&mailing, &[&anna]).await;
    let counts = world.send(&mailing).await.counts.unwrap();
    assert_eq!((counts.sent, counts.unsubscribed), (1, 0));
    assert_eq!(world.standing(&anna).await, ConsentState::Granted);
    let real = world.smtp.taken().remove(1).header("List-Unsubscribe");
    let real = real.rsplit('/').next().unwrap().trim_end_matches('>').to_owned();
    assert!(!check(&real, "192.0.2.3").await.unwrap().into_inner().test);
}

async fn l7_wrong_tokens_are_counted_and_only_the_gateway_may_ask(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["anna@one.example"]).await;
    world.send(&mailing).await;
    let right = token(&world, "anna@one.example");
    for wrong in ["", "x", &"0".repeat(32), &"u".repeat(32), &"a".repeat(500)] {
        assert_eq!(failure(unsubscribe(&world, wrong).await).0, Code::NotFound, "{wrong}");
    }
    for _ in 0..15 {
        assert_eq!(failure(unsubscribe(&world, "x").await).0, Code::NotFound);
    }
    assert_eq!(failure(unsubscribe(&world, "x").await).0, Code::ResourceExhausted);
    // Behind a proxy all are one peer: who has a right one is not held up by strangers.
    unsubscribe(&world, &right).await.unwrap();
    assert!(world.suppression("anna@one.example").await.is_ok());
    assert_eq!(failure(unsubscribe(&world, "x").await).0, Code::ResourceExhausted);
    let request = proto::UnsubscribeRequest { token: "x".to_owned(), peer: "192.0.2.2".to_owned() };
    let other = world
        .unsubscribes
        .clone()
        .unsubscribe(kontor_kit::auth::Caller::system().request(request.clone()))
        .await;
    assert_eq!(failure(other).0, Code::NotFound, "another peer has tries of its own");
    let outside = world.unsubscribes.clone().unsubscribe(admin().request(request)).await;
    assert_eq!(failure(outside).0, Code::PermissionDenied);
}

async fn l7_an_erased_person_stands_nowhere_and_still_gets_nothing(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&anna, &ben]).await;
    world.send(&mailing).await;
    let (first, second) = (token(&world, "anna@one.example"), token(&world, "ben@one.example"));
    unsubscribe(&world, &first).await.unwrap();
    until_withdrawn(&world, &anna).await;
    let waiting = world.mailing(proto::Mailing::default()).await;
    world.add(&waiting, &[&ben]).await;
    let mut client = ErasureServiceClient::new(world.directory.clone());
    for partner in [&anna, &ben] {
        let request = directory::ErasePartnerRequest {
            name: partner.clone(),
            reason: directory::ErasureReason::Requested.into(),
            ..Default::default()
        };
        let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner();
        let mut report = erasure.clone();
        for () in patience() {
            let request = directory::GetErasureRequest { name: erasure.name.clone() };
            report = client.get_erasure(admin().request(request)).await.unwrap().into_inner();
            if report.state() == directory::ErasureState::Done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(report.state(), directory::ErasureState::Done, "{report:?}");
        assert!(format!("{report:?}").contains("\"mail\""), "{report:?}");
    }
    let rows = world.recipients(&mailing, "").await;
    assert!(rows.iter().all(|it| it.partner.is_empty() && it.address.is_empty()), "{rows:?}");
    assert!(rows.iter().all(|it| it.state() == State::Sent), "what became of them stays");
    assert_eq!(world.states(&waiting).await, [(State::Removed, "Erased".to_owned())]);
    // The address itself is nowhere, and still gets nothing.
    let kept = world.suppression("anna@one.example").await.unwrap();
    assert_eq!((kept.address.as_str(), kept.cause()), ("", proto::SuppressionCause::Unsubscribed));
    let again = world.mailing(proto::Mailing::default()).await;
    world.add(&again, &["anna@one.example"]).await;
    assert_eq!(world.send(&again).await.counts.unwrap().suppressed, 1);
    // Who finds an old message still unsubscribes by it.
    unsubscribe(&world, &second).await.unwrap();
    assert_eq!(world.suppression("ben@one.example").await.unwrap().address, "");
}

async fn l7_a_survivor_that_would_get_nothing_takes_the_turn_of_the_merged_one(world: World) {
    // Two cards of one person, the usual reason of a merge; and one that has no address.
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anna@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    let clea = world.partner("Clea", &[]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&anna, &anne, &cleo, &clea]).await;
    let states =
        async || world.states(&mailing).await.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
    assert_eq!(states().await, [State::Pending, State::Duplicate, State::Pending, State::NoAddress]);
    let mut client = PartnerMergeServiceClient::new(world.directory.clone());
    for (survivor, other) in [(&anne, &anna), (&clea, &cleo)] {
        let request = directory::MergePartnersRequest {
            name: survivor.clone(),
            others: vec![other.clone()],
            ..Default::default()
        };
        client.merge_partners(admin().request(request)).await.unwrap();
    }
    let wanted = [State::Duplicate, State::Pending, State::Duplicate, State::Pending];
    for () in patience() {
        if states().await == wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(states().await, wanted);
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["anna@one.example", "cleo@one.example"]);
}

async fn l7_a_survivor_whose_merged_one_has_the_mailing_waits_no_more(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"anna@\", \"reply\": \"452 4.2.2 mailbox full\", \"times\": 1}",
    ]);
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anne@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&anna, &anne]).await;
    world.go(&mailing).await;
    let is_halfway = |it: &proto::Mailing| {
        let counts = it.counts.as_ref().unwrap();
        (counts.deferred, counts.sent) == (1, 1)
    };
    world.until(&mailing, is_halfway).await;
    let request = directory::MergePartnersRequest { name: anna, others: vec![anne], ..Default::default() };
    let mut client = PartnerMergeServiceClient::new(world.directory.clone());
    client.merge_partners(admin().request(request)).await.unwrap();
    world.until_state(&mailing, proto::MailingState::Completed).await;
    let states: Vec<State> = world.states(&mailing).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [State::Removed, State::Sent]);
    assert_eq!(world.taken(), ["anne@one.example"]);
}

impl World {
    async fn merge(&self, survivor: &str, other: &str) -> String {
        let request = directory::MergePartnersRequest {
            name: survivor.to_owned(),
            others: vec![other.to_owned()],
            ..Default::default()
        };
        let mut client = PartnerMergeServiceClient::new(self.directory.clone());
        client.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap().name
    }

    async fn unmerge(&self, merge: String) {
        let request = directory::UnmergePartnersRequest { name: merge, ..Default::default() };
        let mut client = PartnerMergeServiceClient::new(self.directory.clone());
        client.unmerge_partners(admin().request(request)).await.unwrap();
    }

    async fn until_states(&self, mailing: &str, wanted: &[State]) {
        let states =
            async || self.states(mailing).await.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
        for () in patience() {
            if states().await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(states().await, wanted);
    }
}

async fn l7_whom_a_merge_put_out_waits_again_when_it_is_taken_back(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"anna@\", \"reply\": \"452 4.2.2 mailbox full\", \"times\": 1}",
    ]);
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anne@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    let dora = world.partner("Dora", &["dora@one.example"]).await;
    let eve = world.partner("Eve", &[]).await;
    // The survivor waits, and the one that goes into it has the mailing.
    let first = world.mailing(proto::Mailing::default()).await;
    world.add(&first, &[&anna, &anne]).await;
    world.go(&first).await;
    let is_halfway = |it: &proto::Mailing| {
        let counts = it.counts.as_ref().unwrap();
        (counts.deferred, counts.sent) == (1, 1)
    };
    world.until(&first, is_halfway).await;
    world.pause(&first).await.unwrap();
    let merge = world.merge(&anna, &anne).await;
    world.until_states(&first, &[State::Removed, State::Sent]).await;
    world.unmerge(merge).await;
    world.until_states(&first, &[State::Pending, State::Sent]).await;
    world.resume(&first).await.unwrap();
    world.until_state(&first, proto::MailingState::Completed).await;
    assert_eq!(world.taken(), ["anna@one.example", "anne@one.example"]);
    // Both wait; and one that has no address takes the turn of the one that goes into it.
    let second = world.mailing(proto::Mailing::default()).await;
    world.add(&second, &[&ben, &cleo, &dora, &eve]).await;
    let merges = [world.merge(&ben, &cleo).await, world.merge(&eve, &dora).await];
    world.until_states(&second, &[State::Pending, State::Duplicate, State::Duplicate, State::Pending]).await;
    for merge in merges {
        world.unmerge(merge).await;
    }
    world.until_states(&second, &[State::Pending, State::Pending, State::Pending, State::NoAddress]).await;
    // Who was taken off meanwhile stays so.
    let merge = world.merge(&ben, &cleo).await;
    world.until_states(&second, &[State::Pending, State::Duplicate, State::Pending, State::NoAddress]).await;
    let request = proto::RemoveRecipientsRequest {
        parent: second.clone(),
        partners: vec![cleo.clone()],
        ..Default::default()
    };
    let stayed =
        world.mailings.clone().remove_recipients(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(stayed.stayed, [cleo]);
    world.unmerge(merge).await;
    // Events are heard in their order: with this one the one before was heard.
    world.merge(&ben, &dora).await;
    world
        .until_states(&second, &[State::Pending, State::Duplicate, State::Duplicate, State::NoAddress])
        .await;
    world.send(&second).await;
    let mut taken = world.taken();
    taken.retain(|it| !it.starts_with('a'));
    assert_eq!(taken, ["ben@one.example"]);
}

async fn l7_a_survivor_of_two_that_have_the_mailing_waits_for_both_to_be_taken_back(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"anna@\", \"reply\": \"452 4.2.2 mailbox full\", \"times\": 1}",
    ]);
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anne@one.example"]).await;
    let anni = world.partner("Anni", &["anni@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    let first = world.mailing(proto::Mailing::default()).await;
    world.add(&first, &[&anna, &anne, &anni]).await;
    world.go(&first).await;
    let is_halfway = |it: &proto::Mailing| {
        let counts = it.counts.as_ref().unwrap();
        (counts.deferred, counts.sent) == (1, 2)
    };
    world.until(&first, is_halfway).await;
    world.pause(&first).await.unwrap();
    let second = world.mailing(proto::Mailing::default()).await;
    world.add(&second, &[&ben, &cleo]).await;
    let merges = [world.merge(&anna, &anne).await, world.merge(&anna, &anni).await];
    world.until_states(&first, &[State::Removed, State::Sent, State::Sent]).await;
    let [one, other] = merges;
    world.unmerge(one).await;
    // Events are heard in their order: with this one the one before was heard.
    world.merge(&ben, &cleo).await;
    world.until_states(&second, &[State::Pending, State::Duplicate]).await;
    world.until_states(&first, &[State::Removed, State::Sent, State::Sent]).await;
    world.unmerge(other).await;
    world.until_states(&first, &[State::Pending, State::Sent, State::Sent]).await;
}

async fn l7_a_partner_that_went_into_another_one_is_left_out_where_that_is_asked(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anne@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    world.merge(&anna, &anne).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    let one = |partner: &String| proto::NewRecipient { partner: partner.clone(), ..Default::default() };
    let request = proto::AddRecipientsRequest {
        parent: mailing.clone(),
        recipients: vec![one(&anne), one(&ben)],
        as_named: true,
        ..Default::default()
    };
    let added = world.mailings.clone().add_recipients(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(added.results().collect::<Vec<_>>(), [State::Removed, State::Pending]);
    assert_eq!(world.recipients(&mailing, "").await.len(), 1);
    // Otherwise it means the one that it went into.
    world.add(&mailing, &[&anne]).await;
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["anna@one.example", "ben@one.example"]);
}

async fn l7_a_merged_partner_gets_a_mailing_once(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let anne = world.partner("Anne", &["anne@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    let both = world.mailing(proto::Mailing::default()).await;
    world.add(&both, &[&anna, &anne, &cleo]).await;
    let one = world.mailing(proto::Mailing::default()).await;
    world.add(&one, &[&anne]).await;
    let request = directory::MergePartnersRequest {
        name: anna.clone(),
        others: vec![anne.clone()],
        ..Default::default()
    };
    let mut client = PartnerMergeServiceClient::new(world.directory.clone());
    let merge = client.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap();
    for () in patience() {
        if world.states(&both).await[1].0 == State::Duplicate
            && world.recipients(&one, "").await[0].partner == anna
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.recipients(&one, "").await[0].partner, anna);
    assert_eq!(world.add(&one, &[&anna, &anne]).await.already_there, 2);
    world.send(&both).await;
    assert_eq!(world.taken(), ["anna@one.example", "cleo@one.example"]);
    let request = directory::UnmergePartnersRequest { name: merge.name, ..Default::default() };
    client.unmerge_partners(admin().request(request)).await.unwrap();
    for () in patience() {
        if world.recipients(&one, "").await[0].partner == anne {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "it did not come back: {:?}",
        world.mailings.clone().list_recipients(sales().request(Default::default())).await
    );
}
