//! A started segmentation with its clients and its real neighbours, and helpers that make partners and segments.
//! Used by the other files of this folder.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::outbox;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::campaign_service_client::CampaignServiceClient;
use kontor_proto::segmentation::v1::change_service_client::ChangeServiceClient;
use kontor_proto::segmentation::v1::fact_service_client::FactServiceClient;
use kontor_proto::segmentation::v1::price_list_service_client::PriceListServiceClient;
use kontor_proto::segmentation::v1::purchase_statistics_service_client::PurchaseStatisticsServiceClient;
use kontor_proto::segmentation::v1::questionnaire_service_client::QuestionnaireServiceClient;
use kontor_proto::segmentation::v1::segment_service_client::SegmentServiceClient;
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::r#type::v1::{Email, Event, Money, Phone, PostalAddress, WatchChangesRequest};
use kontor_segmentation::Peers;
use kontor_testbed::{Gate, Place, admin, caller};
use tonic::{Response, Status};

/// Segmentation in one process, and all that it hears of.
pub struct World {
    pub place: Place,
    pub link: Link,
    pub directory: Link,
    pub pipeline: Link,
    pub telephony: Link,
    pub templating: Option<Link>,
    pub mail: Option<Link>,
    pub segments: SegmentServiceClient<Link>,
    pub questionnaires: QuestionnaireServiceClient<Link>,
    pub facts: FactServiceClient<Link>,
    pub purchases: PurchaseStatisticsServiceClient<Link>,
    pub prices: PriceListServiceClient<Link>,
    pub campaigns: CampaignServiceClient<Link>,
}

/// A leader of the team sales.
pub fn leader() -> Caller {
    caller("manager", &["sales"], &["sales"])
}

/// A member of the team sales.
pub fn sales() -> Caller {
    caller("sales", &["sales"], &[])
}

/// Somebody of another team.
pub fn neighbour() -> Caller {
    caller("neighbour", &["support"], &["support"])
}

impl World {
    pub async fn start(place: Place) -> World {
        let own = place.context.clone();
        World::over(place, &own, |telephony| telephony).await
    }

    /// With a context of segmentation's own, and telephony as it finds it.
    pub async fn over(place: Place, own: &Context, seen: impl FnOnce(Link) -> Link) -> World {
        World::among(place, own, seen, None).await
    }

    /// With a context of segmentation's own, and a mail of these settings behind a gate.
    pub async fn by_mail(place: Place, own: &Context, config: kontor_mail::Config, gate: &Gate) -> World {
        World::among(place, own, |telephony| telephony, Some((config, gate))).await
    }

    async fn among(
        place: Place,
        own: &Context,
        seen: impl FnOnce(Link) -> Link,
        mail: Option<(kontor_mail::Config, &Gate)>,
    ) -> World {
        let context = &place.context;
        let directory = Link::local(kontor_directory::start(context).await.unwrap().routes);
        let peers = kontor_calendar::Peers { directory: directory.clone() };
        let calendar =
            kontor_calendar::start(context, peers, kontor_calendar::Config::default()).await.unwrap();
        let peers =
            kontor_pipeline::Peers { directory: directory.clone(), calendar: Link::local(calendar.routes) };
        let pipeline = Link::local(kontor_pipeline::start(context, peers).await.unwrap().routes);
        let peers = kontor_telephony::Peers { directory: directory.clone(), pipeline: pipeline.clone() };
        let telephony = Link::local(kontor_telephony::start(context, peers).await.unwrap().routes);
        let (mut templating, mut real_mail, mut seen_mail) = (None, None, None);
        if let Some((config, gate)) = mail {
            let peers = kontor_templating::Peers { directory: directory.clone() };
            let link = Link::local(kontor_templating::start(context, peers).await.unwrap().routes);
            let peers = kontor_mail::Peers { directory: directory.clone(), templating: link.clone() };
            templating = Some(link);
            let link = Link::local(kontor_mail::start(context, peers, &config).await.unwrap().routes);
            seen_mail = Some(gate.before(link.clone()));
            real_mail = Some(link);
        }
        let peers = Peers {
            directory: directory.clone(),
            pipeline: Some(pipeline.clone()),
            telephony: Some(seen(telephony.clone())),
            mail: seen_mail,
        };
        let link = Link::local(kontor_segmentation::start(own, peers).await.unwrap().routes);
        World {
            segments: SegmentServiceClient::new(link.clone()),
            questionnaires: QuestionnaireServiceClient::new(link.clone()),
            facts: FactServiceClient::new(link.clone()),
            purchases: PurchaseStatisticsServiceClient::new(link.clone()),
            prices: PriceListServiceClient::new(link.clone()),
            campaigns: CampaignServiceClient::new(link.clone()),
            place,
            link,
            directory,
            pipeline,
            telephony,
            templating,
            mail: real_mail,
        }
    }

    /// Segmentation once more, after the first one's end.
    pub async fn again(&mut self, own: &Context) {
        let peers = Peers {
            directory: self.directory.clone(),
            pipeline: Some(self.pipeline.clone()),
            telephony: Some(self.telephony.clone()),
            mail: self.mail.clone(),
        };
        self.link = Link::local(kontor_segmentation::start(own, peers).await.unwrap().routes);
        self.campaigns = CampaignServiceClient::new(self.link.clone());
    }

    /// Segmentation of another process over the same database: only on PostgreSQL.
    pub async fn another_process(&self) -> (SegmentServiceClient<Link>, tokio_util::sync::CancellationToken) {
        let context = self.place.another_process();
        let peers = Peers { directory: self.directory.clone(), pipeline: None, telephony: None, mail: None };
        let link = Link::local(kontor_segmentation::start(&context, peers).await.unwrap().routes);
        (SegmentServiceClient::new(link), context.stop)
    }

    pub fn partners(&self) -> PartnerServiceClient<Link> {
        PartnerServiceClient::new(self.directory.clone())
    }

    pub fn opportunities(&self) -> OpportunityServiceClient<Link> {
        OpportunityServiceClient::new(self.pipeline.clone())
    }

    pub fn calls(&self) -> CallServiceClient<Link> {
        CallServiceClient::new(self.telephony.clone())
    }

    /// A partner in a country, with an address of mail and a number when they are not empty. Gives its name.
    pub async fn add_partner(&self, display_name: &str, country: &str, email: &str, phone: &str) -> String {
        let emails = Some(email).filter(|it| !it.is_empty());
        let phones = Some(phone).filter(|it| !it.is_empty());
        let partner = directory::Partner {
            display_name: display_name.to_owned(),
            addresses: vec![PostalAddress { country: country.to_owned(), ..Default::default() }],
            emails: emails
                .map(|it| Email { address: it.to_owned(), ..Default::default() })
                .into_iter()
                .collect(),
            phones: phones
                .map(|it| Phone { number: it.to_owned(), ..Default::default() })
                .into_iter()
                .collect(),
            ..Default::default()
        };
        let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        self.partners().create_partner(admin().request(request)).await.unwrap().into_inner().name
    }

    /// A partner that segmentation knows already: its traits are told, which looks it up.
    pub async fn known(&self, display_name: &str, country: &str) -> String {
        let name = self.add_partner(display_name, country, "", "").await;
        self.tag(&name, &[]).await;
        name
    }

    pub async fn move_to(&self, partner: &str, country: &str) {
        let partner = directory::Partner {
            name: partner.to_owned(),
            addresses: vec![PostalAddress { country: country.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let mask = prost_types::FieldMask { paths: vec!["addresses".to_owned()] };
        let request = directory::UpdatePartnerRequest {
            partner: Some(partner),
            update_mask: Some(mask),
            ..Default::default()
        };
        self.partners().update_partner(admin().request(request)).await.unwrap();
    }

    pub async fn tag(&self, partner: &str, tags: &[&str]) {
        let traits = proto::Traits {
            partner: partner.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Default::default()
        };
        let request = proto::PushTraitsRequest { traits: vec![traits] };
        let answer = self.facts.clone().push_traits(admin().request(request)).await.unwrap().into_inner();
        assert_eq!(answer.errors, []);
    }

    pub async fn merge(&self, survivor: &str, other: &str) -> String {
        let request = directory::MergePartnersRequest {
            name: survivor.to_owned(),
            others: vec![other.to_owned()],
            ..Default::default()
        };
        let mut client = PartnerMergeServiceClient::new(self.directory.clone());
        client.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap().name
    }

    pub async fn unmerge(&self, merge: &str) {
        let request = directory::UnmergePartnersRequest { name: merge.to_owned(), request_id: String::new() };
        PartnerMergeServiceClient::new(self.directory.clone())
            .unmerge_partners(admin().request(request))
            .await
            .unwrap();
    }

    /// Erases a partner and waits until every service has.
    pub async fn erase(&self, partner: &str) -> directory::Erasure {
        let request = directory::ErasePartnerRequest {
            name: partner.to_owned(),
            reason: directory::ErasureReason::Requested.into(),
            ..Default::default()
        };
        let mut client = ErasureServiceClient::new(self.directory.clone());
        let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner();
        for _ in 0..1_000 {
            let request = directory::GetErasureRequest { name: erasure.name.clone() };
            let report = client.get_erasure(admin().request(request)).await.unwrap().into_inner();
            if report.state() == directory::ErasureState::Done {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the erasure is not done");
    }

    /// Makes a segment as an administrator.
    pub async fn add_segment(&self, id: &str, rule: &str) -> proto::Segment {
        self.try_segment(&admin(), id, rule, &[], "").await.unwrap()
    }

    pub async fn try_segment(
        &self,
        caller: &Caller,
        id: &str,
        rule: &str,
        parents: &[&str],
        team: &str,
    ) -> Result<proto::Segment, Status> {
        let segment = proto::Segment {
            display_name: format!("Segment {id}"),
            rule: rule.to_owned(),
            parents: parents.iter().map(|parent| format!("segments/{parent}")).collect(),
            team: team.to_owned(),
            ..Default::default()
        };
        let request = proto::CreateSegmentRequest {
            segment: Some(segment),
            segment_id: id.to_owned(),
            ..Default::default()
        };
        self.segments.clone().create_segment(caller.request(request)).await.map(Response::into_inner)
    }

    pub async fn update_segment(
        &self,
        segment: proto::Segment,
        paths: &[&str],
    ) -> Result<proto::Segment, Status> {
        let mask = prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let request = proto::UpdateSegmentRequest {
            segment: Some(segment),
            update_mask: Some(mask),
            ..Default::default()
        };
        self.segments.clone().update_segment(admin().request(request)).await.map(Response::into_inner)
    }

    /// Members of a segment.
    pub async fn members(&self, id: &str) -> Vec<String> {
        let request = proto::ListMembersRequest {
            parent: format!("segments/{id}"),
            page_size: 1_000,
            ..Default::default()
        };
        self.segments.clone().list_members(admin().request(request)).await.unwrap().into_inner().partners
    }

    /// Waits until a segment has these members, in any order.
    pub async fn members_become(&self, id: &str, wanted: &[&String]) {
        let mut wanted: Vec<String> = wanted.iter().map(|name| (*name).clone()).collect();
        wanted.sort();
        for _ in 0..500 {
            let mut members = self.members(id).await;
            members.sort();
            if members == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.members(id).await, wanted, "members of {id}");
    }

    /// All events so far.
    pub async fn events(&self) -> Vec<Event> {
        let request =
            WatchChangesRequest { resume_token: "0".to_owned(), until_now: true, ..Default::default() };
        let mut client = ChangeServiceClient::new(self.link.clone());
        let mut stream = client.watch_changes(admin().request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(change) = stream.message().await.unwrap() {
            events.extend(change.event);
        }
        events
    }

    /// "joined x partners/1" for each event about a segment, in order.
    pub async fn told(&self, id: &str) -> Vec<String> {
        let subject = format!("segments/{id}");
        let events = self.events().await.into_iter().filter(|event| event.subject == subject);
        let line = |event: Event| {
            if let Some(rebuilt) = outbox::payload::<proto::SegmentRebuilt>(&event) {
                return format!("rebuilt +{} -{}", rebuilt.joined_count, rebuilt.left_count);
            }
            let what = if outbox::is::<proto::PartnerJoinedSegment>(&event) { "joined" } else { "left" };
            format!("{what} {}", event.partner)
        };
        events.map(line).collect()
    }

    pub async fn buy(&self, purchases: Vec<proto::Purchase>) -> proto::PushFactsResponse {
        let request = proto::PushPurchasesRequest { purchases };
        self.facts.clone().push_purchases(admin().request(request)).await.unwrap().into_inner()
    }

    /// So many microseconds before the clock's now.
    pub fn ago(&self, micros: i64) -> prost_types::Timestamp {
        kontor_kit::clock::to_proto(self.place.now() - micros)
    }

    /// A posted sale of now.
    pub fn sale(&self, partner: &str, key: &str, amount: &str) -> proto::Purchase {
        proto::Purchase {
            partner: partner.to_owned(),
            key: key.to_owned(),
            time: Some(self.ago(0)),
            amount: Some(euro(amount)),
            kind: proto::PurchaseKind::Sale.into(),
            state: proto::PurchaseState::Posted.into(),
        }
    }
}

pub fn euro(amount: &str) -> Money {
    Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() }
}

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
