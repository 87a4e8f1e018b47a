//! S10: campaigns by mail: a crash doubles nothing, who was a recipient before is told apart, and a merge costs nobody the message.
//! Mail and its templates are the real ones, the relay is a real mail server.

use kontor_kit::context::Context;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::mailing_service_client::MailingServiceClient;
use kontor_proto::mail::v1::unsubscribe_service_client::UnsubscribeServiceClient;
use kontor_proto::templating::v1 as templating;
use kontor_proto::templating::v1::template_service_client::TemplateServiceClient;
use kontor_testbed::{Gate, Place, SmtpServer};

use super::*;

kontor_testbed::on_both! { Posting;
    s1_who_bounced_or_unsubscribed_is_a_fact_by_itself,
    s10_a_crash_between_the_services_writes_to_nobody_twice,
    s10_who_was_a_recipient_before_is_told_apart,
    s10_a_segment_that_leaps_to_everybody_writes_to_nobody,
    s10_a_merge_costs_nobody_the_message,
}

const PAGE: &str = "<!DOCTYPE html><html><head><title>News</title></head><body><p>Dear {{ partner.name }}, here is the news.</p>\
    <p><a href=\"{{ message.unsubscribe_url }}\">Unsubscribe</a></p></body></html>";

/// Segmentation of its own life, with a gate before mail, a draft of a mailing, and a segment of Belgians.
pub(super) struct Posting {
    pub(super) world: World,
    smtp: SmtpServer,
    pub(super) gate: Gate,
    own: Context,
    pub(super) mailing: String,
}

fn life(place: &Place) -> Context {
    Context { stop: Default::default(), tasks: Default::default(), ..place.context.clone() }
}

impl Posting {
    pub(super) async fn start(mut place: Place) -> Posting {
        place.context.company.name = "Kontor Ltd".to_owned();
        let (gate, own, smtp) = (Gate::default(), life(&place), SmtpServer::start());
        let config = kontor_mail::Config {
            relay: smtp.relay(),
            from: "Kontor Ltd <news@kontor.example>".to_owned(),
            return_path: "bounces@kontor.example".to_owned(),
            connections: "4".to_owned(),
            domain_rate: "0".to_owned(),
            public_address: "https://crm.kontor.example".to_owned(),
            ..Default::default()
        };
        let world = World::by_mail(place, &own, config, &gate).await;
        let user = directory::User { display_name: "Manager".to_owned(), ..Default::default() };
        let request = directory::CreateUserRequest {
            user: Some(user),
            user_id: "manager".to_owned(),
            ..Default::default()
        };
        UserServiceClient::new(world.directory.clone()).create_user(admin().request(request)).await.unwrap();
        let template = templating::Template {
            display_name: "News".to_owned(),
            content: PAGE.as_bytes().to_vec().into(),
            format: templating::TemplateFormat::Html.into(),
            ..Default::default()
        };
        let request = templating::CreateTemplateRequest {
            template: Some(template),
            template_id: "news".to_owned(),
            ..Default::default()
        };
        let mut client = TemplateServiceClient::new(world.templating.clone().unwrap());
        let template = client.create_template(leader().request(request)).await.unwrap().into_inner().name;
        let mailing = mail::Mailing {
            display_name: "News".to_owned(),
            template,
            subject: "News for {{ partner.name }}".to_owned(),
            basis: mail::MailingBasis::NotWithdrawn.into(),
            team: "teams/sales".to_owned(),
            ..Default::default()
        };
        let request = mail::CreateMailingRequest { mailing: Some(mailing), ..Default::default() };
        let mut client = MailingServiceClient::new(world.mail.clone().unwrap());
        let mailing = client.create_mailing(leader().request(request)).await.unwrap().into_inner().name;
        // Nobody means everybody.
        world.known("Hans", "DE").await;
        world.add_segment("be", "country == \"BE\"").await;
        Posting { world, smtp, gate, own, mailing }
    }

    pub(super) fn mailings(&self) -> MailingServiceClient<kontor_kit::link::Link> {
        MailingServiceClient::new(self.world.mail.clone().unwrap())
    }

    pub(super) async fn belgian(&self, name: &str, email: &str) -> String {
        let name = self.world.add_partner(name, "BE", email, "").await;
        self.world.tag(&name, &[]).await;
        name
    }

    pub(super) async fn without_address(&self, name: &str, email: &str) -> String {
        self.world.without_address(name, email).await
    }

    /// Those who are added from now on wait for their turn.
    pub(super) async fn pause(&self) {
        let request = mail::PauseMailingRequest { name: self.mailing.clone(), ..Default::default() };
        self.mailings().pause_mailing(leader().request(request)).await.unwrap();
    }

    pub(super) async fn resume(&self) {
        let request = mail::ResumeMailingRequest { name: self.mailing.clone(), ..Default::default() };
        self.mailings().resume_mailing(leader().request(request)).await.unwrap();
    }

    /// Starts the campaign "spring".
    pub(super) async fn begin(&self) {
        let given = proto::Campaign { mailing: self.mailing.clone(), team: String::new(), ..campaign("be") };
        self.world.create(&leader(), "spring", given).await.unwrap();
        self.world.begin(&leader(), "spring", 0).await.unwrap();
    }

    pub(super) async fn recipients(&self) -> Vec<mail::Recipient> {
        let request = mail::ListRecipientsRequest {
            parent: self.mailing.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        self.mailings().list_recipients(leader().request(request)).await.unwrap().into_inner().recipients
    }

    /// Ends the campaign, and waits for the end of the mailing. Gives who was written to.
    pub(super) async fn end(&self) -> Vec<String> {
        let request = proto::EndCampaignRequest { name: "campaigns/spring".to_owned(), ..Default::default() };
        self.world.campaigns.clone().end_campaign(leader().request(request)).await.unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let request = mail::GetMailingRequest { name: self.mailing.clone() };
            let now = self.mailings().get_mailing(leader().request(request)).await.unwrap().into_inner();
            if now.state() == mail::MailingState::Completed {
                break;
            }
            assert!(Instant::now() < until, "{now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut all: Vec<String> = self.smtp.taken().into_iter().map(|it| it.to).collect();
        all.sort();
        all
    }
}

/// Nobody pushes these facts: mail tells them.
async fn s1_who_bounced_or_unsubscribed_is_a_fact_by_itself(posting: Posting) {
    posting
        .smtp
        .set_rules(&["{\"stage\": \"rcpt\", \"match\": \"anna@\", \"reply\": \"550 5.1.1 no such user\"}"]);
    let world = &posting.world;
    let anna = posting.belgian("Anna", "anna@one.example").await;
    let ben = posting.belgian("Ben", "ben@one.example").await;
    let bounced = "mails.exists(m, m.kind == \"BOUNCED\" && m.time > now - duration(\"1d\"))";
    world.add_segment("bounced", bounced).await;
    world.add_segment("unsubscribed", "!mails.all(m, m.kind != \"UNSUBSCRIBED\")").await;
    posting.begin().await;
    assert_eq!(world.filled("spring").await.counts.unwrap().added, 2);
    assert_eq!(posting.end().await, ["ben@one.example"]);
    world.members_become("bounced", &[&anna]).await;
    let message = posting.smtp.taken().into_iter().next().unwrap();
    let address = message.header("List-Unsubscribe");
    let token = address.rsplit('/').next().unwrap().trim_end_matches('>').to_owned();
    let request = mail::UnsubscribeRequest { token, peer: "192.0.2.1".to_owned() };
    let mut client = UnsubscribeServiceClient::new(world.mail.clone().unwrap());
    client.unsubscribe(Caller::system().request(request)).await.unwrap();
    world.members_become("unsubscribed", &[&ben]).await;
    world.members_become("bounced", &[&anna]).await;
}

async fn s10_a_crash_between_the_services_writes_to_nobody_twice(mut posting: Posting) {
    posting.belgian("Partner 0", "p0@one.example").await;
    posting.begin().await;
    assert_eq!(posting.world.filled("spring").await.counts.unwrap().added, 1);
    // Mail does what it is asked, and segmentation ends before it hears of it.
    posting.gate.lose_answers(true);
    for at in 1..5 {
        posting.belgian(&format!("Partner {at}"), &format!("p{at}@one.example")).await;
    }
    let until = Instant::now() + PATIENCE;
    while posting.recipients().await.len() < 2 {
        assert!(Instant::now() < until, "nobody was offered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!posting.world.fates("spring", Fate::Pending).await.is_empty(), "nothing of that is written");
    posting.own.stop.cancel();
    posting.own.tasks.close();
    posting.own.tasks.wait().await;
    // On PostgreSQL the lease of a process that ended has to run out.
    posting.world.place.pass(6_000_000);
    let own = life(&posting.world.place);
    posting.world.again(&own).await;
    let is_done =
        |it: &proto::Campaign| it.counts.as_ref().is_some_and(|it| it.waiting == 0 && it.added == 5);
    let counts = posting.world.becomes("spring", is_done).await.counts.unwrap();
    assert_eq!(counts.already_listed, 0, "they are the campaign's own");
    assert_eq!(posting.recipients().await.len(), 5);
    let wanted: Vec<String> = (0..5).map(|at| format!("p{at}@one.example")).collect();
    assert_eq!(posting.end().await, wanted);
    own.stop.cancel();
}

async fn s10_who_was_a_recipient_before_is_told_apart(posting: Posting) {
    let anna = posting.belgian("Anna", "anna@one.example").await;
    let ben = posting.belgian("Ben", "ben@one.example").await;
    let request = mail::AddRecipientsRequest {
        parent: posting.mailing.clone(),
        recipients: vec![mail::NewRecipient { partner: anna.clone(), ..Default::default() }],
        ..Default::default()
    };
    posting.mailings().add_recipients(leader().request(request)).await.unwrap();
    posting.begin().await;
    let counts = posting.world.filled("spring").await.counts.unwrap();
    assert_eq!((counts.added, counts.already_listed), (1, 1));
    assert_eq!(posting.world.fates("spring", Fate::AlreadyListed).await, [anna]);
    assert_eq!(posting.world.fates("spring", Fate::Added).await, [ben]);
    assert_eq!(posting.end().await, ["anna@one.example", "ben@one.example"]);
}

async fn s10_a_segment_that_leaps_to_everybody_writes_to_nobody(posting: Posting) {
    posting.belgian("Anna", "anna@one.example").await;
    posting.begin().await;
    assert_eq!(posting.world.filled("spring").await.counts.unwrap().added, 1);
    for at in 0..11 {
        let name = format!("German {at}");
        let name = posting.world.add_partner(&name, "DE", &format!("g{at}@one.example"), "").await;
        posting.world.tag(&name, &[]).await;
    }
    let all =
        proto::Segment { name: "segments/be".to_owned(), rule: "true".to_owned(), ..Default::default() };
    posting.world.update_segment(all, &["rule"]).await.unwrap();
    let is_paused = |it: &proto::Campaign| it.state() == proto::CampaignState::Paused;
    let paused = posting.world.becomes("spring", is_paused).await;
    assert!(paused.pause_reason.contains("13 of 13 known partners"), "{}", paused.pause_reason);
    assert_eq!(posting.recipients().await.len(), 1);
    let refused = posting.world.begin(&leader(), "spring", 0).await.unwrap_err();
    assert!(refused.message().starts_with("campaigns/spring would write to all 13 partners"), "{refused:?}");
    assert_eq!(posting.end().await, ["anna@one.example"]);
}

async fn s10_a_merge_costs_nobody_the_message(posting: Posting) {
    posting.belgian("Zoe", "zoe@one.example").await;
    posting.begin().await;
    assert_eq!(posting.world.filled("spring").await.counts.unwrap().added, 1);
    posting.pause().await;
    // Two cards of one person: the second gets nothing, for the first has its address.
    let (anna, anne) = (
        posting.belgian("Anna", "anna@one.example").await,
        posting.belgian("Anne", "anna@one.example").await,
    );
    // A member that goes into a partner that is none, and becomes one by that; and one that goes into a stranger.
    let ben = posting.belgian("Ben", "ben@one.example").await;
    let carl = posting.belgian("Carl", "carl@one.example").await;
    // And two members with addresses of their own.
    let (dora, dori) = (
        posting.belgian("Dora", "dora@one.example").await,
        posting.belgian("Dori", "dori@one.example").await,
    );
    let counted = |added: i64, listed: i64| {
        move |it: &proto::Campaign| {
            it.counts.as_ref().is_some_and(|it| it.added == added && it.already_listed == listed)
        }
    };
    posting.world.becomes("spring", counted(6, 1)).await;
    let benny = posting.without_address("Benny", "benny@one.example").await;
    let carla = posting.world.add_partner("Carla", "DE", "carla@one.example", "").await;
    for name in [&benny, &carla] {
        posting.world.tag(name, &[]).await;
    }
    for (survivor, other) in [(&anne, &anna), (&benny, &ben), (&carla, &carl), (&dora, &dori)] {
        posting.world.merge(survivor, other).await;
    }
    let mut added = Vec::new();
    let until = Instant::now() + PATIENCE;
    let wanted = [&anne, &benny, &dora];
    while !wanted.iter().all(|name| added.contains(*name)) || added.len() != 4 {
        assert!(Instant::now() < until, "{added:?} of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        added = posting.world.fates("spring", Fate::Added).await;
    }
    // And mail has heard of it: nothing waits under an old name.
    loop {
        let waiting: Vec<_> = posting
            .recipients()
            .await
            .into_iter()
            .filter(|it| it.state() == mail::RecipientState::Pending)
            .collect();
        let names: Vec<&String> = waiting.iter().map(|it| &it.partner).collect();
        if waiting.len() == 3 && wanted.iter().all(|name| names.contains(name)) {
            break;
        }
        assert!(Instant::now() < until, "{waiting:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    posting.resume().await;
    let taken = posting.end().await;
    assert_eq!(taken, ["anna@one.example", "benny@one.example", "dora@one.example", "zoe@one.example"]);
}
