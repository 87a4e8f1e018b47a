//! Who is a recipient: each partner once, each address once, and no other mailing's.

use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::RecipientState as State;
use kontor_testbed::{admin, failure};
use tonic::{Code, Response};

use crate::world::{World, leader, neighbour, sales};

kontor_testbed::on_both! { World;
    l7_each_partner_and_each_address_is_a_recipient_once,
    l7_a_bad_recipient_is_named_and_nobody_is_added,
    l7_a_partner_that_moved_is_sent_to_at_its_new_address,
    l7_who_is_taken_off_gets_nothing_and_is_not_added_again,
    l7_strangers_see_nothing_and_members_change_nothing,
    l7_texts_that_could_begin_a_header_are_refused_by_field,
    l7_a_draft_goes_with_its_recipients,
    l7_a_repeated_delete_leaves_the_next_mailing_of_that_name_alone,
}

async fn l7_each_partner_and_each_address_is_a_recipient_once(world: World) {
    let anna = world.partner("Anna", &["family@one.example"]).await;
    let ben = world.partner("Ben", &["Family@One.example", "ben@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo..x@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    let first = world.add(&mailing, &[&anna, &ben, &anna, &cleo, "x@two.example", "X@two.example"]).await;
    assert_eq!((first.added, first.duplicates, first.without_address, first.already_there), (2, 1, 1, 2));
    let again =
        world.add(&mailing, &[&anna, &ben, "family@one.example", "partners/none", "y@two.example"]).await;
    assert_eq!((again.added, again.duplicates, again.without_address, again.already_there), (1, 0, 1, 3));
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["family@one.example", "x@two.example", "y@two.example"]);
    let states = world.states(&mailing).await;
    let only: Vec<State> = states.iter().map(|it| it.0).collect();
    assert_eq!(
        only,
        [State::Sent, State::Duplicate, State::NoAddress, State::Sent, State::NoAddress, State::Sent]
    );
    assert!(states[1].1.contains("same address"), "{states:?}");
    assert!(states[2].1.contains("\"cleo..x@one.example\" is no address"), "{states:?}");
    let other = world.mailing(proto::Mailing::default()).await;
    assert_eq!(world.add(&other, &[&anna]).await.added, 1, "another mailing is another one");
    let ended = world.try_add(&mailing, &["z@two.example"]).await;
    assert_eq!(failure(ended), (Code::FailedPrecondition, "MAILING_ENDED".to_owned()));
}

async fn l7_a_bad_recipient_is_named_and_nobody_is_added(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    for (bad, words) in [
        ("anna", "recipients[1].address: \"anna\" is no address: it has no @ and no domain"),
        ("anna@", "recipients[1].address: \"anna@\" is no address: it has no domain"),
        ("a\r\nb@x.example", "recipients[1].address: \"ab@x.example\" is no address"),
        ("partners/", "recipients[1].partner"),
        ("", "recipients[1]: name a partner or an address"),
    ] {
        let refused = world.try_add(&mailing, &["good@one.example", bad]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad:?}");
        assert!(refused.message().starts_with(words), "{bad:?}: {}", refused.message());
    }
    assert_eq!(
        failure(world.try_add(&mailing, &vec!["a@one.example"; 1_001]).await).0,
        Code::InvalidArgument
    );
    assert_eq!(failure(world.try_add(&mailing, &[]).await).0, Code::InvalidArgument);
    assert_eq!(world.recipients(&mailing, "").await, []);
}

async fn l7_a_partner_that_moved_is_sent_to_at_its_new_address(world: World) {
    let anna = world.partner("Anna", &["old@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&anna, &ben, &cleo, "taken@three.example"]).await;
    world.move_partner(&anna, "new@two.example").await;
    world.move_partner(&cleo, "taken@three.example").await;
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["ben@one.example", "new@two.example", "taken@three.example"]);
    let states: Vec<State> = world.states(&mailing).await.into_iter().map(|it| it.0).collect();
    assert_eq!(states, [State::Sent, State::Sent, State::Duplicate, State::Sent]);
}

async fn l7_who_is_taken_off_gets_nothing_and_is_not_added_again(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&anna, &ben]).await;
    let remove = async |all: &[&String]| {
        let request = proto::RemoveRecipientsRequest {
            parent: mailing.clone(),
            partners: all.iter().map(|it| (*it).clone()).collect(),
            ..Default::default()
        };
        world.mailings.clone().remove_recipients(sales().request(request)).await.map(Response::into_inner)
    };
    assert_eq!(remove(&[&anna]).await.unwrap().removed, 1);
    assert_eq!(world.add(&mailing, &[&anna]).await.already_there, 1);
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["ben@one.example"]);
    let after = remove(&[&anna, &ben]).await.unwrap();
    assert_eq!((after.removed, after.stayed), (0, vec![anna, ben]));
}

async fn l7_strangers_see_nothing_and_members_change_nothing(world: World) {
    let template = world.template("t", crate::world::PAGE).await;
    let mailing = proto::Mailing {
        display_name: "Team".to_owned(),
        template,
        subject: "x".to_owned(),
        team: "teams/sales".to_owned(),
        basis: proto::MailingBasis::NotWithdrawn.into(),
        ..Default::default()
    };
    let request = proto::CreateMailingRequest { mailing: Some(mailing.clone()), ..Default::default() };
    // The template is the seller's own, so its team's leader does not see it.
    assert_eq!(
        failure(world.mailings.clone().create_mailing(leader().request(request)).await).0,
        Code::InvalidArgument
    );
    let name = world.try_mailing(mailing).await.unwrap().name;
    let get = async |caller: kontor_kit::auth::Caller| {
        let request = proto::GetMailingRequest { name: name.clone() };
        world.mailings.clone().get_mailing(caller.request(request)).await.map(Response::into_inner)
    };
    assert!(get(sales()).await.is_ok() && get(leader()).await.is_ok() && get(admin()).await.is_ok());
    assert_eq!(failure(get(neighbour()).await).0, Code::NotFound);
    let colleague = kontor_testbed::caller("colleague", &["sales"], &[]);
    assert!(get(colleague.clone()).await.is_ok());
    let add = |caller: &kontor_kit::auth::Caller| {
        let one = proto::NewRecipient { address: "a@one.example".to_owned(), ..Default::default() };
        let request =
            proto::AddRecipientsRequest { parent: name.clone(), recipients: vec![one], ..Default::default() };
        let (mut client, request) = (world.mailings.clone(), caller.request(request));
        async move { client.add_recipients(request).await }
    };
    assert_eq!(failure(add(&colleague).await).0, Code::PermissionDenied);
    assert_eq!(failure(add(&neighbour()).await).0, Code::NotFound);
    assert!(add(&leader()).await.is_ok());
    let request = proto::ListRecipientsRequest { parent: name.clone(), ..Default::default() };
    let listed = world.mailings.clone().list_recipients(neighbour().request(request)).await;
    assert_eq!(failure(listed).0, Code::NotFound);
    let start =
        proto::StartMailingRequest { name: name.clone(), expected_recipients: 1, ..Default::default() };
    let started = world.mailings.clone().start_mailing(colleague.request(start)).await;
    assert_eq!(failure(started).0, Code::PermissionDenied);
}

async fn l7_texts_that_could_begin_a_header_are_refused_by_field(world: World) {
    let template = world.template("t", crate::world::PAGE).await;
    let good = proto::Mailing {
        display_name: "x".to_owned(),
        template,
        subject: "x".to_owned(),
        ..Default::default()
    };
    let refused =
        async |mailing: proto::Mailing| world.try_mailing(mailing).await.unwrap_err().message().to_owned();
    let evil = "x\r\nBcc: evil@example.com".to_owned();
    let told = refused(proto::Mailing { subject: evil.clone(), ..good.clone() }).await;
    assert!(told.starts_with("mailing.subject: it has a line break"), "{told}");
    let told = refused(proto::Mailing { from: format!("{evil} <a@b.example>"), ..good.clone() }).await;
    assert!(told.starts_with("mailing.from: it has the control character"), "{told}");
    let told = refused(proto::Mailing { reply_to: "anna".to_owned(), ..good.clone() }).await;
    assert!(told.starts_with("mailing.reply_to: \"anna\" is no address"), "{told}");
    let told = refused(proto::Mailing { template: "templates/none".to_owned(), ..good.clone() }).await;
    assert!(told.starts_with("mailing.template: templates/none does not exist"), "{told}");
    // A partner's name becomes one line, whatever it holds.
    let evil = world.partner("Eve \u{2028}Bcc: x@example.com", &["eve@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &[&evil]).await;
    world.send(&mailing).await;
    let message = world.smtp.taken().remove(0);
    assert_eq!(message.header("Bcc"), "");
    assert!(message.header("To").contains("eve@one.example"));
}

async fn l7_a_repeated_delete_leaves_the_next_mailing_of_that_name_alone(world: World) {
    let template = world.template("again", crate::world::PAGE).await;
    let draft = async || {
        let mailing = proto::Mailing {
            display_name: "News".to_owned(),
            template: template.clone(),
            subject: "News".to_owned(),
            basis: proto::MailingBasis::NotWithdrawn.into(),
            ..Default::default()
        };
        let request = proto::CreateMailingRequest {
            mailing: Some(mailing),
            mailing_id: "again".to_owned(),
            ..Default::default()
        };
        world.mailings.clone().create_mailing(sales().request(request)).await.unwrap().into_inner().name
    };
    let delete = async || {
        let request = proto::DeleteMailingRequest {
            name: "mailings/again".to_owned(),
            request_id: "gone".to_owned(),
            ..Default::default()
        };
        world.mailings.clone().delete_mailing(sales().request(request)).await
    };
    let first = draft().await;
    world.add(&first, &["a@one.example", "b@one.example"]).await;
    delete().await.unwrap();
    let second = draft().await;
    assert!(world.states(&second).await.is_empty(), "the first one's went with it");
    world.add(&second, &["c@one.example"]).await;
    delete().await.expect("the first answer, again");
    assert_eq!(world.states(&second).await.len(), 1);
}

async fn l7_a_draft_goes_with_its_recipients(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example"]).await;
    let delete = async || {
        let request = proto::DeleteMailingRequest { name: mailing.clone(), ..Default::default() };
        world.mailings.clone().delete_mailing(sales().request(request)).await
    };
    delete().await.unwrap();
    assert_eq!(failure(delete().await).0, Code::NotFound);
    let sent = world.mailing(proto::Mailing::default()).await;
    world.add(&sent, &["a@one.example"]).await;
    world.send(&sent).await;
    let request = proto::DeleteMailingRequest { name: sent, ..Default::default() };
    let refused = world.mailings.clone().delete_mailing(sales().request(request)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "MAILING_ENDED".to_owned()));
}
