//! Row H4 in the pipeline: each change of leads, opportunities, steps, pipelines and members, by whom, field by field.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_client::AssignmentServiceClient;
use kontor_proto::pipeline::v1::audit_service_client::AuditServiceClient;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_proto::r#type::v1::{AuditProblem, ListAuditEntriesRequest, Money, VerifyAuditRequest};
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, deal, lead, manager, mask};

kontor_testbed::on_both! { World;
    h4_a_leads_life_is_told_field_by_field,
    h4_an_opportunitys_way_through_stages_and_ends_is_told,
    h4_what_a_batch_gives_away_is_the_doing_of_who_started_it,
    h4_opportunities_that_follow_a_merge_tell_who_merged,
    h4_pipelines_tell_of_their_stages,
    h4_steps_and_requirements_are_told,
    h4_repeats_rehearsals_and_empty_changes_leave_no_entry,
    h4_neighbours_and_strangers_read_only_what_was_theirs_to_read,
    h4_tampering_is_told_by_verify_audit,
}

/// What the SQL of the pipeline writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("assignment", "not: it is a log itself, of what the opportunity's assignee tells"),
    ("assignment_member", "by kit::resource; the SQL only holds a row"),
    ("assignment_mark", "not: how far batches looked"),
    ("assignment_need", "by hand, with the opportunity"),
    ("deal_history", "not: follows from the opportunity"),
    ("duplicate_group", "not: follows from the leads"),
    ("duplicate_key", "not: follows from the leads"),
    ("duplicate_state", "not: how far the keys are made"),
    ("erased_opportunity", "not: follows from the erasure, which the directory tells of"),
    ("exchange_rate", "by kit::resource; the SQL only notes whether opportunities wait for it"),
    ("import_deal_row", "not: digests of rows that were seen; the opportunities have entries"),
    ("import_row", "not: digests of rows that were seen; the leads have entries"),
    ("import_run", "not: it tells itself who imported what; the records have entries"),
    ("next_step", "by kit::resource; the SQL takes over what the opportunity has, or empties what is erased"),
    (
        "opportunity",
        "by kit::resource, and by hand where a merge fills it; the SQL sets when it rots, which follows from its stage",
    ),
    ("partner_merged", "not: follows from the merge, which the directory tells of"),
    ("partner_move", "not: where an opportunity came from, which its partner tells"),
    ("partner_walk", "not: merges that opportunities still follow"),
    ("pipeline", "by kit::resource, and by hand where another one takes the default"),
    ("rate_base", "not: how far a change of the company's currency came"),
    (
        "record_merge",
        "not: the records that it changes have entries, those that go and those that come back too",
    ),
    ("record_merge_lead", "not: follows from the merge"),
    ("record_merge_step", "not: follows from the merge"),
    ("record_merged", "not: follows from the merge"),
    ("score_count", "not: counts"),
    ("score_mark", "not: how far LearnClosed came"),
    ("score_outcome", "not: what was counted"),
    ("stage", "by hand, with the pipeline"),
    ("stage_history", "not: follows from the stages"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

fn audit(world: &World) -> Audit {
    Audit::new(&world.link, "pipeline")
}

async fn lines(world: &World, subject: &str) -> Vec<String> {
    audit(world).of(subject).await.iter().map(line).collect()
}

async fn update_lead(world: &World, caller: &Caller, lead: proto::Lead, fields: &[&str]) {
    let request =
        proto::UpdateLeadRequest { lead: Some(lead), update_mask: mask(fields), ..Default::default() };
    world.leads.clone().update_lead(caller.request(request)).await.unwrap();
}

async fn h4_a_leads_life_is_told_field_by_field(world: World) {
    let given = proto::Lead { email: "a@x.com".to_owned(), tags: vec!["fair".to_owned()], ..lead("Roof") };
    let made = world.add_lead(&anna(), given).await;
    let change = |lead: proto::Lead| proto::Lead { name: made.name.clone(), ..lead };
    update_lead(&world, &anna(), change(lead("Wall")), &["title"]).await;
    let batch = proto::BatchChangeLeadsRequest {
        names: vec![made.name.clone(), "leads/none".to_owned()],
        assignee: Some("users/ben".to_owned()),
        add_tags: vec!["hot".to_owned()],
        ..Default::default()
    };
    world.leads.clone().batch_change_leads(manager().request(batch)).await.unwrap();
    let entry = audit(&world).of(&made.name).await.pop().unwrap();
    assert_eq!(entry.write_time, world.lead(&made.name).await.update_time, "the same instant as the row's");
    let convert = proto::ConvertLeadRequest { name: made.name.clone(), ..Default::default() };
    let converted = world.leads.clone().convert_lead(ben().request(convert)).await.unwrap().into_inner();
    let opportunity = converted.opportunity.unwrap();
    assert_eq!(
        lines(&world, &made.name).await,
        [
            "CREATE anna by CreateLead: title -> Roof; email -> a@x.com; team -> teams/sales; state -> OPEN; tags -> fair",
            "UPDATE anna by UpdateLead: title Roof -> Wall",
            "UPDATE manager by BatchChangeLeads: assignee -> users/ben; tags fair -> fair\nhot",
            &format!(
                "UPDATE ben by ConvertLead: state OPEN -> CONVERTED; opportunity -> {}",
                opportunity.name
            ),
        ]
    );
    let entries = audit(&world).of(&opportunity.name).await;
    assert_eq!((entries[0].actor.as_str(), &entries[0].partner), ("users/ben", &opportunity.partner));
    assert!(line(&entries[0]).starts_with("CREATE ben by ConvertLead: title -> Wall;"), "{entries:?}");

    let gone = world.add_lead(&anna(), lead("Gone")).await;
    let delete = proto::DeleteLeadRequest { name: gone.name.clone(), ..Default::default() };
    world.leads.clone().delete_lead(manager().request(delete)).await.unwrap();
    assert_eq!(
        lines(&world, &gone.name).await.pop().unwrap(),
        "DELETE manager by DeleteLead: title Gone ->; team teams/sales ->; state OPEN ->"
    );
    audit(&world).whole().await;
}

async fn h4_an_opportunitys_way_through_stages_and_ends_is_told(world: World) {
    let amount = Some(Money { currency_code: "EUR".to_owned(), amount: "100".to_owned() });
    let made = world.add_deal(&anna(), proto::Opportunity { amount, ..deal("Roof") }).await;
    let name = || made.name.clone();
    let mut deals = world.deals.clone();
    let stage = "pipelines/default/stages/proposition".to_owned();
    let request = proto::MoveStageRequest { name: name(), stage, ..Default::default() };
    deals.move_stage(ben().request(request)).await.unwrap();
    let request =
        proto::LoseOpportunityRequest { name: name(), reason: "too dear".to_owned(), ..Default::default() };
    deals.lose_opportunity(anna().request(request)).await.unwrap();
    let request = proto::ReopenOpportunityRequest { name: name(), ..Default::default() };
    deals.reopen_opportunity(manager().request(request)).await.unwrap();
    let changed = proto::Opportunity {
        name: name(),
        amount: Some(Money { currency_code: "EUR".to_owned(), amount: "90".to_owned() }),
        ..Default::default()
    };
    let request = proto::UpdateOpportunityRequest {
        opportunity: Some(changed),
        update_mask: mask(&["amount"]),
        ..Default::default()
    };
    deals.update_opportunity(anna().request(request)).await.unwrap();
    let request = proto::WinOpportunityRequest { name: name(), ..Default::default() };
    deals.win_opportunity(anna().request(request)).await.unwrap();
    let request = proto::DeleteOpportunityRequest { name: name(), ..Default::default() };
    deals.delete_opportunity(manager().request(request)).await.unwrap();
    let told = lines(&world, &made.name).await;
    assert_eq!(
        told[1..6],
        [
            "UPDATE ben by MoveStage: stage pipelines/default/stages/new -> pipelines/default/stages/proposition",
            "UPDATE anna by LoseOpportunity: state OPEN -> LOST; lost_reason -> too dear; close_time -> 2026-11-23T09:00:00Z",
            "UPDATE manager by ReopenOpportunity: state LOST -> OPEN; lost_reason too dear ->; close_time 2026-11-23T09:00:00Z ->",
            "UPDATE anna by UpdateOpportunity: amount.amount 100 -> 90",
            "UPDATE anna by WinOpportunity: state OPEN -> WON; close_time -> 2026-11-23T09:00:00Z",
        ]
    );
    assert!(told[0].contains("amount.currency_code -> EUR; amount.amount -> 100"), "{}", told[0]);
    assert!(told[6].starts_with("DELETE manager by DeleteOpportunity: title Roof ->;"), "{}", told[6]);
    assert_eq!(told.len(), 7);
    audit(&world).whole().await;
}

fn assignments(world: &World) -> AssignmentServiceClient<Link> {
    AssignmentServiceClient::new(world.link.clone())
}

async fn add_member(world: &World, user: &str) {
    let member = proto::Member {
        name: format!("members/{user}"),
        team: "teams/sales".to_owned(),
        active: true,
        capacity: 10,
        ..Default::default()
    };
    let request = proto::SetMemberRequest { member: Some(member), request_id: String::new() };
    assignments(world).set_member(manager().request(request)).await.unwrap();
}

async fn h4_what_a_batch_gives_away_is_the_doing_of_who_started_it(world: World) {
    add_member(&world, "ben").await;
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let batch = |dry_run| proto::AssignOpportunitiesRequest {
        team: "teams/sales".to_owned(),
        dry_run,
        ..Default::default()
    };
    let mut client = assignments(&world);
    client.assign_opportunities(manager().request(batch(true))).await.unwrap();
    assert_eq!(lines(&world, &made.name).await.len(), 1, "a dry run writes nothing");
    client.assign_opportunities(manager().request(batch(false))).await.unwrap();
    assert_eq!(
        lines(&world, &made.name).await[1..],
        ["UPDATE manager by AssignOpportunities: assignee -> users/ben"]
    );
    assert_eq!(
        lines(&world, "members/ben").await,
        [
            "CREATE manager by SetMember: team -> teams/sales; active -> true; capacity -> 10; radius_km -> 0; preference -> 0"
        ]
    );
}

async fn partner(world: &World, display_name: &str) -> String {
    let partner = directory::Partner { display_name: display_name.to_owned(), ..Default::default() };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

async fn h4_opportunities_that_follow_a_merge_tell_who_merged(world: World) {
    let (acme, bolt) = (partner(&world, "Acme").await, partner(&world, "Bolt").await);
    let made = world.add_deal(&anna(), proto::Opportunity { partner: bolt.clone(), ..deal("Shed") }).await;
    let request = directory::MergePartnersRequest {
        name: acme.clone(),
        others: vec![bolt.clone()],
        ..Default::default()
    };
    let mut merges = PartnerMergeServiceClient::new(world.directory.clone());
    merges.merge_partners(carl().request(request)).await.unwrap();
    for () in kontor_testbed::patience() {
        if world.deal(&made.name).await.partner == acme {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let entries = audit(&world).of(&made.name).await;
    assert_eq!(line(&entries[1]), format!("UPDATE carl by an event: partner {bolt} -> {acme}"));
    assert_eq!(entries[1].partner, acme);
    // The first one is still that of the partner that it had then.
    let request = ListAuditEntriesRequest { partner: bolt, ..Default::default() };
    let of_bolt = audit(&world).list(admin().request(request)).await.unwrap().entries;
    assert_eq!(of_bolt, [entries[0].clone()]);
}

async fn h4_pipelines_tell_of_their_stages(world: World) {
    let first = lines(&world, "pipelines/default").await;
    assert!(
        first[0].starts_with("CREATE Kontor by : display_name -> ")
            && first[0].contains("is_default -> true; stages/new.place -> 1"),
        "{first:?}"
    );
    let stage = |name: &str, probability| proto::Stage {
        name: name.to_owned(),
        display_name: name.to_uppercase(),
        probability,
        ..Default::default()
    };
    let new = proto::Pipeline {
        display_name: "Fast".to_owned(),
        is_default: true,
        stages: vec![stage("one", 10), stage("two", 20)],
        ..Default::default()
    };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(new),
        pipeline_id: "fast".to_owned(),
        ..Default::default()
    };
    let mut client = world.pipelines.clone();
    let made = client.create_pipeline(admin().request(request)).await.unwrap().into_inner();
    let mut changed = made.clone();
    changed.stages = vec![made.stages[1].clone(), stage("three", 30)];
    changed.stages[0].probability = 25;
    let request = proto::UpdatePipelineRequest {
        pipeline: Some(changed),
        update_mask: mask(&["stages"]),
        ..Default::default()
    };
    client.update_pipeline(admin().request(request)).await.unwrap();
    let told = lines(&world, "pipelines/fast").await;
    assert!(
        told[0]
            .contains("stages/two.place -> 2; stages/two.display_name -> TWO; stages/two.probability -> 20")
    );
    assert_eq!(
        told[1],
        "UPDATE admin by UpdatePipeline: stages/two.place 2 -> 1; stages/two.probability 20 -> 25; stages/three.place -> 2; \
         stages/three.display_name -> THREE; stages/three.probability -> 30; stages/three.rotting_days -> 0; stages/one.place 1 ->; \
         stages/one.display_name ONE ->; stages/one.probability 10 ->; stages/one.rotting_days 0 ->"
    );
    let of_default = lines(&world, "pipelines/default").await;
    assert_eq!(of_default[1..], ["UPDATE admin by CreatePipeline: is_default true -> false"]);
}

async fn h4_steps_and_requirements_are_told(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let step = proto::NextStep {
        title: "Call".to_owned(),
        due: Some(Due::DueDate("2026-11-24".to_owned())),
        ..Default::default()
    };
    let mut steps = NextStepServiceClient::new(world.link.clone());
    let request = proto::CreateNextStepRequest {
        parent: made.name.clone(),
        next_step: Some(step),
        ..Default::default()
    };
    let step = steps.create_next_step(anna().request(request)).await.unwrap().into_inner();
    let request = proto::CompleteNextStepRequest { name: step.name.clone(), ..Default::default() };
    steps.complete_next_step(ben().request(request)).await.unwrap();
    let told = lines(&world, &step.name).await;
    assert!(told[0].starts_with("CREATE anna by CreateNextStep: opportunity -> opportunities/"), "{told:?}");
    assert_eq!(
        told[1],
        "UPDATE ben by CompleteNextStep: state OPEN -> DONE; close_time -> 2026-11-23T09:00:00Z; closed_by -> users/ben"
    );
    let requirements = proto::Requirements {
        opportunity: made.name.clone(),
        country: "BE".to_owned(),
        skills: vec![proto::Skill { name: "lang:nl".to_owned(), level: 3 }],
        ..Default::default()
    };
    let request =
        proto::SetRequirementsRequest { requirements: Some(requirements), request_id: String::new() };
    for _ in 0..2 {
        assignments(&world).set_requirements(manager().request(request.clone())).await.unwrap();
    }
    assert_eq!(
        lines(&world, &made.name).await[1..],
        ["UPDATE manager by SetRequirements: requirements.skills -> lang:nl=3; requirements.country -> BE"]
    );
    let request = proto::DeleteOpportunityRequest { name: made.name.clone(), ..Default::default() };
    world.deals.clone().delete_opportunity(manager().request(request)).await.unwrap();
    let told = lines(&world, &step.name).await;
    assert!(told[2].starts_with("DELETE manager by DeleteOpportunity: "), "{told:?}");
    let told = lines(&world, &made.name).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2].starts_with("DELETE manager by DeleteOpportunity: "), "{told:?}");
    assert!(told[2].contains("requirements.country BE ->") && told[2].contains("title Roof ->"), "{told:?}");
}

async fn h4_repeats_rehearsals_and_empty_changes_leave_no_entry(world: World) {
    let request = proto::CreateLeadRequest {
        lead: Some(lead("Roof")),
        request_id: "r1".to_owned(),
        ..Default::default()
    };
    let rehearsal =
        proto::CreateLeadRequest { validate_only: true, request_id: String::new(), ..request.clone() };
    let before = audit(&world).whole().await.entry_count;
    world.leads.clone().create_lead(anna().request(rehearsal)).await.unwrap();
    let made = world.leads.clone().create_lead(anna().request(request.clone())).await.unwrap().into_inner();
    world.leads.clone().create_lead(anna().request(request)).await.unwrap();
    update_lead(&world, &anna(), made.clone(), &["title", "email"]).await;
    let stale =
        proto::Lead { etag: "v9".to_owned(), ..proto::Lead { name: made.name.clone(), ..lead("Wall") } };
    let request = proto::UpdateLeadRequest { lead: Some(stale), ..Default::default() };
    assert_eq!(failure(world.leads.clone().update_lead(anna().request(request)).await).0, Code::Aborted);
    assert_eq!(audit(&world).whole().await.entry_count, before + 1);
}

async fn h4_neighbours_and_strangers_read_only_what_was_theirs_to_read(world: World) {
    let own =
        proto::Lead { assignee: "users/anna".to_owned(), team: "teams/sales".to_owned(), ..lead("Roof") };
    let made = world.add_lead(&anna(), own).await;
    let to_support = proto::Lead {
        name: made.name.clone(),
        team: "teams/support".to_owned(),
        assignee: "users/carl".to_owned(),
        ..Default::default()
    };
    update_lead(&world, &manager(), to_support, &["team", "assignee"]).await;
    for (reader, wanted) in
        [(ben(), 1), (manager(), 1), (carl(), 1), (kontor_testbed::user("stranger"), 0), (admin(), 2)]
    {
        let request = ListAuditEntriesRequest { subject: made.name.clone(), ..Default::default() };
        let got = audit(&world).list(reader.request(request)).await.unwrap().entries;
        assert_eq!(got.len(), wanted, "for {}", reader.user);
    }
    let nobody = tonic::Request::new(ListAuditEntriesRequest::default());
    assert_eq!(failure(audit(&world).list(nobody).await).0, Code::Unauthenticated);
    let mut client = AuditServiceClient::new(world.link.clone());
    let refused = client.verify_audit(manager().request(VerifyAuditRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

async fn h4_tampering_is_told_by_verify_audit(world: World) {
    let made = world.add_lead(&anna(), lead("Roof")).await;
    world.add_lead(&anna(), lead("Wall")).await;
    let sequence = audit(&world).of(&made.name).await[0].sequence;
    let noted = audit(&world).whole().await;
    let context = world.place.another_process();
    let db = Db::open(&context.storage, "pipeline", kontor_pipeline::MIGRATIONS, context.clock.clone()).await;
    let db = db.unwrap();
    let sql = "UPDATE kit_audit SET actor = 'users/ben' WHERE sequence = $1";
    db.write(move |tx| tx.execute(sql, &[sequence.into()])).await.unwrap();
    let mut client = AuditServiceClient::new(world.link.clone());
    let request = VerifyAuditRequest { noted_sequence: noted.checked_count, noted_hash: noted.hash };
    let mut stream = client.verify_audit(admin().request(request)).await.unwrap().into_inner();
    let last = stream.message().await.unwrap().unwrap();
    assert!(last.done && last.checked_count == sequence - 1);
    let damage = last.damage.unwrap();
    assert_eq!((damage.sequence, damage.problem()), (sequence, AuditProblem::Changed));
    assert!(stream.message().await.unwrap().is_none());
}
