//! Row P2: a lead becomes an opportunity, its partner matched or created, once.

use kontor_kit::outbox;
use kontor_proto::directory::v1::{ListPartnersRequest, Partner};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, lead};

kontor_testbed::on_both! { World;
    p2_the_same_request_twice_gives_one_opportunity,
    p2_partner_is_matched_by_email_and_number,
    p2_a_lead_converts_once_under_concurrency,
    p2_what_is_refused_leaves_nothing_behind,
    p2_a_demand_of_the_first_stage_leaves_no_partner_behind,
    p2_a_given_partner_is_taken,
    p2_a_lead_with_names_only_gets_a_partner_of_that_name,
}

fn convert(lead: &proto::Lead, request_id: &str) -> proto::ConvertLeadRequest {
    proto::ConvertLeadRequest {
        name: lead.name.clone(),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

async fn partners(world: &World) -> Vec<Partner> {
    let answer = world.partners.clone().list_partners(admin().request(ListPartnersRequest::default())).await;
    answer.unwrap().into_inner().partners
}

fn acme() -> proto::Lead {
    proto::Lead {
        contact_name: "Anna Smit".to_owned(),
        company_name: "Acme".to_owned(),
        email: "Anna.Smit@Acme.example".to_owned(),
        phone: "0471 12 34 56".to_owned(),
        tags: vec!["fair".to_owned()],
        ..lead("Roof")
    }
}

async fn p2_the_same_request_twice_gives_one_opportunity(world: World) {
    let made = world.add_lead(&anna(), acme()).await;
    let mut leads = world.leads.clone();
    let first = leads.convert_lead(anna().request(convert(&made, "r1"))).await.unwrap().into_inner();
    let again = leads.convert_lead(anna().request(convert(&made, "r1"))).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert!(first.partner_created);
    let (deal, lead) = (first.opportunity.unwrap(), first.lead.unwrap());
    assert_eq!((deal.title.as_str(), deal.lead.as_str()), ("Roof", made.name.as_str()));
    assert_eq!((deal.stage.as_str(), &deal.tags), ("pipelines/default/stages/new", &made.tags));
    assert_eq!((lead.state(), &lead.opportunity), (proto::LeadState::Converted, &deal.name));
    let third = leads.convert_lead(ben().request(convert(&made, "")));
    assert_eq!(third.await.unwrap().into_inner().opportunity.unwrap(), deal);
    let partners = partners(&world).await;
    assert_eq!(partners.len(), 1);
    assert_eq!((&partners[0].name, partners[0].display_name.as_str()), (&deal.partner, "Anna Smit"));
    assert_eq!(world.kinds(&made.name).await, ["LeadCreated", "LeadConverted"]);
    assert_eq!(world.kinds(&deal.name).await, ["OpportunityCreated"]);
    let events = world.events(&admin()).await;
    let converted = events.iter().find(|event| outbox::payload::<proto::LeadConverted>(event).is_some());
    assert_eq!(converted.unwrap().partner, deal.partner);
    let delete = proto::DeleteLeadRequest { name: made.name, ..Default::default() };
    assert_eq!(failure(leads.delete_lead(anna().request(delete)).await).0, Code::FailedPrecondition);
}

async fn p2_partner_is_matched_by_email_and_number(world: World) {
    let mut leads = world.leads.clone();
    let first = world.add_lead(&anna(), acme()).await;
    let first = leads.convert_lead(anna().request(convert(&first, ""))).await.unwrap().into_inner();
    let partner = first.opportunity.unwrap().partner;
    let by_mail = proto::Lead { email: " anna.smit@ACME.example".to_owned(), ..lead("Garden") };
    let by_number = proto::Lead { phone: "+32 471 123456".to_owned(), ..lead("Shed") };
    let by_region =
        proto::Lead { phone: "0471/12.34.56".to_owned(), region: "be".to_owned(), ..lead("Gate") };
    for same in [by_mail, by_number, by_region] {
        let made = world.add_lead(&ben(), same).await;
        let answer = leads.convert_lead(ben().request(convert(&made, ""))).await.unwrap().into_inner();
        assert!(!answer.partner_created);
        assert_eq!(answer.opportunity.unwrap().partner, partner);
    }
    let abroad = proto::Lead { phone: "0471 12 34 56".to_owned(), region: "NL".to_owned(), ..lead("Door") };
    let made = world.add_lead(&ben(), abroad).await;
    let other = leads.convert_lead(ben().request(convert(&made, ""))).await.unwrap().into_inner();
    assert_ne!(other.opportunity.unwrap().partner, partner);
    assert_eq!(partners(&world).await.len(), 2);
}

async fn p2_a_lead_converts_once_under_concurrency(world: World) {
    let made = world.add_lead(&anna(), acme()).await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut leads = world.leads.clone();
        let request = convert(&made, if number < 4 { "same" } else { "" });
        tries.spawn(async move { leads.convert_lead(anna().request(request)).await });
    }
    let answers = tries.join_all().await;
    let names: std::collections::BTreeSet<_> =
        answers.into_iter().map(|answer| answer.unwrap().into_inner().opportunity.unwrap().name).collect();
    assert_eq!(names.len(), 1);
    let all = world.deals.clone().list_opportunities(admin().request(Default::default())).await.unwrap();
    assert_eq!(all.get_ref().opportunities.len(), 1);
    assert_eq!(partners(&world).await.len(), 1);
    assert_eq!(world.kinds(&made.name).await, ["LeadCreated", "LeadConverted"]);
}

async fn p2_what_is_refused_leaves_nothing_behind(world: World) {
    let mut leads = world.leads.clone();
    let bare = world.add_lead(&anna(), lead("Nobody")).await;
    let refused = leads.convert_lead(anna().request(convert(&bare, ""))).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "LEAD_WITHOUT_CONTACT".to_owned()));
    let made = world.add_lead(&anna(), acme()).await;
    let wrong = [
        (proto::ConvertLeadRequest { etag: "v9".to_owned(), ..convert(&made, "") }, Code::Aborted),
        (
            proto::ConvertLeadRequest { pipeline: "pipelines/x".to_owned(), ..convert(&made, "") },
            Code::InvalidArgument,
        ),
        (
            proto::ConvertLeadRequest { partner: "partners/x".to_owned(), ..convert(&made, "") },
            Code::InvalidArgument,
        ),
    ];
    for (request, code) in wrong {
        assert_eq!(failure(leads.convert_lead(anna().request(request)).await).0, code);
    }
    assert_eq!(failure(leads.convert_lead(carl().request(convert(&made, ""))).await).0, Code::NotFound);
    let out = proto::Lead { name: made.name.clone(), state: 3, ..Default::default() };
    let out = proto::UpdateLeadRequest { lead: Some(out), ..Default::default() };
    leads.update_lead(anna().request(out)).await.unwrap();
    let refused = leads.convert_lead(anna().request(convert(&made, ""))).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "LEAD_DISQUALIFIED".to_owned()));
    assert!(partners(&world).await.is_empty());
}

async fn p2_a_demand_of_the_first_stage_leaves_no_partner_behind(world: World) {
    let stage = proto::Stage {
        name: "offer".to_owned(),
        display_name: "Offer".to_owned(),
        required_fields: vec!["amount".to_owned()],
        ..Default::default()
    };
    let pipeline =
        proto::Pipeline { display_name: "Offers".to_owned(), stages: vec![stage], ..Default::default() };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(pipeline),
        pipeline_id: "offers".to_owned(),
        ..Default::default()
    };
    world.pipelines.clone().create_pipeline(admin().request(request)).await.unwrap();
    let made = world.add_lead(&anna(), acme()).await;
    let mut request =
        proto::ConvertLeadRequest { pipeline: "pipelines/offers".to_owned(), ..convert(&made, "r1") };
    let mut leads = world.leads.clone();
    let refused = failure(leads.convert_lead(anna().request(request.clone())).await);
    assert_eq!(refused, (Code::FailedPrecondition, "STAGE_DEMANDS".to_owned()));
    assert!(partners(&world).await.is_empty());
    request.amount = Some(Money { currency_code: "EUR".to_owned(), amount: "100".to_owned() });
    request.request_id = "r2".to_owned();
    leads.convert_lead(anna().request(request)).await.unwrap();
    assert_eq!(partners(&world).await.len(), 1);
}

async fn p2_a_given_partner_is_taken(world: World) {
    let mut leads = world.leads.clone();
    let first = world.add_lead(&anna(), acme()).await;
    let first = leads.convert_lead(anna().request(convert(&first, ""))).await.unwrap().into_inner();
    let partner = first.opportunity.unwrap().partner;
    let bare = world.add_lead(&anna(), lead("Nobody")).await;
    let request = proto::ConvertLeadRequest { partner: partner.clone(), ..convert(&bare, "") };
    let answer = leads.convert_lead(anna().request(request)).await.unwrap().into_inner();
    assert!(!answer.partner_created);
    assert_eq!(answer.opportunity.unwrap().partner, partner);
}

async fn p2_a_lead_with_names_only_gets_a_partner_of_that_name(world: World) {
    let made = world.add_lead(&anna(), proto::Lead { company_name: "Acme".to_owned(), ..lead("Roof") }).await;
    let answer = world.leads.clone().convert_lead(anna().request(convert(&made, ""))).await.unwrap();
    assert!(answer.get_ref().partner_created);
    let partners = partners(&world).await;
    assert_eq!((partners.len(), partners[0].display_name.as_str()), (1, "Acme"));
}
