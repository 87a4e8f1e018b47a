//! Call-backs of call lists as events in their operator's calendar in CalDAV, both ways.
//! Row C10.

use jiff::{Timestamp, ToSpan};
use kontor_proto::telephony::v1::{
    CallList, CallListEntry, CallListImport, CallListOutcome, CallListRow, CallListRows, CallOutcomeReason,
    CreateCallListRequest, GetCallListEntryRequest, ImportCallListEntriesRequest, RecordOutcomeRequest,
    StartDialRequest, TakeNextCallRequest, UpdateCallListRequest, import_call_list_entries_request::Part,
};
use kontor_tests::{Grpc, Http, Sandbox, both};

use crate::support::{eventually, texts};

/// A list of one number, called at any hour, and its entry's name.
async fn list(sandbox: &Sandbox, id: &str) -> CallList {
    let grpc = sandbox.grpc("manager");
    let list = CallList {
        display_name: "Fair".into(),
        team: "teams/sales".into(),
        any_hour: true,
        ..Default::default()
    };
    let request =
        CreateCallListRequest { call_list: Some(list), call_list_id: id.into(), ..Default::default() };
    let list = grpc.call_lists().create_call_list(request).await.expect("a call list").into_inner();
    let settings = CallListImport { parent: list.name.clone(), ..Default::default() };
    let row =
        CallListRow { number: "0471 12 34 56".into(), display_name: "Jo Maes".into(), ..Default::default() };
    let parts = [Part::Settings(settings), Part::Rows(CallListRows { rows: vec![row] })];
    let messages = parts.map(|part| ImportCallListEntriesRequest { part: Some(part) });
    let answers = grpc.call_lists().import_call_list_entries(futures_util::stream::iter(messages)).await;
    let mut answers = answers.expect("an import").into_inner();
    let mut last = None;
    while let Some(answer) = answers.message().await.expect("progress") {
        last = Some(answer);
    }
    let last = last.expect("an answer");
    assert!(last.done && last.created_rows == 1, "{last:?}");
    list
}

async fn take(grpc: &Grpc, list: &CallList) -> Option<(CallListEntry, String)> {
    let request = TakeNextCallRequest { parent: list.name.clone(), ..Default::default() };
    let answer = grpc.dispatch().take_next_call(request).await.expect("an answer").into_inner();
    answer.entry.map(|entry| (entry, answer.lease_token))
}

/// Takes the only number of the list, and agrees on a call-back of one's own.
async fn agree(grpc: &Grpc, list: &CallList, at: Timestamp) -> CallListEntry {
    let (entry, lease_token) = take(grpc, list).await.expect("the next call");
    let request =
        StartDialRequest { name: entry.name.clone(), lease_token: lease_token.clone(), ..Default::default() };
    grpc.dispatch().start_dial(request).await.expect("dialled");
    let request = RecordOutcomeRequest {
        name: entry.name,
        lease_token,
        outcome: CallListOutcome::NotHeld.into(),
        reason: CallOutcomeReason::CallBack.into(),
        call_back_time: Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }),
        personal_call_back: true,
        ..Default::default()
    };
    grpc.dispatch().record_outcome(request).await.expect("an outcome").into_inner()
}

async fn get(grpc: &Grpc, name: &str) -> CallListEntry {
    let request = GetCallListEntryRequest { name: name.into() };
    grpc.call_lists().get_call_list_entry(request).await.expect("the entry").into_inner()
}

fn path(user: &str, entry: &CallListEntry) -> String {
    let id = entry.name.rsplit('/').next().unwrap_or_default();
    format!("/dav/calendars/{user}/call-backs/{id}.ics")
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Waits until the event starts then, and returns its text.
async fn starts(http: &Http, path: &str, at: Timestamp) -> String {
    let line = format!("DTSTART:{}", stamp(at));
    eventually(&format!("{path} has {line}"), async || {
        let answer = http.get(path).await;
        let text = answer.text();
        (answer.status == 200 && text.lines().any(|it| it == line)).then_some(text)
    })
    .await
}

/// The text as a mail client writes it when its user drags the event to another time.
fn moved(text: &str, to: Timestamp) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some(("DTSTART", _)) => format!("DTSTART:{}", stamp(to)),
        Some(("DTEND", _)) => format!("DTEND:{}", stamp(to + 15.minutes())),
        _ => line.to_owned(),
    };
    text.lines().map(|it| line(it) + "\r\n").collect()
}

async fn due(grpc: &Grpc, name: &str, at: Timestamp) {
    eventually("the call-back is due then", async || {
        let due = get(grpc, name).await.due_time?;
        (due.seconds == at.as_second()).then_some(())
    })
    .await;
}

fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("now")
}

both! {
    async fn c10_moving_the_event_moves_the_call_back(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let list = list(&sandbox, "fair").await;
        let home = async || http.propfind("/dav/calendars/sales/", "1", "<D:resourcetype/>").await.expect(207).text();
        assert!(!home().await.contains("call-backs"), "nobody without a call-back has an empty calendar");
        let planned = now() + 50.hours();
        let entry = agree(&grpc, &list, planned).await;
        assert_eq!((entry.owner.as_str(), entry.call_back), ("users/sales", true));
        let here = path("sales", &entry);
        let text = starts(&http, &here, planned).await;
        for line in ["SUMMARY:Call back Jo Maes", "URL:tel:+32471123456", "TRIGGER:-PT5M"] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(texts(&home().await, "href").contains(&"/dav/calendars/sales/call-backs/".to_owned()));
        let overview = http.propfind("/dav/calendars/sales/overview/", "1", "<D:getetag/>").await.expect(207).text();
        assert_eq!(texts(&overview, "href").len(), 2, "{overview}");
        assert_eq!(sandbox.http("colleague").get(&here).await.status, 404);
        assert!(take(&grpc, &list).await.is_none(), "it is not due");

        // The operator drags it near, and it is given to nobody before and to no one else after.
        let near = now() + 4.seconds();
        let etag = http.get(&here).await.header("etag").to_owned();
        let put = http.put(&here, &[("if-match", &etag)], moved(&text, near)).await.expect(204);
        due(&grpc, &entry.name, near).await;
        let colleague = sandbox.grpc("colleague");
        let mut asked_before = false;
        let (taken, _) = eventually("the call-back", async || {
            asked_before |= Timestamp::now() < near;
            assert!(take(&colleague, &list).await.is_none(), "it is somebody else's");
            take(&grpc, &list).await
        })
        .await;
        assert!(asked_before && Timestamp::now() >= near, "it is not given before");
        assert_eq!(taken.name, entry.name);
        // The news of the move came back and changed nothing there.
        assert_eq!(http.get(&here).await.header("etag"), put.header("etag"));
    }

    async fn c10_outside_of_calling_hours_the_event_goes_to_the_next_ones(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let list = list(&sandbox, "fair").await;
        let day = now().in_tz("Europe/Brussels").expect("a zone").date() + 2.days();
        let at = |hour: i8| day.at(hour, 0, 0, 0).in_tz("Europe/Brussels").expect("a time").timestamp();
        let entry = agree(&grpc, &list, at(12)).await;
        let here = path("sales", &entry);
        let text = starts(&http, &here, at(12)).await;
        // Every day from 08:00 to 20:00 by the number's own clock.
        let hours = CallList { name: list.name.clone(), any_hour: false, ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["any_hour".into()] });
        let request = UpdateCallListRequest { call_list: Some(hours), update_mask, ..Default::default() };
        sandbox.grpc("manager").call_lists().update_call_list(request).await.expect("with calling hours");
        http.put(&here, &[], moved(&text, at(5)).replace("Call back Jo Maes", "Jo, early")).await.expect(204);
        let text = starts(&http, &here, at(8)).await;
        assert!(text.contains("SUMMARY:Jo\\, early") || text.contains("SUMMARY:Jo, early"), "{text}");
        due(&grpc, &entry.name, at(8)).await;
    }

    async fn c10_deleting_the_event_leaves_the_call_back_to_the_team(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let list = list(&sandbox, "fair").await;
        let planned = now() + 5.seconds();
        let entry = agree(&grpc, &list, planned).await;
        let here = path("sales", &entry);
        starts(&http, &here, planned).await;
        http.send("DELETE", &here, &[], "").await.expect(204);
        eventually("it is nobody's", async || get(&grpc, &entry.name).await.owner.is_empty().then_some(())).await;
        let colleague = sandbox.grpc("colleague");
        let (taken, _) = eventually("the call-back", async || take(&colleague, &list).await).await;
        assert_eq!(taken.name, entry.name);
        assert!(taken.call_back && Timestamp::now() >= planned, "{taken:?}");
        assert_eq!(http.get(&here).await.status, 404);
    }
}
