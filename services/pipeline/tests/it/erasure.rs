//! Row H3 in the pipeline: an erased partner is gone from opportunities, leads, steps and events, and every sum is as it was.

use std::time::Duration;

use kontor_kit::auth::Guard;
use kontor_kit::clock::to_proto;
use kontor_kit::outbox::{self, NewEvent};
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::change_service_client::ChangeServiceClient;
use kontor_proto::pipeline::v1::forecast_service_client::ForecastServiceClient;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_proto::pipeline::v1::score_service_client::ScoreServiceClient;
use kontor_proto::r#type::v1::{Email, Money, Phone, WatchChangesRequest};
use kontor_testbed::traces::traces;
use kontor_testbed::{SECOND, admin};

use crate::world::{World, anna, deal, lead};

kontor_testbed::on_both! { World;
    h3_sums_scores_and_counts_stay_and_the_person_is_gone,
    h3_a_lead_with_the_address_is_erased_and_others_are_not,
    h3_a_lead_that_came_after_the_erasure_began_is_somebody_elses,
}

/// A word that stands nowhere else.
const WORD: &str = "zqxerased";

async fn partner(world: &World, name: &str, phone: &str, email: &str) -> String {
    let partner = directory::Partner {
        display_name: name.to_owned(),
        phones: vec![Phone { number: phone.to_owned(), ..Default::default() }],
        emails: vec![Email { address: email.to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

/// Erases, lets telephony (which does not run here) say that it is done, and waits for the others.
async fn erase(world: &World, name: &str) -> directory::Erasure {
    let mut client = ErasureServiceClient::new(world.directory.clone());
    let request = directory::ErasePartnerRequest {
        name: name.to_owned(),
        reason: directory::ErasureReason::Requested.into(),
        ..Default::default()
    };
    let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner();
    let telephony = world.place.fake("telephony").await;
    let erased =
        directory::PartnerDataErased { erasure: erasure.name.clone(), done: true, ..Default::default() };
    let subject = erasure.name.clone();
    telephony
        .write(move |tx| {
            tx.publish(NewEvent::new("telephony", subject.clone(), &Guard::company(), &erased));
            Ok(())
        })
        .await
        .unwrap();
    for () in kontor_testbed::patience() {
        let request = directory::GetErasureRequest { name: erasure.name.clone() };
        let report = client.get_erasure(admin().request(request)).await.unwrap().into_inner();
        if report.state() == directory::ErasureState::Done {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the erasure is not done");
}

fn count(report: &directory::Erasure, kind: &str) -> i64 {
    let parts = report.services.iter().filter(|part| part.service == "pipeline");
    parts
        .flat_map(|part| &part.counts)
        .find(|counted| counted.kind == kind)
        .map_or(0, |counted| counted.count)
}

fn offer(title: &str, partner: &str, industry: &str) -> proto::Opportunity {
    let attributes = [("industry".to_owned(), industry.to_owned())];
    proto::Opportunity {
        partner: partner.to_owned(),
        amount: Some(Money { currency_code: "EUR".to_owned(), amount: "1000".to_owned() }),
        expected_close_date: "2026-12-31".to_owned(),
        description: format!("for {title}"),
        tags: vec![title.to_owned()],
        attributes: attributes.into_iter().collect(),
        source: "web".to_owned(),
        ..deal(title)
    }
}

async fn close(world: &World, name: &str, won: bool) {
    let (mut deals, name) = (world.deals.clone(), name.to_owned());
    if won {
        let request = proto::WinOpportunityRequest { name, ..Default::default() };
        deals.win_opportunity(admin().request(request)).await.unwrap();
    } else {
        let request = proto::LoseOpportunityRequest { name, reason: WORD.to_owned(), ..Default::default() };
        deals.lose_opportunity(admin().request(request)).await.unwrap();
    }
}

/// Everything that is summed up: the forecast now and as of an instant, what was learned, and how many there are.
async fn sums(world: &World, then: i64) -> String {
    let mut forecasts = ForecastServiceClient::new(world.link.clone());
    let mut all = String::new();
    for as_of_time in [None, Some(to_proto(then))] {
        let by = [proto::ForecastGroup::Month, proto::ForecastGroup::Team, proto::ForecastGroup::Owner];
        let group_by = by.map(i32::from).to_vec();
        let request = proto::GetForecastRequest { as_of_time, group_by, ..Default::default() };
        let forecast = forecasts.get_forecast(admin().request(request)).await.unwrap().into_inner();
        all += &format!("{:?}\n", forecast.rows);
    }
    for team in ["", "teams/sales"] {
        let request = proto::GetScoreModelRequest { team: team.to_owned() };
        let mut scores = ScoreServiceClient::new(world.link.clone());
        let model = scores.get_score_model(admin().request(request)).await.unwrap().into_inner();
        all += &format!("{model:?}\n");
    }
    for filter in ["state = OPEN", "state = WON", "state = LOST", "assignee = \"users/anna\""] {
        let request = proto::ListOpportunitiesRequest { filter: filter.to_owned(), ..Default::default() };
        let page =
            world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner();
        all += &format!("{filter}: {}\n", page.opportunities.len());
    }
    all
}

async fn step(world: &World, parent: &str, done: bool) {
    let mut client = NextStepServiceClient::new(world.link.clone());
    let step = proto::NextStep {
        title: format!("call {WORD}"),
        note: WORD.to_owned(),
        due: Some(Due::DueDate("2026-11-30".to_owned())),
        ..Default::default()
    };
    let request = proto::CreateNextStepRequest {
        parent: parent.to_owned(),
        next_step: Some(step),
        request_id: format!("step {done}"),
        ..Default::default()
    };
    let made = client.create_next_step(anna().request(request)).await.unwrap().into_inner();
    if done {
        let request = proto::CompleteNextStepRequest { name: made.name, ..Default::default() };
        client.complete_next_step(anna().request(request)).await.unwrap();
    }
}

async fn watch(world: &World, token: &str) -> Vec<i64> {
    let request =
        WatchChangesRequest { resume_token: token.to_owned(), until_now: true, ..Default::default() };
    let mut client = ChangeServiceClient::new(world.link.clone());
    let mut stream = client.watch_changes(admin().request(request)).await.unwrap().into_inner();
    let mut numbers = Vec::new();
    while let Some(change) = stream.message().await.unwrap() {
        numbers.extend(change.event.map(|event| event.sequence));
    }
    numbers
}

async fn h3_sums_scores_and_counts_stay_and_the_person_is_gone(world: World) {
    let person = partner(&world, &format!("Anna {WORD}"), "+32 471 11 22 33", "zqxerased@example.com").await;
    let acme = partner(&world, "Acme", "+32 2 555 00 00", "acme@example.com").await;
    let asks = proto::Lead {
        contact_name: format!("Anna {WORD}"),
        email: "ZQXerased@example.com".to_owned(),
        description: WORD.to_owned(),
        source: "web".to_owned(),
        ..lead(WORD)
    };
    let asked = world.add_lead(&anna(), asks).await;
    let request = proto::ConvertLeadRequest {
        name: asked.name.clone(),
        request_id: "convert".to_owned(),
        ..Default::default()
    };
    let converted = world.leads.clone().convert_lead(anna().request(request)).await.unwrap().into_inner();
    let open = converted.opportunity.unwrap();
    assert_eq!(open.partner, person);
    step(&world, &open.name, true).await;
    step(&world, &open.name, false).await;
    let won = world.add_deal(&anna(), offer(WORD, &person, WORD)).await;
    let lost = world.add_deal(&anna(), offer(WORD, &person, "building")).await;
    let other = world.add_deal(&anna(), offer("Roof", &acme, "building")).await;
    world.pass(SECOND);
    let then = world.place.now();
    world.pass(SECOND);
    for (name, is_won) in [(&won.name, true), (&lost.name, false), (&other.name, true)] {
        close(&world, name, is_won).await;
    }
    let still_open = world.add_deal(&anna(), offer(WORD, &person, WORD)).await;
    world.pass(SECOND);
    let before = sums(&world, then).await;
    let events = world.events(&admin()).await;
    let kept = world.deal(&other.name).await;

    let report = erase(&world, &person).await;
    assert_eq!(
        (count(&report, "opportunities"), count(&report, "leads"), count(&report, "next steps")),
        (4, 1, 2)
    );
    assert_eq!(sums(&world, then).await, before);
    assert_eq!(traces(&world.place.context.storage, &[WORD, "471112233"]).await, [""; 0]);
    assert_eq!(world.deal(&other.name).await, kept);
    let erased = world.deal(&lost.name).await;
    let expected = proto::Opportunity {
        title: "Erased".to_owned(),
        partner: String::new(),
        description: String::new(),
        tags: Vec::new(),
        attributes: Default::default(),
        lost_reason: String::new(),
        etag: erased.etag.clone(),
        update_time: erased.update_time,
        state: proto::OpportunityState::Lost.into(),
        close_time: erased.close_time,
        score: erased.score,
        probability: erased.probability,
        // Nothing is expected of a lost one.
        weighted_amount: Some(Money { currency_code: "EUR".to_owned(), amount: "0.00".to_owned() }),
        needs_next_step: erased.needs_next_step,
        ..lost
    };
    assert_eq!(erased, expected);
    assert_eq!(world.deal(&still_open.name).await.amount, still_open.amount);
    let erased = world.lead(&asked.name).await;
    assert_eq!((erased.title.as_str(), erased.email.as_str(), erased.source.as_str()), ("Erased", "", "web"));
    assert_eq!(erased.opportunity, open.name);

    // The stream is read from its beginning and from any place, every number is there, and what stood there is named.
    let after = world.events(&admin()).await;
    let numbers = watch(&world, "0").await;
    assert_eq!(numbers, (1..=after.len() as i64).collect::<Vec<_>>());
    assert_eq!(watch(&world, "7").await, numbers[7..]);
    for (old, new) in events.iter().zip(&after) {
        assert_eq!(
            (&old.event_id, &old.occur_time, &old.subject),
            (&new.event_id, &new.occur_time, &new.subject)
        );
        if old.subject == other.name {
            assert_eq!(old, new);
        } else if let Some(erased) = outbox::payload::<kontor_proto::r#type::v1::ErasedPayload>(new) {
            assert_eq!(erased.r#type, outbox::kind(old));
        }
    }
    // An erased opportunity is still worked with.
    let request = proto::ReopenOpportunityRequest { name: won.name.clone(), ..Default::default() };
    world.deals.clone().reopen_opportunity(admin().request(request)).await.unwrap();
    let new = proto::Opportunity { name: won.name, title: "Known again".to_owned(), ..Default::default() };
    let request = proto::UpdateOpportunityRequest { opportunity: Some(new), ..Default::default() };
    world.deals.clone().update_opportunity(admin().request(request)).await.unwrap();
}

async fn h3_a_lead_with_the_address_is_erased_and_others_are_not(world: World) {
    let person = partner(&world, WORD, "+32 471 11 22 33", "anna@example.com").await;
    let with = |email: &str, phone: &str| proto::Lead {
        email: email.to_owned(),
        phone: phone.to_owned(),
        contact_name: "Somebody".to_owned(),
        ..lead("Asks")
    };
    let mut leads = Vec::new();
    for (email, phone) in [
        ("Anna@Example.com", ""),
        ("", "+32 (471) 11-22/33"),
        ("joanna@example.com", ""),
        ("", "+32 471 11 22 34"),
        ("", ""),
    ] {
        leads.push(world.add_lead(&anna(), with(email, phone)).await);
    }
    let report = erase(&world, &person).await;
    assert_eq!(count(&report, "leads"), 2);
    for (place, made) in leads.iter().enumerate() {
        let now = world.lead(&made.name).await;
        if place < 2 {
            assert_eq!((now.email, now.phone, now.contact_name), Default::default());
        } else {
            assert_eq!(now, *made);
        }
    }
}

/// Telephony may let an erasure wait for a day. Who uses the address by then is somebody else, and their lead is no part of it.
async fn h3_a_lead_that_came_after_the_erasure_began_is_somebody_elses(world: World) {
    let person = partner(&world, WORD, "+32 471 11 22 33", "anna@example.com").await;
    let asks = || proto::Lead { email: "anna@example.com".to_owned(), ..lead("Asks") };
    let before = world.add_lead(&anna(), asks()).await;
    // The erasure begins before this lead is made, by the clock, and is heard of after it.
    let begin = world.place.now();
    world.place.set_clock(begin + 60 * SECOND);
    let after = world.add_lead(&anna(), asks()).await;
    world.place.set_clock(begin + SECOND);
    let report = erase(&world, &person).await;
    assert_eq!(count(&report, "leads"), 1);
    assert_eq!(world.lead(&before.name).await.email, "");
    assert_eq!(world.lead(&after.name).await, after);
}
