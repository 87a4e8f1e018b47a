//! A segment becomes a mailing: members once each, late joiners once, those who left before their turn not at all; consent and suppression in the moment of sending. Row S10.
//! The mail server is a real one that keeps what it takes.

use kontor_proto::directory::v1::{ConsentState, Partner, SetConsentRequest, UpdatePartnerRequest};
use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::MailingState;
use kontor_proto::segmentation::v1 as segmentation;
use kontor_testbed::SmtpServer;
use kontor_tests::{Backend, Grpc, Sandbox};
use tonic::Code;

use crate::mailings::{draft, sandbox};
use crate::support::{add_partner, eventually, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_segment_becomes_a_mailing_on_sqlite() {
    campaign(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_segment_becomes_a_mailing_on_postgres() {
    campaign(Backend::Postgres).await;
}

/// A partner of the city, with an address and a consent.
async fn citizen(grpc: &Grpc, name: &str, consent: ConsentState) -> Partner {
    let partner = add_partner(grpc, name, "", &format!("{name}@one.example")).await;
    if consent != ConsentState::Unspecified {
        let request = SetConsentRequest {
            partner: partner.name.clone(),
            purpose: "mailings".to_owned(),
            state: consent.into(),
            source: "a form".to_owned(),
            ..Default::default()
        };
        grpc.consents().set_consent(request).await.expect("a consent");
    }
    put(grpc, &partner.name, "Ghent").await;
    partner
}

/// Puts a partner into the segment, or out of it.
async fn put(grpc: &Grpc, partner: &str, organization: &str) {
    let partner =
        Partner { name: partner.to_owned(), organization: organization.to_owned(), ..Default::default() };
    let request = UpdatePartnerRequest {
        partner: Some(partner),
        update_mask: Some(prost_types::FieldMask { paths: vec!["organization".to_owned()] }),
        ..Default::default()
    };
    grpc.partners().update_partner(request).await.expect("changed");
}

async fn until_members(grpc: &Grpc, count: i64) {
    eventually("the members of the segment", async || {
        let request = segmentation::GetCampaignRequest { name: "campaigns/news".to_owned() };
        let campaign = grpc.campaigns().get_campaign(request).await.expect("it is there").into_inner();
        campaign.counts.filter(|counts| counts.members == count)
    })
    .await;
}

async fn until_counts(
    grpc: &Grpc,
    what: &str,
    is_so: impl Fn(&segmentation::CampaignCounts) -> bool,
) -> segmentation::CampaignCounts {
    eventually(what, async || {
        let request = segmentation::GetCampaignRequest { name: "campaigns/news".to_owned() };
        let campaign = grpc.campaigns().get_campaign(request).await.expect("it is there").into_inner();
        campaign.counts.filter(|counts| is_so(counts))
    })
    .await
}

async fn until_taken(smtp: &SmtpServer, count: usize) {
    eventually("a message", async || (smtp.count() >= count).then_some(())).await;
}

fn taken(smtp: &SmtpServer) -> Vec<String> {
    let mut all: Vec<String> = smtp.taken().into_iter().map(|it| it.to).collect();
    all.sort();
    all
}

async fn campaign(backend: Backend) {
    let smtp = SmtpServer::start();
    let sandbox: Sandbox = sandbox(backend, &smtp).await;
    let grpc = sandbox.grpc("manager");
    let segment = segmentation::Segment {
        display_name: "Ghent".to_owned(),
        rule: "organization == \"Ghent\"".to_owned(),
        ..Default::default()
    };
    let request = segmentation::CreateSegmentRequest {
        segment: Some(segment),
        segment_id: "ghent".to_owned(),
        ..Default::default()
    };
    grpc.segments().create_segment(request).await.expect("a segment");
    let anna = citizen(&grpc, "anna", ConsentState::Granted).await;
    citizen(&grpc, "ben", ConsentState::Granted).await;
    citizen(&grpc, "cleo", ConsentState::Unspecified).await;
    citizen(&grpc, "dora", ConsentState::Withdrawn).await;
    let emil = citizen(&grpc, "emil", ConsentState::Granted).await;
    citizen(&grpc, "fritz", ConsentState::Granted).await;
    add_partner(&grpc, "elsewhere", "", "elsewhere@one.example").await;
    let suppression = mail::Suppression { address: "fritz@one.example".to_owned(), ..Default::default() };
    let request = mail::CreateSuppressionRequest { suppression: Some(suppression), ..Default::default() };
    grpc.suppressions().create_suppression(request).await.expect("suppressed");
    // Written by the team's leader. A little later than now, so that there is somebody who leaves before its turn.
    let own = draft(&grpc, "own", mail::Mailing::default()).await;
    let team = "teams/sales".to_owned();
    let mailing = draft(&grpc, "news", mail::Mailing { team, ..Default::default() }).await;
    let create = async |grpc: &Grpc, mailing: &str| {
        let campaign = segmentation::Campaign {
            display_name: "News for Ghent".to_owned(),
            segment: "segments/ghent".to_owned(),
            mailing: mailing.to_owned(),
            ..Default::default()
        };
        let request = segmentation::CreateCampaignRequest {
            campaign: Some(campaign),
            campaign_id: "news".to_owned(),
            ..Default::default()
        };
        grpc.campaigns().create_campaign(request).await
    };
    refused(create(&grpc, &own).await, Code::InvalidArgument, "belongs to no team");
    refused(
        create(&sandbox.grpc("colleague"), &mailing).await,
        Code::PermissionDenied,
        "managed by its leaders",
    );
    refused(create(&sandbox.grpc("neighbour"), &mailing).await, Code::InvalidArgument, "does not exist");
    let made = create(&grpc, &mailing).await.expect("a campaign").into_inner();
    assert_eq!(
        (made.mailing.as_str(), made.team.as_str(), made.call_list.as_str()),
        (mailing.as_str(), "teams/sales", "")
    );
    until_members(&grpc, 6).await;
    let start = async |expected_members: i64| {
        let request = segmentation::StartCampaignRequest {
            name: "campaigns/news".to_owned(),
            expected_members,
            ..Default::default()
        };
        grpc.campaigns().start_campaign(request).await
    };
    refused(start(2).await, Code::FailedPrecondition, "would write to 6 partners, not 2");
    let state = async || {
        let request = mail::GetMailingRequest { name: mailing.clone() };
        grpc.mailings().get_mailing(request).await.expect("it is there").into_inner()
    };
    assert_eq!(state().await.state(), MailingState::Draft, "nothing is started when it is asked back");
    // The relay takes nothing from emil yet, so that his turn comes later.
    smtp.set_rules(&["{\"stage\": \"rcpt\", \"match\": \"emil@\", \"reply\": \"452 4.2.2 mailbox full\"}"]);
    start(6).await.expect("it starts");
    until_counts(&grpc, "all are added", |it| it.added == 6 && it.waiting == 0).await;
    until_taken(&smtp, 2).await;
    eventually("all but one are worked off", async || {
        state()
            .await
            .counts
            .filter(|it| it.sent == 2 && it.without_consent == 2 && it.suppressed == 1 && it.deferred == 1)
    })
    .await;
    assert_eq!(state().await.state(), MailingState::Running, "it is open for those who join");
    // Who leaves before its turn gets nothing, also when the relay would take it by then.
    put(&grpc, &emil.name, "Bruges").await;
    until_counts(&grpc, "emil is taken off", |it| it.cancelled == 1).await;
    smtp.set_rules(&[]);
    // Who joins is added once; who was sent to, left and came back gets nothing a second time.
    put(&grpc, &anna.name, "Bruges").await;
    until_counts(&grpc, "anna left", |it| it.left == 1).await;
    put(&grpc, &anna.name, "Ghent").await;
    citizen(&grpc, "gert", ConsentState::Granted).await;
    until_taken(&smtp, 3).await;
    put(&grpc, &emil.name, "Ghent").await;
    until_members(&grpc, 7).await;
    assert_eq!(taken(&smtp), ["anna@one.example", "ben@one.example", "gert@one.example"]);
    let end = segmentation::EndCampaignRequest { name: "campaigns/news".to_owned(), ..Default::default() };
    grpc.campaigns().end_campaign(end).await.expect("it ends");
    let done = eventually("the end of the mailing", async || {
        Some(state().await).filter(|it| it.state() == MailingState::Completed)
    })
    .await;
    let counts = done.counts.expect("counts");
    assert_eq!((counts.recipients, counts.sent, counts.removed), (7, 3, 1));
    citizen(&grpc, "hugo", ConsentState::Granted).await;
    until_members(&grpc, 8).await;
    assert_eq!(taken(&smtp), ["anna@one.example", "ben@one.example", "gert@one.example"]);
}
