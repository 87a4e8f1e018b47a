//! What other services rely on: change streams, request ids, pages, sign-in, health, reflection, metrics.
//! Rows X2, X3, X4, X5.

use std::collections::BTreeSet;

use kontor_proto::directory::v1::{
    CreateAppPasswordRequest, CreateUserRequest, DeleteAppPasswordRequest, GetUserRequest,
    ListPartnersRequest, Team, UpdateTeamRequest, User,
};
use kontor_proto::pipeline::v1::import_leads_request::Part;
use kontor_proto::pipeline::v1::{
    CreateLeadRequest, CreateOpportunityRequest, GetOpportunityRequest, ImportLeadsRequest, Lead, LeadImport,
    ListLeadsRequest, ListOpportunitiesRequest, Opportunity, UpdateOpportunityRequest,
};
use kontor_proto::r#type::v1::{WatchChangesRequest, WatchChangesResponse};
use kontor_tests::{Grpc, Http, both};
use tonic::Code;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{add_opportunity, add_partner, refused};

async fn watch(grpc: &Grpc, resume_token: &str) -> tonic::Streaming<WatchChangesResponse> {
    let request = WatchChangesRequest { resume_token: resume_token.into(), ..Default::default() };
    grpc.pipeline_changes().watch_changes(request).await.expect("a stream").into_inner()
}

async fn next(stream: &mut tonic::Streaming<WatchChangesResponse>) -> (String, String) {
    loop {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), stream.message()).await;
        let message =
            waited.expect("a change within ten seconds").expect("no error").expect("the stream goes on");
        if let Some(event) = message.event {
            return (event.subject, message.resume_token);
        }
    }
}

fn lead(title: &str, request_id: &str) -> CreateLeadRequest {
    let lead = Lead { title: title.into(), email: "x@example.com".into(), ..Default::default() };
    CreateLeadRequest { lead: Some(lead), request_id: request_id.into(), ..Default::default() }
}

both! {
    async fn x2_a_change_stream_resumes_from_its_token_without_loss_or_double(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let mut stream = watch(&grpc, "0").await;
        let mut made = Vec::new();
        for number in 0..5 {
            made.push(add_opportunity(&grpc, &format!("deal {number}"), "", "users/sales").await.name);
        }
        let mut seen = Vec::new();
        let mut token = String::new();
        for _ in 0..3 {
            let (subject, at) = next(&mut stream).await;
            seen.push(subject);
            token = at;
        }
        drop(stream);
        let writers: Vec<_> = (0..20)
            .map(|number| {
                let grpc = grpc.clone();
                tokio::spawn(async move { add_opportunity(&grpc, &format!("more {number}"), "", "users/sales").await.name })
            })
            .collect();
        let mut more = BTreeSet::new();
        for writer in writers {
            more.insert(writer.await.expect("made"));
        }
        let mut stream = watch(&grpc, &token).await;
        for _ in 0..22 {
            seen.push(next(&mut stream).await.0);
        }
        assert_eq!(seen[..5], made[..]);
        assert_eq!(seen[5..].iter().cloned().collect::<BTreeSet<_>>(), more);
        let bad = WatchChangesRequest { resume_token: "tomorrow".into(), ..Default::default() };
        refused(grpc.pipeline_changes().watch_changes(bad).await.map(|_| ()), Code::InvalidArgument, "resume_token");
        // A neighbour's stream holds nothing of this team.
        let request = WatchChangesRequest { resume_token: "0".into(), until_now: true, ..Default::default() };
        let mut other = sandbox.grpc("neighbour").pipeline_changes().watch_changes(request).await.expect("a stream").into_inner();
        while let Some(message) = other.message().await.expect("no error") {
            assert!(message.event.is_none(), "{message:?}");
        }
    }

    async fn x3_the_same_request_id_has_one_effect_and_another_request_is_refused(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let first = grpc.leads().create_lead(lead("Asks", "id-1")).await.expect("made").into_inner();
        let again = grpc.leads().create_lead(lead("Asks", "id-1")).await.expect("the same answer").into_inner();
        assert_eq!(first, again);
        refused(grpc.leads().create_lead(lead("Something else", "id-1")).await, Code::InvalidArgument, "request_id");
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let grpc = grpc.clone();
                tokio::spawn(async move { grpc.leads().create_lead(lead("At once", "id-2")).await.expect("made").into_inner().name })
            })
            .collect();
        let mut names = BTreeSet::new();
        for task in tasks {
            names.insert(task.await.expect("the task ends"));
        }
        assert_eq!(names.len(), 1);
        let all = grpc.leads().list_leads(ListLeadsRequest::default()).await.expect("leads").into_inner().leads;
        assert_eq!(all.len(), 2);
        let mut only_checked = lead("Checked", "");
        only_checked.validate_only = true;
        grpc.leads().create_lead(only_checked).await.expect("it would be made");
        let all = grpc.leads().list_leads(ListLeadsRequest::default()).await.expect("leads").into_inner().leads;
        assert_eq!(all.len(), 2, "validate_only writes nothing");
        let wrong = ListLeadsRequest { page_token: "rubbish".into(), ..Default::default() };
        refused(grpc.leads().list_leads(wrong).await, Code::InvalidArgument, "page_token");
        let wrong = ListLeadsRequest { page_size: -1, ..Default::default() };
        refused(grpc.leads().list_leads(wrong).await, Code::InvalidArgument, "page_size");
    }

    async fn x4_what_strangers_neighbours_colleagues_and_leaders_may(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let deal = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let get = GetOpportunityRequest { name: deal.name.clone() };
        let change = UpdateOpportunityRequest {
            opportunity: Some(Opportunity { name: deal.name.clone(), title: "Taken over".into(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
            ..Default::default()
        };
        let stranger = Grpc::stranger(&sandbox.address());
        refused(stranger.opportunities().get_opportunity(get.clone()).await, Code::Unauthenticated, "sign in");
        refused(stranger.partners().list_partners(ListPartnersRequest::default()).await, Code::Unauthenticated, "sign in");
        let wrong = Grpc::new(&sandbox.address(), "sales", "guess");
        assert_eq!(wrong.opportunities().get_opportunity(get.clone()).await.expect_err("refused").code(), Code::Unauthenticated);

        let neighbour = sandbox.grpc("neighbour");
        refused(neighbour.opportunities().get_opportunity(get.clone()).await, Code::NotFound, "opportunities/");
        refused(neighbour.opportunities().update_opportunity(change.clone()).await, Code::NotFound, "opportunities/");
        let list = neighbour.opportunities().list_opportunities(ListOpportunitiesRequest::default()).await;
        assert!(list.expect("a list").into_inner().opportunities.is_empty());

        let colleague = sandbox.grpc("colleague");
        colleague.opportunities().get_opportunity(get.clone()).await.expect("a team member sees it");
        refused(colleague.opportunities().update_opportunity(change.clone()).await, Code::PermissionDenied, "someone else");
        sandbox.grpc("manager").opportunities().update_opportunity(change).await.expect("the team's leader may");

        let user = CreateUserRequest { user: Some(User { display_name: "Eve".into(), ..Default::default() }), user_id: "eve".into(), ..Default::default() };
        refused(grpc.users().create_user(user).await, Code::PermissionDenied, "administrator");
        // The signed header of another process can't be made up.
        let forged = Http::new(&sandbox.address());
        let answer = forged.send("PROPFIND", "/dav/calendars/sales/", &[("x-kontor-caller", "e30.e30"), ("depth", "0")], "").await;
        assert_eq!(answer.status, 401);
    }

    async fn d15_an_app_password_works_everywhere_is_shown_once_and_ends_at_once(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let request = CreateAppPasswordRequest { parent: "users/sales".into(), display_name: "Phone".into(), request_id: "phone".into() };
        let made = grpc.users().create_app_password(request.clone()).await.expect("made").into_inner();
        assert!(made.secret.len() >= 20);
        let again = grpc.users().create_app_password(request).await.expect("the same answer").into_inner();
        assert!(again.secret.is_empty(), "it is shown once");
        let record = made.app_password.expect("a record");

        let device = Http::new(&sandbox.address()).sign_in("sales", &made.secret);
        device.propfind("/dav/calendars/sales/", "0", "<D:displayname/>").await.expect(207);
        let me = GetUserRequest { name: "users/me".into() };
        let token = Grpc::with_token(&sandbox.address(), &made.secret);
        assert_eq!(token.users().get_user(me.clone()).await.expect("me").into_inner().name, "users/sales");
        let other = Http::new(&sandbox.address()).sign_in("manager", &made.secret);
        other.propfind("/dav/calendars/manager/", "0", "<D:displayname/>").await.expect(401);

        // A stream that is open ends too.
        let mut stream = token.pipeline_changes().watch_changes(WatchChangesRequest::default()).await.expect("a stream").into_inner();
        let revoke = DeleteAppPasswordRequest { name: record.name, request_id: "revoke".into() };
        grpc.users().delete_app_password(revoke.clone()).await.expect("revoked");
        grpc.users().delete_app_password(revoke).await.expect("the same answer");
        device.propfind("/dav/calendars/sales/", "0", "<D:displayname/>").await.expect(401);
        assert_eq!(token.users().get_user(me).await.expect_err("revoked").code(), Code::Unauthenticated);
        let ended = async {
            loop {
                match stream.message().await {
                    Ok(message) => assert!(message.is_some(), "it must end with an error"),
                    Err(status) => break status,
                }
            }
        };
        let status = tokio::time::timeout(std::time::Duration::from_secs(15), ended).await.expect("it ends in time");
        assert_eq!(status.code(), Code::Unauthenticated);
    }

    /// What a client goes on sending after its app password was revoked is not taken, also behind an address from which many guess.
    async fn d15_a_stream_that_is_open_takes_nothing_more_once_its_password_is_revoked(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let request = CreateAppPasswordRequest { parent: "users/sales".into(), display_name: "Importer".into(), ..Default::default() };
        let made = grpc.users().create_app_password(request).await.expect("made").into_inner();
        let token = Grpc::with_token(&sandbox.address(), &made.secret);
        let (sender, parts) = tokio::sync::mpsc::channel(8);
        let send = async |part: Part| sender.send(ImportLeadsRequest { part: Some(part) }).await;
        let import = tokio::spawn(async move {
            let mut answers = token.imports().import_leads(tokio_stream::wrappers::ReceiverStream::new(parts)).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok::<_, tonic::Status>(())
        });
        send(Part::Settings(LeadImport { source: "file".into(), ..Default::default() })).await.expect("open");
        send(Part::Data("title,email\nFirst,first@example.com\n".into())).await.expect("open");
        let guess = Grpc::with_token(&sandbox.address(), "aaaa-bbbb-cccc-dddd");
        for _ in 0..12 {
            guess.leads().list_leads(ListLeadsRequest::default()).await.expect_err("no such token");
        }
        let name = made.app_password.expect("a record").name;
        grpc.users().delete_app_password(DeleteAppPasswordRequest { name, ..Default::default() }).await.expect("revoked");
        // The other end may have closed already.
        let _ = send(Part::Data("Second,second@example.com\n".into())).await;
        drop(sender);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(15), import).await.expect("it ends in time");
        let status = ended.expect("no panic").expect_err("it is refused");
        assert!(matches!(status.code(), Code::Unauthenticated | Code::ResourceExhausted), "{status:?}");
        let leads = grpc.leads().list_leads(ListLeadsRequest::default()).await.expect("leads").into_inner().leads;
        assert!(leads.iter().all(|lead| lead.title != "Second"), "{leads:?}");
    }

    async fn x4_an_open_stream_ends_when_its_user_leaves_a_team(sandbox: Sandbox) {
        let (admin, sales) = (sandbox.grpc("admin"), sandbox.grpc("sales"));
        let mut stream = watch(&sales, "").await;
        let mut other = watch(&sandbox.grpc("colleague"), "").await;
        stream.message().await.expect("it begins");
        other.message().await.expect("it begins");
        let team = Team { name: "teams/sales".into(), members: vec!["users/manager".into(), "users/colleague".into()], ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["members".into()] });
        admin.teams().update_team(UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() }).await.expect("sales left the team");
        let limit = std::time::Duration::from_secs(15);
        let status = tokio::time::timeout(limit, stream.message()).await.expect("it ends in time").expect_err("it ends with an error");
        assert_eq!(status.code(), Code::Aborted, "{status:?}");
        let deal = Opportunity { title: "Seen".into(), assignee: "users/colleague".into(), team: "teams/sales".into(), ..Default::default() };
        let request = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
        sandbox.grpc("colleague").opportunities().create_opportunity(request).await.expect("made");
        let seen = tokio::time::timeout(limit, other.message()).await.expect("in time").expect("who stayed goes on");
        assert!(seen.and_then(|message| message.event).is_some());
    }

    async fn x5_reflection_lists_every_service_and_describes_it_without_signing_in(sandbox: Sandbox) {
        let stranger = Grpc::stranger(&sandbox.address());
        let services = match ask(&stranger, MessageRequest::ListServices(String::new())).await {
            MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|service| service.name).collect::<BTreeSet<_>>(),
            other => panic!("{other:?}"),
        };
        for wanted in [
            "kontor.directory.v1.PartnerService",
            "kontor.directory.v1.ContactService",
            "kontor.pipeline.v1.OpportunityService",
            "kontor.calendar.v1.EventService",
            "kontor.telephony.v1.IngestService",
            "grpc.health.v1.Health",
        ] {
            assert!(services.contains(wanted), "{wanted} is not in {services:?}");
        }
        assert!(!services.iter().any(|name| name.contains("collection") || name.contains("Credential")), "{services:?}");
        for service in services.iter().filter(|name| name.starts_with("kontor.")) {
            match ask(&stranger, MessageRequest::FileContainingSymbol(service.clone())).await {
                MessageResponse::FileDescriptorResponse(files) => assert!(!files.file_descriptor_proto.is_empty()),
                other => panic!("{service}: {other:?}"),
            }
        }
    }

    async fn x5_health_readiness_metrics_and_reflection_answer(sandbox: Sandbox) {
        let http = Http::new(&sandbox.address());
        assert_eq!(http.get("/healthz").await.expect(200).text(), "ok\n");
        assert_eq!(http.get("/readyz").await.expect(200).text(), "ready\n");
        add_partner(&sandbox.grpc("sales"), "Counted", "", "").await;
        let metrics = http.get("/metrics").await.expect(200).text();
        assert!(metrics.contains("kontor_rpc_total{") && metrics.contains("CreatePartner"), "{metrics}");
        http.get("/nothing-here").await.expect(404);
    }
}

async fn ask(grpc: &Grpc, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = grpc
        .reflection()
        .server_reflection_info(futures_util::stream::iter([request]))
        .await
        .expect("a stream");
    let answer = answers.into_inner().message().await.expect("no error").expect("an answer");
    answer.message_response.expect("a response")
}
