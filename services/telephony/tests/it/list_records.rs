//! H3, H4 and P14 for call lists: what erasures take from entries, what the audit tells of them, and that they follow their partner into a merge.

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallListOutcome::NotHeld;
use kontor_proto::telephony::v1::{CallListEntryState as State, CallOutcomeReason, CancelReason};
use kontor_proto::r#type::v1::ListAuditEntriesRequest;
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::caller;

use crate::lists::{FAIR, Lists, operator, row};
use crate::world::World;

kontor_testbed::on_both! { World;
    h3_an_erased_partner_is_gone_from_call_lists,
    h4_entries_and_lists_are_told_field_by_field,
    p14_entries_follow_their_partner_into_a_merge_and_out_of_it,
}

async fn h3_an_erased_partner_is_gone_from_call_lists(world: World) {
    let anna = world.neighbours.add_partner("Anna Zqxname", "+32475123456").await;
    let lists = Lists::with_list(&world, |_| ()).await;
    let rows = vec![
        // by its number, by its name, and somebody else
        proto::CallListRow {
            display_name: "Zqxname".to_owned(),
            note: "zqxnote".to_owned(),
            ..row("0475 12 34 56")
        },
        proto::CallListRow {
            partner: anna.clone(),
            display_name: "Zqxname".to_owned(),
            ..row("+32475123457")
        },
        row("+32475123458"),
    ];
    lists.import(rows).await;
    let before = lists.entries("").await;
    lists.fail(&operator("ann"), CallOutcomeReason::Busy).await;
    let number = proto::DoNotCallNumber {
        number: "+32475123456".to_owned(),
        note: "zqxnote".to_owned(),
        ..Default::default()
    };
    world.neighbours.erase_partner(&anna).await;
    let gone = async || {
        let entries = [lists.get(&before[0].name).await, lists.get(&before[1].name).await];
        entries.iter().all(|entry| entry.cancel_reason() == CancelReason::Erased)
    };
    for () in kontor_testbed::patience() {
        if gone().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (place, tries) in [(0, 1), (1, 0)] {
        let entry = lists.get(&before[place].name).await;
        assert_eq!((entry.state(), entry.tries), (State::Cancelled, tries), "{entry:?}");
        let texts = [&entry.number, &entry.e164, &entry.partner, &entry.display_name, &entry.note];
        assert!(texts.into_iter().all(String::is_empty), "{entry:?}");
    }
    assert_eq!(lists.get(&before[2].name).await.state(), State::Open);
    // a number may come again: it is somebody new
    lists.fill(&["+32475123456"]).await;
    // the list of those not to be called keeps the number; the note goes
    let request =
        proto::CreateDoNotCallNumberRequest { do_not_call_number: Some(number), ..Default::default() };
    lists.numbers.clone().create_do_not_call_number(operator("ann").request(request)).await.unwrap();
    let again = world.neighbours.add_partner("Anna Zqxname", "+32475123456").await;
    world.neighbours.erase_partner(&again).await;
    let get = || proto::GetDoNotCallNumberRequest { name: "doNotCallNumbers/32475123456".to_owned() };
    for () in kontor_testbed::patience() {
        let kept = lists.numbers.clone().get_do_not_call_number(operator("ann").request(get())).await;
        if kept.unwrap().into_inner().note.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the note stays");
}

async fn h4_entries_and_lists_are_told_field_by_field(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let lease = lists.take(&operator("ann")).await;
    lists.dial(&lease).await.unwrap();
    let tell = |request: &mut proto::RecordOutcomeRequest| {
        request.reason = CallOutcomeReason::Busy.into();
        request.note = "engaged".to_owned();
    };
    lists.record(&lease, NotHeld, tell).await.unwrap();
    lists.do_not_call(&operator("ben"), "+32475123456").await.unwrap();
    let audit = Audit::new(&world.link, "telephony");
    let told: Vec<String> = audit.of(&lease.entry.name).await.iter().map(line).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!(
        told[0],
        "UPDATE ann by StartDial: state LEASED -> DIALLING; dial_time -> 2026-11-23T09:00:00Z"
    );
    assert!(told[1].starts_with("UPDATE ann by RecordOutcome: state DIALLING -> OPEN; "), "{}", told[1]);
    assert!(told[1].contains("tries 0 -> 1; last_reason -> BUSY"), "{}", told[1]);
    assert!(told[1].ends_with("note -> engaged"), "{}", told[1]);
    assert!(
        told[2].starts_with("UPDATE ben by CreateDoNotCallNumber: state OPEN -> CANCELLED; "),
        "{}",
        told[2]
    );
    let told: Vec<String> = audit.of(FAIR).await.iter().map(line).collect();
    assert!(
        told[0].starts_with("CREATE lead by CreateCallList: display_name -> Fair 2026; team -> teams/sales"),
        "{told:?}"
    );
    assert_eq!(told[1], "UPDATE lead by ImportCallListEntries: imported_entries -> 1");
    let told: Vec<String> = audit.of("doNotCallNumbers/32475123456").await.iter().map(line).collect();
    assert!(
        told[0].starts_with("CREATE ben by CreateDoNotCallNumber: number -> +32475123456; reason -> ASKED"),
        "{told:?}"
    );
    // for the team's eyes
    let request = || ListAuditEntriesRequest { subject: lease.entry.name.clone(), ..Default::default() };
    let seen = audit.list(operator("ben").request(request())).await.unwrap();
    assert_eq!(seen.entries.len(), 3);
    let stranger = caller("eve", &["other"], &["other"]);
    assert!(audit.list(stranger.request(request())).await.unwrap().entries.is_empty());
    audit.whole().await;
}

async fn p14_entries_follow_their_partner_into_a_merge_and_out_of_it(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", "+32475123456").await;
    let acme = world.neighbours.add_partner("Acme", "+3221234567").await;
    let lists = Lists::with_list(&world, |_| ()).await;
    let of = |partner: &str, number: &str| proto::CallListRow { partner: partner.to_owned(), ..row(number) };
    lists.import(vec![of(&anna, "+32475123456"), of(&acme, "+3221234567")]).await;
    let comes_to = async |partner: &str, count: usize| {
        for () in kontor_testbed::patience() {
            if lists.entries(&format!("partner = \"{partner}\"")).await.len() == count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{partner} never has {count}");
    };
    let merge = world.neighbours.merge_partners(&acme, &anna).await;
    comes_to(&acme, 2).await;
    world.neighbours.unmerge_partners(&merge).await;
    comes_to(&anna, 1).await;
    comes_to(&acme, 1).await;
}
