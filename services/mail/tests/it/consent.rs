//! Who may get it: consent and suppression are looked at in the moment of sending. Row S10's second half.

use kontor_proto::directory::v1::ConsentState;
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::RecipientState as State;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, sales};

kontor_testbed::on_both! { World;
    l7_consent_is_asked_in_the_moment_of_sending,
    l7_suppression_holds_for_addresses_and_domains,
    l7_the_check_says_who_would_get_it_and_why_not,
}

async fn l7_consent_is_asked_in_the_moment_of_sending(world: World) {
    let mut partners = Vec::new();
    for name in ["yes", "nothing", "no", "later-yes", "later-no"] {
        partners.push(world.partner(name, &[&format!("{name}@one.example")]).await);
    }
    for (at, state) in [(0, ConsentState::Granted), (2, ConsentState::Withdrawn), (4, ConsentState::Granted)]
    {
        world.consent(&partners[at], state).await;
    }
    let mut all: Vec<&str> = partners.iter().map(String::as_str).collect();
    all.push("bare@one.example");
    let mut names = Vec::new();
    for basis in [proto::MailingBasis::Consent, proto::MailingBasis::NotWithdrawn] {
        let name = world.mailing(proto::Mailing { basis: basis.into(), ..Default::default() }).await;
        world.add(&name, &all).await;
        names.push(name);
    }
    world.place.pass(1_000_000);
    world.consent(&partners[3], ConsentState::Granted).await;
    world.consent(&partners[4], ConsentState::Withdrawn).await;
    world.send(&names[0]).await;
    assert_eq!(world.taken(), ["later-yes@one.example", "yes@one.example"]);
    let states = world.states(&names[0]).await;
    let reasons: Vec<&str> =
        states.iter().filter(|it| it.0 == State::NoConsent).map(|it| it.1.as_str()).collect();
    let (none, withdrawn) = ("there is no consent to mailings", "the consent to mailings was withdrawn");
    assert_eq!(reasons, [none, withdrawn, withdrawn, none]);
    let counts = world.send(&names[1]).await.counts.unwrap();
    assert_eq!((counts.sent, counts.without_consent), (4, 2));
}

async fn l7_suppression_holds_for_addresses_and_domains(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world
        .add(&mailing, &["anna@one.example", "ben@one.example", "x@closed.example", "y@sub.closed.example"])
        .await;
    let one = world.suppress("ANNA@one.example", "").await;
    assert_eq!(one.address, "anna@one.example");
    assert_eq!(world.suppress("Anna@One.example", "").await.name, one.name, "it is there once");
    world.suppress("", "Closed.example").await;
    let counts = world.send(&mailing).await.counts.unwrap();
    assert_eq!((counts.sent, counts.suppressed), (2, 2));
    assert_eq!(world.taken(), ["ben@one.example", "y@sub.closed.example"]);
    assert_eq!(world.states(&mailing).await[0], (State::Suppressed, "suppressed by hand".to_owned()));
    let delete = |caller: kontor_kit::auth::Caller| {
        let request = proto::DeleteSuppressionRequest { name: one.name.clone(), ..Default::default() };
        let mut client = world.suppressions.clone();
        async move { client.delete_suppression(caller.request(request)).await }
    };
    assert_eq!(failure(delete(sales()).await).0, Code::PermissionDenied);
    delete(admin()).await.unwrap();
    assert_eq!(failure(world.suppression("anna@one.example").await).0, Code::NotFound);
    let again = world.mailing(proto::Mailing::default()).await;
    world.add(&again, &["anna@one.example"]).await;
    assert_eq!(world.send(&again).await.counts.unwrap().sent, 1);
}

async fn l7_the_check_says_who_would_get_it_and_why_not(world: World) {
    let anna = world.partner("Anna", &["anna@one.example"]).await;
    let ben = world.partner("Ben", &["ben@one.example"]).await;
    let cleo = world.partner("Cleo", &["cleo@one.example"]).await;
    world.consent(&anna, ConsentState::Granted).await;
    world.consent(&cleo, ConsentState::Granted).await;
    world.suppress("cleo@one.example", "").await;
    let basis = proto::MailingBasis::Consent.into();
    let mailing = world
        .mailing(proto::Mailing { basis, subject: "For {{ partner.nane }}".to_owned(), ..Default::default() })
        .await;
    world.add(&mailing, &[&anna, &ben, &cleo]).await;
    let request = proto::CheckMailingRequest { name: mailing.clone() };
    let check = world.mailings.clone().check_mailing(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((check.checked, check.would_get), (3, 1));
    let mut why: Vec<(State, i64)> = check.would_not_get.iter().map(|it| (it.state(), it.count)).collect();
    why.sort();
    assert_eq!(why, [(State::Suppressed, 1), (State::NoConsent, 1)]);
    assert!(check.findings.iter().any(|it| it.field == "subject"), "{check:?}");
    let refused = world.try_start(&mailing, 3).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "TEMPLATE_FINDINGS".to_owned()));
    assert_eq!(world.smtp.count(), 0);
}
