//! Erasure: an erased partner is gone from every service, what is counted stays, and the streams stay readable.
//! Row H3.

use kontor_kit::clock;
use kontor_kit::db::Storage;
use kontor_proto::directory::v1::{
    ErasePartnerRequest, Erasure, ErasureReason, ErasureState, GetErasureRequest, GetPartnerRequest,
    LookupPartnersRequest, MergePartnersRequest, UpdateUserRequest, User,
};
use kontor_proto::pipeline::v1::{
    ConvertLeadRequest, CreateLeadRequest, GetForecastRequest, Lead, ListLeadsRequest,
    ListOpportunitiesRequest, Opportunity, UpdateOpportunityRequest,
};
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{
    Call, CallDirection, CallEvent, CallEventKind, CallOutcome, CallState, Connector, CreateCallRequest,
    CreateConnectorRequest, GrpcSettings, ListCallsRequest, Party, PushCallEventsRequest,
};
use kontor_proto::r#type::v1::WatchChangesRequest;
use kontor_testbed::traces::{bytes, traces};
use kontor_tests::{Backend, Grpc, Sandbox, Split, both};
use tonic::Code;

use crate::history::timeline;
use crate::scheduling::{hrefs, meeting, with_addresses};
use crate::support::{add_opportunity, add_partner, eventually, refused};

/// Words that stand nowhere else: in names, addresses, notes, titles and unknown properties, and the digits of two numbers.
const WORDS: [&str; 7] = ["zqxname", "zqxmail", "zqxtwin", "zqxnote", "zqxdeal", "471112233", "471998877"];
const NUMBER: &str = "+32 471 11 22 33";

/// Waits until every service has reported.
async fn done(admin: &Grpc, name: &str) -> Erasure {
    let mut last = Erasure::default();
    for () in kontor_testbed::patience() {
        let request = GetErasureRequest { name: name.to_owned() };
        last = admin.erasures().get_erasure(request).await.expect("a report").into_inner();
        if last.state() == ErasureState::Done {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("not done: {last:?}");
}

async fn erase(admin: &Grpc, name: &str) -> Erasure {
    let request = ErasePartnerRequest {
        name: name.to_owned(),
        reason: ErasureReason::Requested.into(),
        request_id: "erase".into(),
        ..Default::default()
    };
    admin.erasures().erase_partner(request).await.expect("it begins").into_inner()
}

async fn lookup(grpc: &Grpc, email: &str) -> Vec<String> {
    let request = LookupPartnersRequest { email: email.to_owned(), ..Default::default() };
    let found = grpc.partners().lookup_partners(request).await.expect("an answer").into_inner().partners;
    found.into_iter().map(|partner| partner.name).collect()
}

/// A card of the company book, made by a mail client, and a second one that is merged into it. Answers both names.
async fn cards(sandbox: &Sandbox) -> (String, String) {
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:Anna zqxname\r\nN:zqxname;Anna;;;\r\nTEL:{NUMBER}\r\nEMAIL:zqxmail@example.com\r\n\
         NOTE:likes zqxnote\r\nX-ODD:zqxnote\r\nEND:VCARD\r\n"
    );
    sandbox.http("sales").put("/dav/addressbooks/sales/company/a.vcf", &[], card).await.expect(201);
    let grpc = sandbox.grpc("sales");
    let name = lookup(&grpc, "zqxmail@example.com").await.remove(0);
    let twin = add_partner(&grpc, "zqxtwin", "+32 471 99 88 77", "zqxtwin@example.com").await.name;
    let request =
        MergePartnersRequest { name: name.clone(), others: vec![twin.clone()], ..Default::default() };
    grpc.merges().merge_partners(request).await.expect("merged");
    (name, twin)
}

/// A lead that becomes an opportunity with steps and a deadline, and another opportunity.
async fn deals(grpc: &Grpc, partner: &str) {
    let lead = Lead {
        title: "zqxdeal".into(),
        contact_name: "Anna zqxname".into(),
        email: "zqxmail@example.com".into(),
        phone: NUMBER.into(),
        description: "zqxnote".into(),
        ..Default::default()
    };
    let request = CreateLeadRequest { lead: Some(lead), request_id: "lead".into(), ..Default::default() };
    let lead = grpc.leads().create_lead(request).await.expect("a lead").into_inner();
    let request = ConvertLeadRequest { name: lead.name, request_id: "convert".into(), ..Default::default() };
    let deal = grpc.leads().convert_lead(request).await.expect("converted").into_inner().opportunity;
    let deal = deal.expect("an opportunity");
    assert_eq!(deal.partner, partner);
    let new = Opportunity {
        name: deal.name.clone(),
        description: "zqxnote".into(),
        expected_close_date: "2026-12-11".into(),
        ..Default::default()
    };
    let request = UpdateOpportunityRequest { opportunity: Some(new), ..Default::default() };
    grpc.opportunities().update_opportunity(request).await.expect("changed");
    crate::next_steps::set(grpc, &deal.name, "call zqxname", "2026-12-01").await;
    add_opportunity(grpc, "zqxdeal", partner, "users/sales").await;
}

/// A call written by hand, and one from a telephone system.
async fn calls(sandbox: &Sandbox, partner: &str) {
    let grpc = sandbox.grpc("sales");
    let made = log_call(&grpc, "zqxnote").await;
    assert_eq!(made.partner, partner);
    connect(sandbox).await;
    let base = jiff::Timestamp::now().as_microsecond() - 60_000_000;
    let kinds = [CallEventKind::Ringing, CallEventKind::Answered, CallEventKind::Hungup];
    for (place, kind) in kinds.into_iter().enumerate() {
        let place = place as i64;
        push(&grpc, "c1", place + 1, kind, base + place * 5_000_000).await;
    }
}

/// A telephone system, and an extension for sales.
async fn connect(sandbox: &Sandbox) {
    let user = User { name: "users/sales".into(), extension: "101".into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["extension".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("an extension");
    let kind = Some(Kind::Grpc(GrpcSettings { user: "users/sales".into() }));
    let connector =
        Connector { display_name: "Switch".into(), kind, region: "BE".into(), ..Default::default() };
    let request = CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "switch".into(),
        ..Default::default()
    };
    sandbox.grpc("admin").connectors().create_connector(request).await.expect("a connector");
}

/// What the telephone system tells of a call from the person.
async fn push(grpc: &Grpc, call: &str, sequence: i64, kind: CallEventKind, time: i64) {
    let event = CallEvent {
        call_id: call.into(),
        kind: kind.into(),
        event_time: Some(clock::to_proto(time)),
        direction: CallDirection::Inbound.into(),
        from: NUMBER.into(),
        to: "101".into(),
        extension: "101".into(),
        ..Default::default()
    };
    let push = PushCallEventsRequest { connector: "connectors/switch".into(), sequence, event: Some(event) };
    let taken = grpc.ingest().push_call_events(futures_util::stream::iter([push])).await.expect("taken");
    assert_eq!(taken.into_inner().message().await.expect("no error").expect("an answer").error, "");
}

async fn log_call(grpc: &Grpc, note: &str) -> Call {
    let call = Call {
        direction: CallDirection::Inbound.into(),
        outcome: CallOutcome::Missed.into(),
        caller: Some(Party { number: NUMBER.into(), ..Default::default() }),
        start_time: Some(clock::to_proto(1_795_000_000_000_000)),
        note: note.into(),
        ..Default::default()
    };
    let request = CreateCallRequest { call: Some(call), ..Default::default() };
    grpc.calls().create_call(request).await.expect("a call").into_inner()
}

/// What is counted: opportunities, leads, the forecast; calls with their times and ends.
async fn sums(grpc: &Grpc) -> String {
    let deals = grpc.opportunities().list_opportunities(ListOpportunitiesRequest::default()).await;
    let leads = grpc.leads().list_leads(ListLeadsRequest::default()).await;
    let forecast = grpc.forecasts().get_forecast(GetForecastRequest::default()).await;
    let calls = grpc.calls().list_calls(ListCallsRequest::default()).await.expect("calls").into_inner().calls;
    let calls: Vec<_> = calls
        .iter()
        .map(|call| (call.direction, call.outcome, call.start_time, call.end_time, call.talk_duration))
        .collect();
    format!(
        "{} {} {:?} {calls:?}",
        deals.expect("opportunities").into_inner().opportunities.len(),
        leads.expect("leads").into_inner().leads.len(),
        forecast.expect("a forecast").into_inner().rows,
    )
}

/// Numbers of the events of one stream behind a token.
macro_rules! numbers {
    ($client:expr, $token:expr) => {{
        let request =
            WatchChangesRequest { resume_token: $token.to_string(), until_now: true, ..Default::default() };
        let mut stream = $client.watch_changes(request).await.expect("a stream").into_inner();
        let mut numbers = Vec::new();
        while let Some(message) = stream.message().await.expect("a change") {
            numbers.extend(message.event.map(|event| event.sequence));
        }
        numbers
    }};
}

both! {
    async fn h3_an_erased_partner_is_gone_from_every_service_and_what_is_counted_stays(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (admin, grpc, http) = (sandbox.grpc("admin"), sandbox.grpc("sales"), sandbox.http("sales"));
        let (partner, twin) = cards(&sandbox).await;
        deals(&grpc, &partner).await;
        calls(&sandbox, &partner).await;
        let lines = "ATTENDEE;CN=Anna zqxname:mailto:zqxmail@example.com\r\nDESCRIPTION:zqxmail@example.com\\, Anna ZQXNAME\r\n";
        http.put("/dav/calendars/sales/work/m.ics", &[], meeting("Demo", "neighbour", lines)).await.expect(201);
        let kinds = ["call", "call", "lead", "meeting", "opportunity", "opportunity"];
        eventually("the whole history", async || {
            let entries = timeline(&grpc, &partner).await;
            (crate::history::kinds(&entries) == kinds).then_some(())
        })
        .await;
        let storage = sandbox.running().context.storage.clone();
        // All that is searched afterwards holds it now, or the search would show nothing.
        eventually("its traces", async || {
            let found = traces(&storage, &WORDS).await.join("\n");
            let expected = [
                "directory.card:", "directory.body:", "directory.timeline:", "directory.partner_merge:", "directory.kit_outbox:",
                "pipeline.opportunity:", "pipeline.lead:", "pipeline.next_step:", "pipeline.kit_outbox:", "pipeline.kit_request:",
                "calendar.body:", "calendar.attendee:", "calendar.deadline:", "calendar.item:", "calendar.kit_outbox:",
                "telephony.call:", "telephony.kit_outbox:",
            ];
            expected.iter().all(|table| found.contains(table)).then_some(())
        })
        .await;
        eventually("the call's end", async || {
            let calls = grpc.calls().list_calls(ListCallsRequest::default()).await.expect("calls").into_inner().calls;
            calls.iter().all(|call| call.state() == CallState::Ended).then_some(())
        })
        .await;
        let before = sums(&grpc).await;
        let etag = http.get("/dav/calendars/sales/work/m.ics").await.expect(200).header("etag").to_owned();

        let erasure = erase(&admin, &twin).await;
        assert_eq!((&erasure.partner, &erasure.merged_partners), (&partner, &vec![twin.clone()]));
        for name in [&partner, &twin] {
            let request = GetPartnerRequest { name: name.clone() };
            refused(grpc.partners().get_partner(request).await, Code::NotFound, name);
        }
        let report = done(&admin, &erasure.name).await;
        let counted = |service: &str, kind: &str| {
            let parts = report.services.iter().filter(|part| part.service == service);
            parts.flat_map(|part| &part.counts).find(|counted| counted.kind == kind).map_or(0, |counted| counted.count)
        };
        for (service, kind, count) in [
            ("directory", "cards", 2), ("directory", "merges", 1), ("pipeline", "opportunities", 2), ("pipeline", "leads", 1),
            ("pipeline", "next steps", 1), ("telephony", "calls", 2), ("calendar", "meetings", 2),
        ] {
            assert_eq!(counted(service, kind), count, "{service} {kind}: {report:?}");
        }
        assert!(counted("calendar", "scheduling messages") > 0 && counted("telephony", "events") > 0, "{report:?}");
        let found = traces(&storage, &WORDS).await;
        assert!(found.is_empty(), "{found:#?}");
        if let Storage::Sqlite(folder) = &storage {
            // Nor where nothing stands any more: what SQLite frees it overwrites.
            let found = bytes(folder, &WORDS);
            assert!(found.is_empty(), "{found:#?}");
        }
        assert_eq!(sums(&grpc).await, before);

        // The meeting is there, for its organizer and the other guest, in a new version.
        let kept = http.get("/dav/calendars/sales/work/m.ics").await.expect(200);
        assert_ne!(kept.header("etag"), etag);
        let text = kept.text();
        assert!(text.contains("SUMMARY:Demo") && text.contains("DESCRIPTION:Erased\\, Erased"), "{text}");
        let other = sandbox.http("neighbour");
        let copies = hrefs(&other, "/dav/calendars/neighbour/work/").await;
        assert!(other.get(&copies[0]).await.expect(200).text().contains("neighbour@kontor.test"));

        // Each stream is read from its beginning and from its middle without a gap.
        for (name, all, late) in [
            ("directory", numbers!(admin.directory_changes(), 0), numbers!(admin.directory_changes(), 3)),
            ("pipeline", numbers!(admin.pipeline_changes(), 0), numbers!(admin.pipeline_changes(), 3)),
            ("calendar", numbers!(admin.calendar_changes(), 0), numbers!(admin.calendar_changes(), 3)),
            ("telephony", numbers!(admin.telephony_changes(), 0), numbers!(admin.telephony_changes(), 3)),
        ] {
            assert_eq!(all, (1..=all.len() as i64).collect::<Vec<_>>(), "{name}");
            assert_eq!(late, all[3..], "{name}");
        }

        // Who calls is unknown, and who comes again is somebody new.
        let call = log_call(&grpc, "").await;
        assert!(call.partner.is_empty() && call.partner_candidates.is_empty(), "{call:?}");
        let new = add_partner(&grpc, "Anna", "", "zqxmail@example.com").await;
        assert_eq!(lookup(&grpc, "zqxmail@example.com").await, std::slice::from_ref(&new.name));
        assert!(![partner.clone(), twin].contains(&new.name));
        assert_eq!(erase(&admin, &report.merged_partners[0]).await.name, erasure.name, "the same request has one answer");
        assert_eq!(done(&admin, &erasure.name).await, report);
        refused(grpc.erasures().get_erasure(GetErasureRequest { name: erasure.name }).await, Code::PermissionDenied, "administrator");
    }
}

both! {
    async fn h3_a_call_that_goes_on_is_waited_for_in_words_and_a_later_one_is_somebody_elses(sandbox: Sandbox) {
        let (admin, grpc) = (sandbox.grpc("admin"), sandbox.grpc("sales"));
        let partner = add_partner(&grpc, "Bram Claes", NUMBER, "bram@example.com").await.name;
        connect(&sandbox).await;
        let now = || jiff::Timestamp::now().as_microsecond();
        push(&grpc, "c1", 1, CallEventKind::Ringing, now()).await;
        push(&grpc, "c1", 2, CallEventKind::Answered, now()).await;
        let listed = async || {
            let calls = grpc.calls().list_calls(ListCallsRequest::default()).await.expect("calls").into_inner().calls;
            let mut calls: Vec<Call> = calls;
            calls.sort_by_key(|call| call.start_time.map(|time| (time.seconds, time.nanos)));
            calls
        };
        let running = eventually("the call on its partner", async || {
            listed().await.into_iter().find(|call| call.partner == partner)
        })
        .await;
        let erasure = erase(&admin, &partner).await;
        // The report says what it waits for, and by which name it can be looked at.
        let report = eventually("what telephony waits for", async || {
            let request = GetErasureRequest { name: erasure.name.clone() };
            let report = admin.erasures().get_erasure(request).await.expect("a report").into_inner();
            let part = report.services.iter().find(|part| part.service == "telephony")?.clone();
            (!part.waits_for.is_empty()).then_some(part)
        })
        .await;
        assert_eq!(report.state(), ErasureState::Pending);
        assert!(report.waits_for.contains(&running.name) && report.waits_for.contains("go on"), "{report:?}");
        eventually("what calendar waits for", async || {
            let request = GetErasureRequest { name: erasure.name.clone() };
            let report = admin.erasures().get_erasure(request).await.expect("a report").into_inner();
            report.services.iter().any(|part| part.service == "calendar" && part.waits_for.contains("telephony")).then_some(())
        })
        .await;
        // The same number again, while the first call goes on: somebody new.
        for (sequence, kind) in [(3, CallEventKind::Ringing), (4, CallEventKind::Answered), (5, CallEventKind::Hungup)] {
            push(&grpc, "c2", sequence, kind, now()).await;
        }
        push(&grpc, "c1", 6, CallEventKind::Hungup, now()).await;
        let report = done(&admin, &erasure.name).await;
        assert!(report.services.iter().all(|part| part.waits_for.is_empty()), "{report:?}");
        let calls = listed().await;
        let [first, second] = calls.as_slice() else { panic!("{calls:?}") };
        let caller = |call: &Call| call.caller.clone().unwrap_or_default().e164;
        assert_eq!((first.name.as_str(), caller(first), first.partner.as_str()), (running.name.as_str(), String::new(), ""));
        assert_eq!((caller(second), second.partner.as_str()), ("+32471112233".to_owned(), ""), "{second:?}");
        // So in the stream: the events of the first are emptied, those of the second are not.
        let request = WatchChangesRequest { until_now: true, resume_token: "0".into(), ..Default::default() };
        let mut stream = admin.telephony_changes().watch_changes(request).await.expect("a stream").into_inner();
        let mut emptied = std::collections::BTreeMap::<String, Vec<bool>>::new();
        while let Some(message) = stream.message().await.expect("a change") {
            let Some(event) = message.event.filter(|event| event.subject.starts_with("calls/")) else { continue };
            let payload = event.payload.expect("a payload");
            emptied.entry(event.subject).or_default().push(payload.type_url.ends_with("ErasedPayload"));
        }
        assert!(emptied[&first.name].iter().all(|emptied| *emptied), "{emptied:?}");
        assert!(!emptied[&second.name].is_empty() && emptied[&second.name].iter().all(|emptied| !emptied), "{emptied:?}");
    }
}

/// Services that were off when a partner was erased hear of it when they are back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_services_that_were_off_catch_up_on_sqlite() {
    let mut split = Split::start(Backend::Sqlite).await;
    let (grpc, admin) = (split.grpc("sales"), split.grpc("admin"));
    let partner = add_partner(&grpc, "Bram Claes", NUMBER, "bram@example.com").await;
    add_opportunity(&grpc, "For Bram", &partner.name, "users/sales").await;
    log_call(&grpc, "of Bram").await;
    split.kill("pipeline").await;
    split.kill("telephony").await;
    let erasure = erase(&admin, &partner.name).await;
    let waits = eventually("the directory's report", async || {
        let request = GetErasureRequest { name: erasure.name.clone() };
        let report = admin.erasures().get_erasure(request).await.expect("a report").into_inner();
        report.services.iter().any(|part| part.state() == ErasureState::Done).then_some(report)
    })
    .await;
    let pending = waits.services.iter().filter(|part| part.state() == ErasureState::Pending);
    let pending: Vec<&str> = pending.map(|part| part.service.as_str()).collect();
    assert!(pending.contains(&"pipeline") && pending.contains(&"telephony"), "{pending:?}");
    split.start_one("telephony").await;
    split.start_one("pipeline").await;
    done(&admin, &erasure.name).await;
    // The gateway finds them again a moment later.
    let calls = eventually("telephony answers", async || {
        grpc.calls().list_calls(ListCallsRequest::default()).await.ok()
    })
    .await;
    let calls = calls.into_inner().calls;
    assert_eq!((calls.len(), calls[0].partner.as_str(), calls[0].note.as_str()), (1, "", ""));
    let deals = eventually("the pipeline answers", async || {
        grpc.opportunities().list_opportunities(ListOpportunitiesRequest::default()).await.ok()
    })
    .await;
    let deals = deals.into_inner().opportunities;
    assert_eq!((deals.len(), deals[0].partner.as_str(), deals[0].title.as_str()), (1, "", "Erased"));
}
