//! Leads, opportunities, stages: what a sales team does all day.
//! Rows P2, P3, P4, P6, P11.

use kontor_proto::pipeline::v1::{
    ConvertLeadRequest, CreateLeadRequest, CreateOpportunityRequest, CreatePipelineRequest, GetLeadRequest,
    GetOpportunityRequest, Lead, LeadState, ListOpportunitiesRequest, LoseOpportunityRequest,
    MoveStageRequest, Opportunity, OpportunityState, Pipeline, Stage, UpdateOpportunityRequest,
    WinOpportunityRequest,
};
use kontor_proto::r#type::v1::WatchChangesRequest;
use kontor_tests::{Grpc, both};
use tonic::Code;

use crate::support::{add_opportunity, add_partner, refused};

async fn add_lead(grpc: &Grpc, email: &str, phone: &str) -> Lead {
    let lead = Lead {
        title: "Asks for prices".into(),
        contact_name: "Jo Maes".into(),
        email: email.into(),
        phone: phone.into(),
        ..Default::default()
    };
    let request = CreateLeadRequest { lead: Some(lead), ..Default::default() };
    grpc.leads().create_lead(request).await.expect("a new lead").into_inner()
}

/// All changes so far, by type name.
async fn changes(grpc: &Grpc) -> Vec<String> {
    let request = WatchChangesRequest { resume_token: "0".into(), until_now: true, ..Default::default() };
    let mut stream = grpc.pipeline_changes().watch_changes(request).await.expect("a stream").into_inner();
    let mut names = Vec::new();
    while let Some(message) = stream.message().await.expect("a change") {
        let url =
            message.event.and_then(|event| event.payload).map(|payload| payload.type_url).unwrap_or_default();
        names.push(url.rsplit('.').next().unwrap_or_default().to_owned());
    }
    names
}

async fn second_pipeline(grpc: &Grpc, lost_reason_required: bool) -> Pipeline {
    let stage = |id: &str, probability| Stage {
        name: id.into(),
        display_name: id.to_uppercase(),
        probability,
        ..Stage::default()
    };
    let pipeline = Pipeline {
        display_name: "Service contracts".into(),
        stages: vec![stage("asked", 10), stage("offered", 60)],
        lost_reason_required,
        ..Default::default()
    };
    let request = CreatePipelineRequest {
        pipeline: Some(pipeline),
        pipeline_id: "service".into(),
        ..Default::default()
    };
    grpc.pipelines().create_pipeline(request).await.expect("a new pipeline").into_inner()
}

both! {
    async fn p2_the_same_request_converts_a_lead_once_and_matches_the_partner(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let known = add_partner(&grpc, "Jo Maes", "+32 471 12 34 56", "Jo.Maes@example.com").await;

        let by_email = add_lead(&grpc, "  JO.maes@EXAMPLE.com ", "").await;
        let request = ConvertLeadRequest { name: by_email.name.clone(), request_id: "once".into(), ..Default::default() };
        let first = grpc.leads().convert_lead(request.clone()).await.expect("converted").into_inner();
        let again = grpc.leads().convert_lead(request).await.expect("the same answer").into_inner();
        let opportunity = first.opportunity.clone().expect("an opportunity");
        assert_eq!(first, again);
        assert_eq!(opportunity.partner, known.name);
        assert!(!first.partner_created);

        let by_number = add_lead(&grpc, "", "0471 123456").await;
        let request = ConvertLeadRequest { name: by_number.name.clone(), ..Default::default() };
        let second = grpc.leads().convert_lead(request).await.expect("converted").into_inner();
        assert_eq!(second.opportunity.expect("an opportunity").partner, known.name);

        let unknown = add_lead(&grpc, "new@example.com", "").await;
        let request = ConvertLeadRequest { name: unknown.name.clone(), ..Default::default() };
        let third = grpc.leads().convert_lead(request).await.expect("converted").into_inner();
        assert!(third.partner_created);
        assert_ne!(third.opportunity.expect("an opportunity").partner, known.name);

        // Another request for the converted lead gets the opportunity that it became.
        let request = ConvertLeadRequest { name: by_email.name.clone(), request_id: "another".into(), ..Default::default() };
        let later = grpc.leads().convert_lead(request).await.expect("the same opportunity").into_inner();
        assert_eq!(later.opportunity.expect("an opportunity").name, opportunity.name);
        let lead = grpc.leads().get_lead(GetLeadRequest { name: by_email.name }).await.expect("the lead").into_inner();
        assert_eq!(lead.state(), LeadState::Converted);
        let all = grpc.opportunities().list_opportunities(ListOpportunitiesRequest::default()).await.expect("all");
        assert_eq!(all.into_inner().opportunities.len(), 3);
    }

    async fn p2_eight_callers_at_once_convert_a_lead_once(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let lead = add_lead(&grpc, "rush@example.com", "+32 471 99 88 77").await;
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let (grpc, name) = (grpc.clone(), lead.name.clone());
                let request = ConvertLeadRequest { name, request_id: format!("caller-{number}"), ..Default::default() };
                tokio::spawn(async move { grpc.leads().convert_lead(request).await })
            })
            .collect();
        let mut names = std::collections::BTreeSet::new();
        for task in tasks {
            let answer = task.await.expect("the task ends").expect("converted").into_inner();
            names.insert(answer.opportunity.expect("an opportunity").name);
        }
        assert_eq!(names.len(), 1, "{names:?}");
    }

    async fn p3_a_direct_opportunity_is_open_in_the_first_stage_of_the_default_pipeline(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let made = add_opportunity(&grpc, "New machine", "", "users/sales").await;
        let pipelines = grpc.pipelines().list_pipelines(kontor_proto::pipeline::v1::ListPipelinesRequest::default()).await;
        let default = pipelines.expect("pipelines").into_inner().pipelines.into_iter().find(|one| one.is_default).expect("a default one");
        assert_eq!(made.pipeline, default.name);
        assert_eq!(made.stage, default.stages[0].name);
        assert_eq!(made.state(), OpportunityState::Open);
        let read = grpc.opportunities().get_opportunity(GetOpportunityRequest { name: made.name.clone() }).await;
        assert_eq!(read.expect("it is there").into_inner(), made);
    }

    async fn p4_a_stage_of_another_pipeline_is_refused_and_nothing_is_written(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let other = second_pipeline(&sandbox.grpc("manager"), false).await;
        assert!(other.stages[0].name.starts_with("pipelines/service/stages/"), "{other:?}");
        let made = add_opportunity(&grpc, "New machine", "", "users/sales").await;
        let before = changes(&sandbox.grpc("admin")).await;

        let request = MoveStageRequest { name: made.name.clone(), stage: other.stages[1].name.clone(), ..Default::default() };
        refused(grpc.opportunities().move_stage(request).await, Code::InvalidArgument, "stage");
        let wrong = Opportunity { title: "x".into(), stage: other.stages[0].name.clone(), ..Default::default() };
        let request = CreateOpportunityRequest { opportunity: Some(wrong), ..Default::default() };
        refused(grpc.opportunities().create_opportunity(request).await, Code::InvalidArgument, "stage");

        let after = grpc.opportunities().get_opportunity(GetOpportunityRequest { name: made.name.clone() }).await;
        assert_eq!(after.expect("it is there").into_inner(), made);
        assert_eq!(changes(&sandbox.grpc("admin")).await, before);

        // Inside its own pipeline the stages are in their order and it moves.
        let direct = Opportunity { title: "Contract".into(), pipeline: other.name.clone(), ..Default::default() };
        let request = CreateOpportunityRequest { opportunity: Some(direct), ..Default::default() };
        let contract = grpc.opportunities().create_opportunity(request).await.expect("made").into_inner();
        assert_eq!(contract.stage, other.stages[0].name);
        let request = MoveStageRequest { name: contract.name, stage: other.stages[1].name.clone(), ..Default::default() };
        let moved = grpc.opportunities().move_stage(request).await.expect("moved").into_inner();
        assert_eq!(moved.stage, other.stages[1].name);
    }

    async fn p6_losing_needs_a_reason_where_one_is_required_and_gives_one_event(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let pipeline = second_pipeline(&sandbox.grpc("manager"), true).await;
        let draft = Opportunity { title: "Contract".into(), pipeline: pipeline.name, ..Default::default() };
        let request = CreateOpportunityRequest { opportunity: Some(draft), ..Default::default() };
        let made = grpc.opportunities().create_opportunity(request).await.expect("made").into_inner();

        let without = LoseOpportunityRequest { name: made.name.clone(), ..Default::default() };
        refused(grpc.opportunities().lose_opportunity(without).await, Code::InvalidArgument, "reason");
        let lose = LoseOpportunityRequest { name: made.name.clone(), reason: "Price".into(), request_id: "lose".into(), ..Default::default() };
        let lost = grpc.opportunities().lose_opportunity(lose.clone()).await.expect("lost").into_inner();
        let again = grpc.opportunities().lose_opportunity(lose).await.expect("the same answer").into_inner();
        assert_eq!(lost, again);
        assert_eq!(lost.state(), OpportunityState::Lost);
        assert_eq!(lost.lost_reason, "Price");
        assert!(lost.close_time.is_some());

        let win = WinOpportunityRequest { name: made.name.clone(), ..Default::default() };
        refused(grpc.opportunities().win_opportunity(win).await, Code::FailedPrecondition, "closed");
        let names = changes(&sandbox.grpc("admin")).await;
        assert_eq!(names.iter().filter(|name| *name == "OpportunityLost").count(), 1, "{names:?}");

        let other = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let won = grpc.opportunities().win_opportunity(WinOpportunityRequest { name: other.name, ..Default::default() }).await;
        let won = won.expect("won").into_inner();
        assert_eq!(won.state(), OpportunityState::Won);
        assert!(won.close_time.is_some());
    }

    async fn p11_my_open_and_unassigned_with_pages_that_stay_stable(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        for number in 0..7 {
            add_opportunity(&grpc, &format!("mine {number}"), "", "users/sales").await;
            add_opportunity(&grpc, &format!("nobody's {number}"), "", "").await;
        }
        let closed = add_opportunity(&grpc, "mine but won", "", "users/sales").await;
        grpc.opportunities().win_opportunity(WinOpportunityRequest { name: closed.name, ..Default::default() }).await.expect("won");
        add_opportunity(&sandbox.grpc("manager"), "of the manager", "", "users/manager").await;

        let list = async |filter: &str, page_token: &str| {
            let request = ListOpportunitiesRequest { page_size: 3, filter: filter.into(), page_token: page_token.into(), ..Default::default() };
            grpc.opportunities().list_opportunities(request).await.expect("a page").into_inner()
        };
        let mut titles = Vec::new();
        let mut token = String::new();
        loop {
            let page = list("assignee = me AND state = OPEN", &token).await;
            titles.extend(page.opportunities.into_iter().map(|one| one.title));
            // A row that comes while we read must shift nothing.
            add_opportunity(&grpc, "came later", "", "users/sales").await;
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let mut expected: Vec<_> = (0..7).map(|number| format!("mine {number}")).collect();
        expected.reverse();
        assert_eq!(titles, expected, "newest first, each once");

        let unassigned = list("assignee = none", "").await;
        assert!(unassigned.opportunities.iter().all(|one| one.assignee.is_empty() && one.title.starts_with("nobody's")));
        assert_eq!(unassigned.opportunities.len(), 3);
        let request = ListOpportunitiesRequest { filter: "color = red".into(), ..Default::default() };
        refused(grpc.opportunities().list_opportunities(request).await, Code::InvalidArgument, "color");
        let request = ListOpportunitiesRequest { order_by: "color".into(), ..Default::default() };
        refused(grpc.opportunities().list_opportunities(request).await, Code::InvalidArgument, "order_by");
    }

    async fn x3_a_stale_etag_is_aborted_and_a_mask_changes_only_its_fields(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let made = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let change = |title: &str, description: &str, etag: &str, paths: &[&str]| UpdateOpportunityRequest {
            opportunity: Some(Opportunity {
                name: made.name.clone(),
                title: title.into(),
                description: description.into(),
                etag: etag.into(),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
            ..Default::default()
        };
        let changed = grpc.opportunities().update_opportunity(change("Bigger machine", "ignored", &made.etag, &["title"])).await;
        let changed = changed.expect("changed").into_inner();
        assert_eq!((changed.title.as_str(), changed.description.as_str()), ("Bigger machine", ""));
        assert_ne!(changed.etag, made.etag);
        let stale = grpc.opportunities().update_opportunity(change("Lost update", "", &made.etag, &["title"])).await;
        refused(stale, Code::Aborted, "changed by someone else");
        let unknown = grpc.opportunities().update_opportunity(change("x", "", "", &["state"])).await;
        refused(unknown, Code::InvalidArgument, "state");
        let read = grpc.opportunities().get_opportunity(GetOpportunityRequest { name: made.name.clone() }).await;
        assert_eq!(read.expect("it is there").into_inner(), changed);
    }
}
