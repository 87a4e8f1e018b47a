//! Row L7 in the directory: what partners agreed to, with its proof, and many partners in one call.

use kontor_kit::outbox::payload;
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::consent_service_client::ConsentServiceClient;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::{admin, failure, patience, user};
use prost_types::Timestamp;
use proto::ConsentState::{Granted, Withdrawn};
use tonic::{Code, Request, Status};

use crate::card::{partners, sales};
use crate::world::World;

kontor_testbed::on_both! { World;
    l7_each_word_is_kept_and_the_latest_counts,
    l7_a_partner_shows_what_counts_wherever_it_is_read,
    l7_of_two_merged_partners_the_stricter_counts_until_they_are_parted,
    l7_a_withdrawal_by_an_old_name_reaches_the_survivor,
    l7_a_withdrawal_while_merged_holds_for_who_comes_back,
    l7_a_withdrawal_while_merged_outlives_a_survivor_that_is_deleted,
    l7_one_partner_has_only_so_many_purposes,
    l7_a_withdrawal_counts_however_many_there_were,
    l7_a_consent_is_told_as_event_audit_and_history,
    l7_consents_go_with_an_erased_or_deleted_partner,
    l7_wrong_consents_are_refused_and_a_repeat_is_one,
    l7_many_partners_come_in_one_call,
}

fn consents(world: &World) -> ConsentServiceClient<kontor_kit::link::Link> {
    ConsentServiceClient::new(world.link.clone())
}

async fn create(world: &World, name: &str) -> String {
    let partner = proto::Partner { display_name: name.to_owned(), ..Default::default() };
    let request = proto::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    partners(world).create_partner(sales().request(request)).await.unwrap().into_inner().name
}

async fn get(world: &World, name: &str) -> proto::Partner {
    let request = proto::GetPartnerRequest { name: name.to_owned() };
    partners(world).get_partner(sales().request(request)).await.unwrap().into_inner()
}

fn said(partner: &str, state: proto::ConsentState, seconds: i64) -> proto::SetConsentRequest {
    proto::SetConsentRequest {
        partner: partner.to_owned(),
        purpose: "mailings".to_owned(),
        state: state.into(),
        state_time: (seconds > 0).then_some(Timestamp { seconds, nanos: 0 }),
        source: "form at example.com".to_owned(),
        request_id: String::new(),
    }
}

async fn try_set(
    world: &World,
    request: Request<proto::SetConsentRequest>,
) -> Result<proto::Consent, Status> {
    Ok(consents(world).set_consent(request).await?.into_inner())
}

async fn set(world: &World, partner: &str, state: proto::ConsentState, seconds: i64) -> proto::Consent {
    try_set(world, sales().request(said(partner, state, seconds))).await.unwrap()
}

async fn list(world: &World, partner: &str) -> Vec<proto::Consent> {
    let request = proto::ListConsentsRequest { parent: partner.to_owned(), ..Default::default() };
    consents(world).list_consents(sales().request(request)).await.unwrap().into_inner().consents
}

/// Purposes and states of a partner.
async fn standing(world: &World, partner: &str) -> Vec<(String, proto::ConsentState)> {
    let found = get(world, partner).await.consents;
    found.into_iter().map(|it| (it.purpose.clone(), it.state())).collect()
}

fn mailings(state: proto::ConsentState) -> Vec<(String, proto::ConsentState)> {
    vec![("mailings".to_owned(), state)]
}

async fn merge(world: &World, survivor: &str, other: &str) -> proto::PartnerMerge {
    let request = proto::MergePartnersRequest {
        name: survivor.to_owned(),
        others: vec![other.to_owned()],
        ..Default::default()
    };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    merges.merge_partners(sales().request(request)).await.unwrap().into_inner().merge.unwrap()
}

async fn unmerge(world: &World, merge: &proto::PartnerMerge) -> Vec<proto::Partner> {
    let request = proto::UnmergePartnersRequest { name: merge.name.clone(), ..Default::default() };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    merges.unmerge_partners(sales().request(request)).await.unwrap().into_inner().partners
}

async fn l7_each_word_is_kept_and_the_latest_counts(world: World) {
    let ann = create(&world, "Ann").await;
    assert_eq!(standing(&world, &ann).await, []);
    let first = set(&world, &ann, Granted, 1_000).await;
    assert!(first.name.starts_with(&format!("{ann}/consents/")) && first.present, "{first:?}");
    assert_eq!((first.actor.as_str(), first.source.as_str()), ("users/sales", "form at example.com"));
    set(&world, &ann, Withdrawn, 2_000).await;
    assert_eq!(standing(&world, &ann).await, mailings(Withdrawn));
    // An older word is written down and changes nothing; of the same moment the withdrawal counts.
    assert!(!set(&world, &ann, Granted, 1_500).await.present);
    assert!(!set(&world, &ann, Granted, 2_000).await.present);
    assert_eq!(standing(&world, &ann).await, mailings(Withdrawn));
    assert!(set(&world, &ann, Granted, 3_000).await.present);
    let told: Vec<_> = list(&world, &ann)
        .await
        .iter()
        .map(|it| (it.state_time.unwrap().seconds, it.state(), it.present))
        .collect();
    assert_eq!(told.len(), 5);
    assert_eq!(told[0], (3_000, Granted, true));
    assert_eq!(told[4], (1_000, Granted, false));
    assert_eq!(told.iter().filter(|(_, _, present)| *present).count(), 1);
    let other = proto::SetConsentRequest { purpose: "phone-calls".to_owned(), ..said(&ann, Withdrawn, 0) };
    try_set(&world, sales().request(other)).await.unwrap();
    let mut both = mailings(Granted);
    both.push(("phone-calls".to_owned(), Withdrawn));
    assert_eq!(standing(&world, &ann).await, both);
    let filter = "purpose = \"phone-calls\"".to_owned();
    let request = proto::ListConsentsRequest { parent: ann, filter, ..Default::default() };
    let found = consents(&world).list_consents(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(found.consents.len(), 1);
}

async fn l7_a_partner_shows_what_counts_wherever_it_is_read(world: World) {
    let (ann, bob) = (create(&world, "Ann").await, create(&world, "Bob").await);
    set(&world, &ann, Granted, 1_000).await;
    set(&world, &bob, Withdrawn, 1_000).await;
    let page =
        partners(&world).list_partners(sales().request(Default::default())).await.unwrap().into_inner();
    let states: Vec<_> = page.partners.iter().map(|it| it.consents[0].state()).collect();
    assert_eq!(states, [Granted, Withdrawn]);
    // A change of the card leaves it alone.
    let renamed = proto::Partner { name: ann.clone(), title: "Dr.".to_owned(), ..Default::default() };
    let update = proto::UpdatePartnerRequest { partner: Some(renamed), ..Default::default() };
    let updated = partners(&world).update_partner(sales().request(update)).await.unwrap().into_inner();
    assert_eq!(updated.consents, get(&world, &ann).await.consents);
    assert_eq!(updated.consents[0].state_time.unwrap().seconds, 1_000);
}

async fn l7_of_two_merged_partners_the_stricter_counts_until_they_are_parted(world: World) {
    for (survivor, other, wanted) in [
        ((Granted, 1_000), (Withdrawn, 2_000), Withdrawn),
        ((Withdrawn, 1_000), (Granted, 2_000), Granted),
        ((Granted, 1_000), (Withdrawn, 1_000), Withdrawn),
        ((Withdrawn, 2_000), (Granted, 1_000), Withdrawn),
    ] {
        let (ann, twin) = (create(&world, "Ann").await, create(&world, "Ann twin").await);
        set(&world, &ann, survivor.0, survivor.1).await;
        set(&world, &twin, other.0, other.1).await;
        let merged = merge(&world, &ann, &twin).await;
        assert_eq!(standing(&world, &ann).await, mailings(wanted));
        assert_eq!(standing(&world, &twin).await, mailings(wanted));
        assert_eq!(list(&world, &ann).await.len(), 2);
        // A third one with nothing to say changes nothing, and shows it.
        let third = create(&world, "Ann third").await;
        let again = merge(&world, &third, &ann).await;
        assert_eq!(standing(&world, &third).await, mailings(wanted));
        unmerge(&world, &again).await;
        assert_eq!(standing(&world, &third).await, []);
        let back = unmerge(&world, &merged).await;
        assert_eq!(back[0].consents[0].state(), survivor.0);
        assert_eq!(back[1].consents[0].state(), other.0);
        assert_eq!(standing(&world, &twin).await, mailings(other.0));
    }
}

async fn l7_a_withdrawal_by_an_old_name_reaches_the_survivor(world: World) {
    let (ann, twin) = (create(&world, "Ann").await, create(&world, "Ann twin").await);
    set(&world, &ann, Granted, 1_000).await;
    let merged = merge(&world, &ann, &twin).await;
    // The link in a message of before the merge.
    let request = kontor_kit::auth::Caller::system().request(said(&twin, Withdrawn, 0));
    let told = try_set(&world, request).await.unwrap();
    assert!(
        told.name.starts_with(&format!("{twin}/consents/")) && told.present && told.actor.is_empty(),
        "{told:?}"
    );
    assert_eq!(standing(&world, &ann).await, mailings(Withdrawn));
    unmerge(&world, &merged).await;
    assert_eq!(standing(&world, &ann).await, mailings(Granted));
    assert_eq!(standing(&world, &twin).await, mailings(Withdrawn));
}

async fn l7_a_withdrawal_while_merged_outlives_a_survivor_that_is_deleted(world: World) {
    let (ann, twin) = (create(&world, "Ann").await, create(&world, "Ann twin").await);
    set(&world, &ann, Granted, 1_000).await;
    set(&world, &twin, Granted, 1_000).await;
    let merged = merge(&world, &ann, &twin).await;
    set(&world, &ann, Withdrawn, 2_000).await;
    let delete = proto::DeletePartnerRequest { name: ann, ..Default::default() };
    partners(&world).delete_partner(sales().request(delete)).await.unwrap();
    unmerge(&world, &merged).await;
    assert_eq!(standing(&world, &twin).await, mailings(Withdrawn));
}

async fn l7_a_withdrawal_while_merged_holds_for_who_comes_back(world: World) {
    let (ann, twin) = (create(&world, "Ann").await, create(&world, "Ann twin").await);
    set(&world, &ann, Withdrawn, 500).await;
    set(&world, &ann, Granted, 1_000).await;
    set(&world, &twin, Granted, 1_000).await;
    let merged = merge(&world, &ann, &twin).await;
    set(&world, &ann, Withdrawn, 2_000).await;
    set(&world, &ann, Withdrawn, 1_500).await;
    let back = unmerge(&world, &merged).await;
    assert_eq!(back.iter().map(|it| it.consents[0].state()).collect::<Vec<_>>(), [Withdrawn, Withdrawn]);
    let words = list(&world, &twin).await;
    let told: Vec<_> = words.iter().map(|it| (it.state_time.unwrap().seconds, it.source.clone())).collect();
    let source = format!("form at example.com (said as {ann})");
    assert_eq!(told, [(2_000, source.clone()), (1_000, "form at example.com".to_owned())]);
    assert_eq!((words[0].present, words[0].actor.as_str()), (true, "users/sales"));
    let entries = Audit::new(&world.link, "directory").of(&words[0].name).await;
    let wanted = format!(
        "CREATE sales by UnmergePartners: purpose -> mailings; state -> WITHDRAWN; state_time -> 1970-01-01T00:33:20Z; source -> {source}"
    );
    assert_eq!(entries.iter().map(line).collect::<Vec<_>>(), [wanted]);
    // Who agreed later itself stays with that; and who went in with another one comes back with it.
    let (bob, cy, dora) =
        (create(&world, "Bob").await, create(&world, "Cy").await, create(&world, "Dora").await);
    for partner in [&bob, &cy, &dora] {
        set(&world, partner, Granted, 1_000).await;
    }
    let inner = merge(&world, &cy, &dora).await;
    let outer = merge(&world, &bob, &cy).await;
    set(&world, &bob, Withdrawn, 2_000).await;
    set(&world, &cy, Granted, 3_000).await;
    unmerge(&world, &outer).await;
    assert_eq!(standing(&world, &bob).await, mailings(Withdrawn));
    assert_eq!(standing(&world, &cy).await, mailings(Granted));
    let outer = merge(&world, &bob, &cy).await;
    set(&world, &bob, Withdrawn, 4_000).await;
    unmerge(&world, &outer).await;
    unmerge(&world, &inner).await;
    assert_eq!(standing(&world, &cy).await, mailings(Withdrawn));
    assert_eq!(standing(&world, &dora).await, mailings(Withdrawn));
}

async fn l7_one_partner_has_only_so_many_purposes(world: World) {
    let ann = create(&world, "Ann").await;
    let word = |state, number: u32| {
        let purpose = format!("purpose-{number}");
        sales().request(proto::SetConsentRequest { purpose, ..said(&ann, state, 1_000) })
    };
    for number in 0..1_000 {
        try_set(&world, word(if number < 100 { Granted } else { Withdrawn }, number)).await.unwrap();
    }
    for refused in [word(Withdrawn, 1_000), word(Granted, 1_000)] {
        assert_eq!(failure(try_set(&world, refused).await), (Code::ResourceExhausted, "TOO_MANY".to_owned()));
    }
    // What is there can still be withdrawn.
    assert!(try_set(&world, word(Withdrawn, 7)).await.unwrap().present);
    assert_eq!(get(&world, &ann).await.consents.len(), 1_000);
}

async fn l7_a_withdrawal_counts_however_many_there_were(world: World) {
    let ann = create(&world, "Ann").await;
    let mut last = set(&world, &ann, Granted, 1).await;
    for second in 2..=1_000 {
        last = set(&world, &ann, Withdrawn, second).await;
    }
    // One that says nothing new is answered by what is there.
    assert_eq!(set(&world, &ann, Withdrawn, 500).await, last);
    assert_eq!(set(&world, &ann, Withdrawn, 1_000).await, last);
    let refused = try_set(&world, sales().request(said(&ann, Granted, 2_000))).await;
    assert_eq!(failure(refused), (Code::ResourceExhausted, "TOO_MANY".to_owned()));
    // A later one takes the place of the one before.
    let later = set(&world, &ann, Withdrawn, 3_000).await;
    assert!(later.present && later.name != last.name, "{later:?}");
    let request = proto::ListConsentsRequest { parent: ann.clone(), page_size: 1_000, ..Default::default() };
    let page = consents(&world).list_consents(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((page.consents.len(), page.next_page_token.as_str()), (1_000, ""));
    assert_eq!((&page.consents[0], page.consents[1].state_time.unwrap().seconds), (&later, 999));
    assert_eq!(page.consents[999].state(), Granted);
    let entries = Audit::new(&world.link, "directory").of(&last.name).await;
    assert!(entries.iter().map(line).any(|it| it.starts_with("DELETE sales by SetConsent")), "{entries:?}");
    assert_eq!(get(&world, &ann).await.consents[0].state_time.unwrap().seconds, 3_000);
}

async fn l7_a_consent_is_told_as_event_audit_and_history(world: World) {
    let ann = create(&world, "Ann").await;
    let told = set(&world, &ann, Granted, 1_000).await;
    set(&world, &ann, Withdrawn, 500).await;
    let events = world.events().await;
    let changed: Vec<_> = events
        .iter()
        .filter_map(|event| {
            Some((event.subject.clone(), event.partner.clone(), payload::<proto::ConsentChanged>(event)?))
        })
        .collect();
    assert_eq!(changed.len(), 1, "the older word changed nothing");
    let (subject, partner, event) = &changed[0];
    assert_eq!((subject, partner, event.state(), &event.consent), (&ann, &ann, Granted, &told.name));
    let entries = Audit::new(&world.link, "directory").of(&told.name).await;
    let lines: Vec<_> = entries.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "CREATE sales by SetConsent: purpose -> mailings; state -> GRANTED; state_time -> 1970-01-01T00:16:40Z; source -> form at example.com"
        ]
    );
    let entries = |order: &str| proto::ListTimelineEntriesRequest {
        parent: ann.clone(),
        order_by: order.to_owned(),
        ..Default::default()
    };
    for () in patience() {
        let found =
            partners(&world).list_timeline_entries(sales().request(entries(""))).await.unwrap().into_inner();
        if let [entry] = found.timeline_entries.as_slice() {
            assert_eq!((entry.kind.as_str(), entry.summary.as_str()), ("consent", "agreed to mailings"));
            assert_eq!((entry.subject.as_str(), entry.actor.as_str()), (told.name.as_str(), "users/sales"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the history does not tell it");
}

async fn l7_consents_go_with_an_erased_or_deleted_partner(world: World) {
    let (ann, twin, bob) =
        (create(&world, "Ann").await, create(&world, "Ann twin").await, create(&world, "Bob").await);
    for partner in [&ann, &twin, &bob] {
        set(&world, partner, Granted, 1_000).await;
    }
    merge(&world, &ann, &twin).await;
    let wish = proto::ErasePartnerRequest {
        name: ann.clone(),
        reason: proto::ErasureReason::Requested.into(),
        ..Default::default()
    };
    let mut erasures = ErasureServiceClient::new(world.link.clone());
    let mut preview = wish.clone();
    preview.validate_only = true;
    let shown = erasures.erase_partner(admin().request(preview)).await.unwrap().into_inner();
    let counted = |erasure: &proto::Erasure| {
        let counts = erasure.services.iter().filter(|it| it.service == "directory").flat_map(|it| &it.counts);
        counts.filter(|it| it.kind == "consents").map(|it| it.count).sum::<i64>()
    };
    assert_eq!(counted(&shown), 2);
    let erasure = erasures.erase_partner(admin().request(wish)).await.unwrap().into_inner();
    let mut erased = None;
    for () in patience() {
        let request = proto::GetErasureRequest { name: erasure.name.clone() };
        let now = erasures.get_erasure(admin().request(request)).await.unwrap().into_inner();
        if now.services.iter().any(|it| it.service == "directory" && it.time.is_some()) {
            erased = Some(counted(&now));
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(erased, Some(2));
    let delete = proto::DeletePartnerRequest { name: bob, ..Default::default() };
    partners(&world).delete_partner(sales().request(delete)).await.unwrap();
    let db = world.other_process().await;
    let left = db
        .read(|conn| {
            let count = |conn: &mut kontor_kit::db::Conn<'_>, table: &str| {
                let sql = format!("SELECT COUNT(*) FROM {table}");
                conn.one(&sql, &[], |row| row.int(0)).map(|it| it.unwrap_or(-1))
            };
            Ok((count(conn, "consent")?, count(conn, "consent_state")?))
        })
        .await
        .unwrap();
    assert_eq!(left, (0, 0));
}

async fn l7_wrong_consents_are_refused_and_a_repeat_is_one(world: World) {
    let ann = create(&world, "Ann").await;
    let good = || said(&ann, Granted, 1_000);
    let tomorrow = world.place.now() / 1_000_000 + 86_400;
    for (field, wrong) in [
        ("purpose", proto::SetConsentRequest { purpose: "Mailings!".to_owned(), ..good() }),
        ("state", proto::SetConsentRequest { state: 0, ..good() }),
        ("state", proto::SetConsentRequest { state: 7, ..good() }),
        ("source", proto::SetConsentRequest { source: "  ".to_owned(), ..good() }),
        ("source", proto::SetConsentRequest { source: "a".repeat(2_001), ..good() }),
        ("state_time", said(&ann, Granted, tomorrow)),
        ("partner", proto::SetConsentRequest { partner: "x".to_owned(), ..good() }),
    ] {
        let refused = try_set(&world, sales().request(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(&format!("{field}: ")), "{}", refused.message());
    }
    let missing = try_set(&world, sales().request(said("partners/none", Granted, 1))).await;
    assert_eq!(failure(missing).0, Code::NotFound);
    let nobody = try_set(&world, Request::new(good())).await;
    assert_eq!(failure(nobody).0, Code::Unauthenticated);
    let once = || user("sales").request(proto::SetConsentRequest { request_id: "one".to_owned(), ..good() });
    let first = try_set(&world, once()).await.unwrap();
    assert_eq!(try_set(&world, once()).await.unwrap(), first);
    assert_eq!(list(&world, &ann).await.len(), 1);
}

async fn l7_many_partners_come_in_one_call(world: World) {
    let (ann, twin, bob) =
        (create(&world, "Ann").await, create(&world, "Ann twin").await, create(&world, "Bob").await);
    set(&world, &ann, Granted, 1_000).await;
    merge(&world, &ann, &twin).await;
    let ask = |names: Vec<String>, card_details| {
        sales().request(proto::BatchGetPartnersRequest { names, card_details })
    };
    let names = vec![twin.clone(), "partners/none".to_owned(), bob.clone(), ann.clone(), ann.clone()];
    let found =
        partners(&world).batch_get_partners(ask(names.clone(), false)).await.unwrap().into_inner().results;
    assert_eq!(found.iter().map(|it| it.name.clone()).collect::<Vec<_>>(), names);
    let to: Vec<_> = found.iter().map(|it| it.partner.as_ref().map(|it| it.name.clone())).collect();
    assert_eq!(to, [Some(ann.clone()), None, Some(bob.clone()), Some(ann.clone()), Some(ann.clone())]);
    assert_eq!(found[0].partner, Some(get(&world, &ann).await));
    // What only cards say comes when it is asked for.
    let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:cy\r\nFN:Cy\r\nN:Muster;Cy;;Dr.;\r\nLANG:de-AT\r\nGENDER:F;x\r\nEND:VCARD\r\n";
    crate::card::put(&world, crate::card::company(), "cy.vcf", card).await.unwrap();
    let page =
        partners(&world).list_partners(sales().request(Default::default())).await.unwrap().into_inner();
    let cy = page.partners.iter().find(|it| it.display_name == "Cy").unwrap().name.clone();
    for (wanted, details) in [(("", "", ""), false), (("de-AT", "f", "Dr."), true)] {
        let found =
            partners(&world).batch_get_partners(ask(vec![cy.clone()], details)).await.unwrap().into_inner();
        let it = &found.results[0];
        assert_eq!((it.language.as_str(), it.gender.as_str(), it.honorific_prefixes.as_str()), wanted);
    }
    // Names are followed through merges of merges.
    let third = create(&world, "Ann third").await;
    merge(&world, &third, &ann).await;
    let names = vec![twin, ann.clone(), "partners/none".to_owned(), third.clone(), bob.clone()];
    let found = partners(&world).batch_get_partners(ask(names, false)).await.unwrap().into_inner().results;
    let to: Vec<_> = found.into_iter().map(|it| it.partner.map(|it| it.name)).collect();
    assert_eq!(to, [Some(third.clone()), Some(third.clone()), None, Some(third), Some(bob)]);
    for names in [Vec::new(), vec!["x".to_owned()], vec![ann; 1_001]] {
        assert_eq!(
            failure(partners(&world).batch_get_partners(ask(names, false)).await).0,
            Code::InvalidArgument
        );
    }
}
