//! S9: a segment becomes a call list, each member once, do-not-call removed; late joiners are added once, leavers cancelled; nothing is doubled by a crash.

mod crash;
mod mail;
mod merges;
mod rules;

use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::CampaignPartnerState as Fate;
use kontor_proto::telephony::v1 as telephony;
use kontor_proto::telephony::v1::CallListEntryState as EntryState;
use kontor_proto::telephony::v1::call_list_service_client::CallListServiceClient;
use kontor_proto::telephony::v1::dispatch_service_client::DispatchServiceClient;
use kontor_proto::telephony::v1::do_not_call_service_client::DoNotCallServiceClient;
use kontor_proto::r#type::v1::Phone;
use kontor_testbed::{admin, failure};
use tonic::{Response, Status};

use crate::world::{World, leader, sales};

kontor_testbed::on_both! { World;
    s9_a_segment_becomes_a_call_list_with_do_not_call_removed,
    s9_late_joiners_are_added_once_and_leavers_are_cancelled,
    s9_many_who_may_not_be_added_hide_nobody_behind_them,
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn campaign(segment: &str) -> proto::Campaign {
    proto::Campaign {
        display_name: "Spring".to_owned(),
        segment: format!("segments/{segment}"),
        team: "teams/sales".to_owned(),
        ..Default::default()
    }
}

impl World {
    async fn create(
        &self,
        caller: &Caller,
        id: &str,
        campaign: proto::Campaign,
    ) -> Result<proto::Campaign, Status> {
        let request = proto::CreateCampaignRequest {
            campaign: Some(campaign),
            campaign_id: id.to_owned(),
            request_id: format!("create {id}"),
            ..Default::default()
        };
        self.campaigns.clone().create_campaign(caller.request(request)).await.map(Response::into_inner)
    }

    async fn begin(&self, caller: &Caller, id: &str, expected: i64) -> Result<proto::Campaign, Status> {
        let request = proto::StartCampaignRequest {
            name: format!("campaigns/{id}"),
            expected_members: expected,
            ..Default::default()
        };
        self.campaigns.clone().start_campaign(caller.request(request)).await.map(Response::into_inner)
    }

    async fn campaign(&self, id: &str) -> proto::Campaign {
        let request = proto::GetCampaignRequest { name: format!("campaigns/{id}") };
        self.campaigns.clone().get_campaign(leader().request(request)).await.unwrap().into_inner()
    }

    /// Waits until all members are worked off, as the stream tells it.
    async fn filled(&self, id: &str) -> proto::Campaign {
        let request = proto::WatchCampaignRequest { name: format!("campaigns/{id}") };
        let watch = self.campaigns.clone().watch_campaign(sales().request(request)).await;
        let (mut stream, mut last) = (watch.unwrap().into_inner(), None);
        let read = async {
            while let Some(now) = stream.message().await.unwrap() {
                last = Some(now);
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it is not filled");
        last.unwrap()
    }

    /// Waits until a campaign is as wanted.
    async fn becomes(&self, id: &str, wanted: impl Fn(&proto::Campaign) -> bool) -> proto::Campaign {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.campaign(id).await;
            if wanted(&now) {
                return now;
            }
            assert!(Instant::now() < until, "{now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// "+3220000001 partners/1 Open" for each entry of a list, by number.
    async fn entries(&self, list: &str) -> Vec<String> {
        let entries = self.list_entries(list).await.into_iter();
        entries.map(|it| format!("{} {} {:?}", it.e164, it.partner, it.state())).collect()
    }

    async fn list_entries(&self, list: &str) -> Vec<telephony::CallListEntry> {
        let request = telephony::ListCallListEntriesRequest {
            parent: list.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let mut client = CallListServiceClient::new(self.telephony.clone());
        client.list_call_list_entries(admin().request(request)).await.unwrap().into_inner().entries
    }

    async fn fates(&self, id: &str, fate: Fate) -> Vec<String> {
        let request = proto::ListCampaignPartnersRequest {
            parent: format!("campaigns/{id}"),
            state: fate.into(),
            ..Default::default()
        };
        let answer = self.campaigns.clone().list_campaign_partners(sales().request(request)).await;
        answer.unwrap().into_inner().partners.into_iter().map(|it| it.partner).collect()
    }

    /// A partner in Belgium that segmentation knows.
    async fn belgian(&self, name: &str, phone: &str) -> String {
        let name = self.add_partner(name, "BE", "", phone).await;
        self.tag(&name, &[]).await;
        name
    }

    /// A partner of no country, with an address of mail when it is not empty.
    async fn without_address(&self, name: &str, email: &str) -> String {
        use kontor_proto::directory::v1 as directory;
        let email = Some(email).filter(|it| !it.is_empty());
        let emails =
            email.map(|it| kontor_proto::r#type::v1::Email { address: it.to_owned(), ..Default::default() });
        let partner = directory::Partner {
            display_name: name.to_owned(),
            emails: emails.into_iter().collect(),
            ..Default::default()
        };
        let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        self.partners().create_partner(admin().request(request)).await.unwrap().into_inner().name
    }

    async fn set_phones(&self, partner: &str, phones: &[(&str, &[&str])]) {
        use kontor_proto::directory::v1 as directory;
        let phones = phones.iter().map(|(number, types)| Phone {
            number: (*number).to_owned(),
            types: types.iter().map(|it| (*it).to_owned()).collect(),
            ..Default::default()
        });
        let partner =
            directory::Partner { name: partner.to_owned(), phones: phones.collect(), ..Default::default() };
        let mask = prost_types::FieldMask { paths: vec!["phones".to_owned()] };
        let request = directory::UpdatePartnerRequest {
            partner: Some(partner),
            update_mask: Some(mask),
            ..Default::default()
        };
        self.partners().update_partner(admin().request(request)).await.unwrap();
    }

    async fn call_list(&self, leader: &Caller, id: &str, team: &str) -> telephony::CallList {
        let list = telephony::CallList {
            display_name: "Fair".to_owned(),
            team: team.to_owned(),
            any_hour: true,
            ..Default::default()
        };
        let request = telephony::CreateCallListRequest {
            call_list: Some(list),
            call_list_id: id.to_owned(),
            ..Default::default()
        };
        let mut client = CallListServiceClient::new(self.telephony.clone());
        client.create_call_list(leader.request(request)).await.unwrap().into_inner()
    }

    async fn import(&self, list: &str, number: &str) {
        use telephony::import_call_list_entries_request::Part;
        let settings = telephony::CallListImport { parent: list.to_owned(), ..Default::default() };
        let row = telephony::CallListRow { number: number.to_owned(), ..Default::default() };
        let parts = [Part::Settings(settings), Part::Rows(telephony::CallListRows { rows: vec![row] })];
        let messages = futures_util::stream::iter(
            parts.map(|part| telephony::ImportCallListEntriesRequest { part: Some(part) }),
        );
        let mut client = CallListServiceClient::new(self.telephony.clone());
        let answer = client.import_call_list_entries(admin().request(messages)).await.unwrap();
        let mut answers = answer.into_inner();
        while answers.message().await.unwrap().is_some() {}
    }

    async fn do_not_call(&self, number: &str) {
        let number = telephony::DoNotCallNumber { number: number.to_owned(), ..Default::default() };
        let request = telephony::CreateDoNotCallNumberRequest {
            do_not_call_number: Some(number),
            ..Default::default()
        };
        let mut client = DoNotCallServiceClient::new(self.telephony.clone());
        client.create_do_not_call_number(admin().request(request)).await.unwrap();
    }

    async fn may_be_called(&self, number: &str) {
        let name = format!("doNotCallNumbers/{}", number.trim_start_matches('+'));
        let mut client = DoNotCallServiceClient::new(self.telephony.clone());
        let request = telephony::DeleteDoNotCallNumberRequest { name, ..Default::default() };
        client.delete_do_not_call_number(admin().request(request)).await.unwrap();
    }

    async fn exclude(&self, segment: &str, partner: &str) {
        let entry = proto::SegmentEntry {
            list: proto::SegmentList::Exclusion.into(),
            who: Some(proto::segment_entry::Who::Partner(partner.to_owned())),
        };
        let request = proto::AddSegmentEntriesRequest {
            parent: format!("segments/{segment}"),
            entries: vec![entry],
            ..Default::default()
        };
        self.segments.clone().add_segment_entries(admin().request(request)).await.unwrap();
    }
}

async fn s9_a_segment_becomes_a_call_list_with_do_not_call_removed(world: World) {
    let anna = world.belgian("Anna", "+3224000001").await;
    let ben = world.belgian("Ben", "").await;
    world
        .set_phones(
            &ben,
            &[("+3224000090", &["fax"]), ("+3224000091", &["work"]), ("+3224000002", &["cell", "pref"])],
        )
        .await;
    let cora = world.belgian("Cora", "").await;
    let dan = world.belgian("Dan", "+3224000004").await;
    let eve = world.belgian("Eve", "+3224000005").await;
    let fay = world.belgian("Fay", "+3224000006").await;
    let gus = world.belgian("Gus", "+3224000007").await;
    world.known("Hans", "DE").await;
    world.do_not_call("+3224000004").await;
    world.add_segment("be", "country == \"BE\"").await;
    world.exclude("be", &gus).await;
    world.tag(&eve, &["vip"]).await;
    world.add_segment("vip", "\"vip\" in tags").await;
    let list = world.call_list(&leader(), "fair", "teams/sales").await.name;
    world.import(&list, "+3224000006").await;
    world.place.pass(60_000_000);
    let given = proto::Campaign {
        call_list: list.clone(),
        excluded_segments: vec!["segments/vip".to_owned()],
        priority: 7,
        ..campaign("be")
    };
    let made = world.create(&leader(), "spring", given).await.unwrap();
    assert_eq!((made.state(), made.call_list.as_str()), (proto::CampaignState::Draft, "callLists/fair"));
    assert_eq!(world.entries(&list).await.len(), 1, "nobody is called before the start");
    world.begin(&leader(), "spring", 0).await.unwrap();
    let filled = world.filled("spring").await;
    let counts = filled.counts.unwrap();
    let wanted = proto::CampaignCounts {
        members: 5,
        excluded: 1,
        added: 2,
        already_listed: 1,
        without_number: 1,
        do_not_call: 1,
        ..Default::default()
    };
    assert_eq!(counts, wanted);
    assert_eq!(
        world.entries(&list).await,
        [
            format!("+3224000001 {anna} Open"),
            format!("+3224000002 {ben} Open"),
            format!("+3224000006 {fay} Open")
        ]
    );
    let entries = world.list_entries(&list).await;
    assert_eq!((entries[0].priority, entries[0].display_name.as_str()), (7, "Anna"));
    assert_eq!(world.fates("spring", Fate::DoNotCall).await, std::slice::from_ref(&dan));
    assert_eq!(world.fates("spring", Fate::WithoutNumber).await, std::slice::from_ref(&cora));
    assert_eq!(world.fates("spring", Fate::AlreadyListed).await, [fay]);
    // Who gets a number is called then.
    world.set_phones(&cora, &[("+3224000003", &[])]).await;
    world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.added == 3)).await;
    assert!(world.entries(&list).await.contains(&format!("+3224000003 {cora} Open")));
    // So is who may be called again.
    world.may_be_called("+3224000004").await;
    let counts =
        world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.added == 4)).await.counts;
    assert_eq!(counts.unwrap().do_not_call, 0);
    assert!(world.entries(&list).await.contains(&format!("+3224000004 {dan} Open")));
    let told: Vec<i32> = world
        .events()
        .await
        .iter()
        .filter_map(kontor_kit::outbox::payload::<proto::CampaignStateChanged>)
        .map(|it| it.state)
        .collect();
    assert_eq!(told, [proto::CampaignState::Running as i32]);
    // What a campaign calls can't be deleted under it.
    for segment in ["be", "vip"] {
        let request =
            proto::DeleteSegmentRequest { name: format!("segments/{segment}"), ..Default::default() };
        let refused = world.segments.clone().delete_segment(admin().request(request)).await;
        assert_eq!(failure(refused).1, "IN_USE");
    }
}

async fn s9_late_joiners_are_added_once_and_leavers_are_cancelled(world: World) {
    let anna = world.belgian("Anna", "+3224000001").await;
    let ben = world.belgian("Ben", "+3224000002").await;
    let cora = world.add_partner("Cora", "DE", "", "+3224000003").await;
    world.tag(&cora, &[]).await;
    world.add_segment("be", "country == \"BE\"").await;
    let list = world.call_list(&leader(), "fair", "teams/sales").await.name;
    let given = proto::Campaign { call_list: list.clone(), ..campaign("be") };
    world.create(&leader(), "spring", given).await.unwrap();
    world.begin(&leader(), "spring", 0).await.unwrap();
    assert_eq!(world.filled("spring").await.counts.unwrap().added, 2);
    let added = |count| {
        move |it: &proto::Campaign| it.counts.as_ref().is_some_and(|it| it.added == count && it.waiting == 0)
    };
    // A late joiner.
    world.move_to(&cora, "BE").await;
    world.becomes("spring", added(3)).await;
    // Ben is being called when he leaves; Anna waits, and comes back.
    let take = async || {
        let request = telephony::TakeNextCallRequest { parent: list.clone(), request_id: String::new() };
        let mut client = DispatchServiceClient::new(world.telephony.clone());
        client.take_next_call(sales().request(request)).await.unwrap().into_inner()
    };
    let lease = take().await;
    let taken = lease.entry.unwrap();
    let (busy, waits) = if taken.partner == anna { (&anna, &ben) } else { (&ben, &anna) };
    assert_eq!(&taken.partner, busy);
    world.move_to(busy, "DE").await;
    world.move_to(waits, "DE").await;
    let now = world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.cancelled == 1)).await;
    assert_eq!(now.counts.unwrap().added, 2, "an entry that an operator has is left alone");
    world.move_to(waits, "BE").await;
    world.members_become("be", &[waits, &cora]).await;
    let request = telephony::ReleaseEntryRequest {
        name: taken.name.clone(),
        lease_token: lease.lease_token,
        request_id: String::new(),
    };
    let mut client = DispatchServiceClient::new(world.telephony.clone());
    client.release_entry(sales().request(request)).await.unwrap();
    let now = world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.cancelled == 2)).await;
    assert_eq!((now.counts.unwrap().added, now.state()), (1, proto::CampaignState::Running));
    let open: Vec<_> = world.list_entries(&list).await;
    assert_eq!(open.len(), 3, "who came back is not called twice");
    assert_eq!(open.iter().filter(|it| it.state() == EntryState::Open).count(), 1);
    assert_eq!(world.fates("spring", Fate::Added).await, [cora]);
}

/// More than are looked at together left when they got a number; the one behind them is a member.
async fn s9_many_who_may_not_be_added_hide_nobody_behind_them(world: World) {
    use futures_util::StreamExt;
    let many = futures_util::stream::iter(0..510).map(|at| {
        let world = &world;
        async move { world.add_partner(&format!("Partner {at}"), "BE", "", "").await }
    });
    let many: Vec<String> = many.buffer_unordered(16).collect().await;
    let tag = async |tags: &[&str]| {
        let traits = many.iter().map(|partner| proto::Traits {
            partner: partner.clone(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Default::default()
        });
        let request = proto::PushTraitsRequest { traits: traits.collect() };
        world.facts.clone().push_traits(admin().request(request)).await.unwrap();
    };
    tag(&["spring"]).await;
    let last = world.add_partner("Last", "BE", "", "").await;
    world.tag(&last, &["spring"]).await;
    world.known("Hans", "DE").await;
    world.add_segment("spring", "\"spring\" in tags").await;
    let list = world.create(&leader(), "spring", campaign("spring")).await.unwrap().call_list;
    world.begin(&leader(), "spring", 0).await.unwrap();
    assert_eq!(world.filled("spring").await.counts.unwrap().without_number, 511);
    tag(&[]).await;
    let called = futures_util::stream::iter(many.iter().enumerate()).map(|(at, name)| {
        let world = &world;
        async move { world.set_phones(name, &[(&format!("+32240{at:05}"), &[])]).await }
    });
    called.buffer_unordered(16).collect::<Vec<()>>().await;
    world.members_become("spring", &[&last]).await;
    world.set_phones(&last, &[("+3224999999", &[])]).await;
    world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.added == 1)).await;
    assert_eq!(world.entries(&list).await, [format!("+3224999999 {last} Open")]);
}
