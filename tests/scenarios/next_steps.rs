//! The next steps of a user's opportunities as a task list in CalDAV, both ways.
//! Rows C9 and P12.

use kontor_proto::calendar::v1::{
    CreateTaskRequest, DeleteTaskRequest, ListCalendarsRequest, ListTasksRequest, Task, UpdateTaskRequest,
};
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::{
    CompleteNextStepRequest, CreateNextStepRequest, DropNextStepRequest, GetNextStepRequest, NextStep,
    NextStepState, Opportunity, UpdateNextStepRequest, UpdateOpportunityRequest, WinOpportunityRequest,
};
use kontor_proto::r#type::v1::WatchChangesRequest;
use kontor_tests::{Grpc, Http, both};
use tonic::Code;

use crate::history::{kinds, timeline};
use crate::support::{add_opportunity, add_partner, eventually, refused, texts};

/// Sets the next step of an opportunity, due on a day.
pub async fn set(grpc: &Grpc, deal: &str, title: &str, day: &str) -> NextStep {
    let step = NextStep { title: title.into(), due: Some(Due::DueDate(day.into())), ..Default::default() };
    let request = CreateNextStepRequest { parent: deal.into(), next_step: Some(step), ..Default::default() };
    grpc.next_steps().create_next_step(request).await.expect("a next step").into_inner()
}

/// A step, if it is there.
pub async fn get(grpc: &Grpc, name: &str) -> Option<NextStep> {
    let request = GetNextStepRequest { name: name.into() };
    grpc.next_steps().get_next_step(request).await.ok().map(tonic::Response::into_inner)
}

/// Where a step stands in a user's list.
pub fn path(user: &str, step: &str) -> String {
    format!("/dav/calendars/{user}/next-steps/{}.ics", step.rsplit('/').next().unwrap_or_default())
}

/// Waits until the task has this line, and returns its text.
pub async fn shown(http: &Http, path: &str, line: &str) -> String {
    eventually(&format!("{path} has {line}"), async || {
        let answer = http.get(path).await;
        let text = answer.text();
        (answer.status == 200 && text.lines().any(|it| it == line)).then_some(text)
    })
    .await
}

/// The text as a mail client writes it when its user ticks the task off.
pub fn done(text: &str) -> String {
    text.replace(
        "STATUS:NEEDS-ACTION",
        "STATUS:COMPLETED\r\nPERCENT-COMPLETE:100\r\nCOMPLETED:20261123T100000Z",
    )
}

async fn gone(http: &Http, path: &str) {
    eventually(&format!("{path} is gone"), async || (http.get(path).await.status == 404).then_some(())).await;
}

/// Waits until a step is as it should be.
async fn becomes(grpc: &Grpc, name: &str, is_right: impl Fn(&NextStep) -> bool) -> NextStep {
    eventually("the step in the pipeline", async || get(grpc, name).await.filter(|step| is_right(step))).await
}

/// Short names of all changes of an opportunity so far.
async fn changes(grpc: &Grpc, subject: &str) -> Vec<String> {
    let request = WatchChangesRequest { resume_token: "0".into(), until_now: true, ..Default::default() };
    let mut stream = grpc.pipeline_changes().watch_changes(request).await.expect("a stream").into_inner();
    let mut names = Vec::new();
    while let Some(message) = stream.message().await.expect("a change") {
        let Some(event) = message.event.filter(|event| event.subject == subject) else { continue };
        let url = event.payload.map(|payload| payload.type_url).unwrap_or_default();
        names.push(url.rsplit('.').next().unwrap_or_default().to_owned());
    }
    names
}

async fn change(grpc: &Grpc, step: NextStep, field: &str) -> NextStep {
    let update_mask = Some(prost_types::FieldMask { paths: vec![field.to_owned()] });
    let request = UpdateNextStepRequest { next_step: Some(step), update_mask, ..Default::default() };
    grpc.next_steps().update_next_step(request).await.expect("a changed step").into_inner()
}

both! {
    async fn c9_each_users_next_steps_are_a_task_list(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let home = async || http.propfind("/dav/calendars/sales/", "1", "<D:resourcetype/>").await.expect(207).text();
        assert!(!home().await.contains("next-steps"), "nobody without a step has an empty list");
        let deal = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let step = set(&grpc, &deal.name, "Call, then write", "2026-12-01").await;
        let text = shown(&http, &path("sales", &step.name), "SUMMARY:Call\\, then write").await;
        let id = step.name.rsplit('/').next().expect("an id");
        for line in [
            &format!("UID:{id}"),
            "DUE;VALUE=DATE:20261201",
            "STATUS:NEEDS-ACTION",
            &format!("X-KONTOR-OPPORTUNITY:{}", deal.name),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        let list = "/dav/calendars/sales/next-steps/";
        assert!(texts(&home().await, "href").contains(&list.to_owned()));
        let properties =
            "<D:displayname/><D:resourcetype/><C:supported-calendar-component-set xmlns:C=\"urn:ietf:params:xml:ns:caldav\"/>";
        let answer = http.propfind(list, "0", properties).await.expect(207).text();
        assert!(answer.contains("Next steps") && answer.contains("calendar/>"), "{answer}");
        assert!(answer.contains("name=\"VTODO\"") && !answer.contains("name=\"VEVENT\""), "{answer}");
        let query = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop><C:filter>\
                     <C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VTODO\"><C:time-range start=\"20261130T000000Z\" end=\"20261203T000000Z\"/>\
                     </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
        let found = http.report(list, "1", query).await.expect(207).text();
        assert_eq!(texts(&found, "href"), [path("sales", &step.name)]);
        // Nobody else looks into it.
        assert_eq!(sandbox.http("neighbour").get(&path("sales", &step.name)).await.status, 404);
        // The overview stays as it is: a calendar of events.
        let overview = http.propfind("/dav/calendars/sales/overview/", "1", "<D:getetag/>").await.expect(207).text();
        assert!(!overview.contains(id), "{overview}");
    }

    async fn c9_what_happens_over_grpc_shows_in_the_list(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let deal = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let step = set(&grpc, &deal.name, "Call", "2026-12-01").await;
        let here = path("sales", &step.name);
        let text = shown(&http, &here, "SUMMARY:Call").await;
        // What the user keeps beside it stays.
        let own = text.replace("END:VTODO", "PRIORITY:1\r\nX-OWN:kept\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VTODO");
        http.put(&here, &[], own).await.expect(204);
        let due = Due::DueTime(prost_types::Timestamp { seconds: 1_796_000_400, nanos: 0 });
        change(&grpc, NextStep { name: step.name.clone(), due: Some(due), ..Default::default() }, "due_time").await;
        let text = shown(&http, &here, "DUE:20261130T010000Z").await;
        assert!(text.contains("X-OWN:kept") && text.contains("TRIGGER:-PT5M") && text.contains("PRIORITY:1"), "{text}");
        change(&grpc, NextStep { name: step.name.clone(), title: "Write".into(), ..Default::default() }, "title").await;
        shown(&http, &here, "SUMMARY:Write").await;

        // Done over gRPC: it stays in the list as done. The next one comes beside it.
        let following = NextStep { title: "Visit".into(), due: Some(Due::DueDate("2026-12-03".into())), ..Default::default() };
        let request = CompleteNextStepRequest { name: step.name.clone(), following: Some(following), ..Default::default() };
        let answer = grpc.next_steps().complete_next_step(request).await.expect("done").into_inner();
        shown(&http, &here, "STATUS:COMPLETED").await;
        let second = answer.following.expect("the next one");
        let there = path("sales", &second.name);
        shown(&http, &there, "SUMMARY:Visit").await;

        // Another owner: it moves to that list.
        let new = Opportunity { name: deal.name.clone(), assignee: "users/manager".into(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["assignee".into()] });
        let request = UpdateOpportunityRequest { opportunity: Some(new), update_mask, ..Default::default() };
        grpc.opportunities().update_opportunity(request).await.expect("handed over");
        let manager = sandbox.http("manager");
        shown(&manager, &path("manager", &second.name), "SUMMARY:Visit").await;
        gone(&http, &there).await;
        assert_eq!(http.get(&here).await.status, 200, "what was done stays with who did it");

        // Won: the open step goes.
        let request = WinOpportunityRequest { name: deal.name.clone(), ..Default::default() };
        sandbox.grpc("manager").opportunities().win_opportunity(request).await.expect("won");
        gone(&manager, &path("manager", &second.name)).await;
    }

    async fn c9_completed_in_the_mail_client_closes_the_step(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let partner = add_partner(&grpc, "Jo Maes", "+32 471 12 34 56", "jo@example.com").await;
        let deal = add_opportunity(&grpc, "Machine", &partner.name, "users/sales").await;
        let step = set(&grpc, &deal.name, "Call", "2026-12-01").await;
        let here = path("sales", &step.name);
        let text = shown(&http, &here, "SUMMARY:Call").await;
        let put = http.put(&here, &[], done(&text)).await.expect(204);
        let closed = becomes(&grpc, &step.name, |step| step.state() == NextStepState::Done).await;
        assert_eq!(closed.closed_by, "users/sales");
        let needing = grpc
            .opportunities()
            .get_opportunity(kontor_proto::pipeline::v1::GetOpportunityRequest { name: deal.name.clone() })
            .await
            .expect("the opportunity")
            .into_inner();
        assert!(needing.needs_next_step);
        eventually("the timeline", async || {
            let found = timeline(&grpc, &partner.name).await;
            (kinds(&found) == ["next_step", "opportunity"]).then_some(())
        })
        .await;
        // The news came back to the list and changed nothing there: no loop.
        set(&grpc, &deal.name, "Visit", "2026-12-02").await;
        eventually("the list heard all", async || {
            let answer = http.propfind("/dav/calendars/sales/next-steps/", "1", "<D:getetag/>").await.expect(207).text();
            (texts(&answer, "href").len() == 3).then_some(())
        })
        .await;
        let after = http.get(&here).await.expect(200);
        assert_eq!(after.header("etag"), put.header("etag"));
        assert_eq!(after.text(), done(&text));
        let names = changes(&grpc, &deal.name).await;
        assert_eq!(names, ["OpportunityCreated", "NextStepCreated", "NextStepCompleted", "NextStepCreated"]);

        // It can't be opened again there, but it may be cleared away; the step stays in the history.
        assert_eq!(http.put(&here, &[], text).await.status, 403);
        http.send("DELETE", &here, &[], "").await.expect(204);
        assert_eq!(get(&grpc, &step.name).await.expect("the step").state(), NextStepState::Done);
    }

    async fn c9_changed_in_the_mail_client_changes_the_step(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let deal = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let step = set(&grpc, &deal.name, "Call", "2026-12-01").await;
        let here = path("sales", &step.name);
        let text = shown(&http, &here, "SUMMARY:Call").await;
        let etag = http.get(&here).await.header("etag").to_owned();
        let zoned = text
            .replace("SUMMARY:Call", "SUMMARY:Call Jo")
            .replace("DUE;VALUE=DATE:20261201", "DUE;TZID=Europe/Brussels:20261202T143000")
            .replace("STATUS:", "DESCRIPTION:About\\nthe price\r\nSTATUS:");
        http.put(&here, &[("if-match", &etag)], zoned.clone()).await.expect(204);
        let now = becomes(&grpc, &step.name, |step| step.title == "Call Jo").await;
        assert_eq!(now.note, "About\nthe price");
        // 14:30 in Brussels is 13:30 UTC.
        assert_eq!(now.due, Some(Due::DueTime(prost_types::Timestamp { seconds: 1_796_218_200, nanos: 0 })));
        assert_eq!(http.get(&here).await.text(), zoned, "the bytes are the client's");
        // The old ETag is a conflict, never a lost update.
        assert_eq!(http.put(&here, &[("if-match", &etag)], text.clone()).await.status, 412);

        // Over gRPC the task is changed like any other, and the step with it.
        let lists = grpc.calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars").into_inner();
        let list = lists.calendars.into_iter().find(|it| it.display_name == "Next steps").expect("the list").name;
        let tasks = grpc.tasks().list_tasks(ListTasksRequest { parent: list.clone(), ..Default::default() }).await;
        let task = tasks.expect("tasks").into_inner().tasks.remove(0);
        assert_eq!(task.summary, "Call Jo");
        let new = Task { name: task.name.clone(), summary: "Visit".into(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["summary".into()] });
        let request = UpdateTaskRequest { task: Some(new.clone()), update_mask, ..Default::default() };
        grpc.tasks().update_task(request).await.expect("a changed task");
        becomes(&grpc, &step.name, |step| step.title == "Visit").await;

        // What a list of next steps is not for.
        let delete = http.send("DELETE", &here, &[], "").await;
        assert_eq!(delete.status, 403, "an open step is not dropped by a slip of the thumb");
        let other = text.replace("UID:", "UID:x").replace("SUMMARY:Call", "SUMMARY:Buy milk");
        assert_eq!(http.put("/dav/calendars/sales/next-steps/other.ics", &[], other).await.status, 403);
        let without = text.replace("DUE;VALUE=DATE:20261201\r\n", "");
        assert_eq!(http.put(&here, &[], without).await.status, 403);
        assert_eq!(http.send("DELETE", "/dav/calendars/sales/next-steps/", &[], "").await.status, 403);
        let request = CreateTaskRequest { parent: list, task: Some(new), ..Default::default() };
        refused(grpc.tasks().create_task(request).await, Code::PermissionDenied, "next steps");
        let request = DeleteTaskRequest { name: task.name, ..Default::default() };
        refused(grpc.tasks().delete_task(request).await, Code::PermissionDenied, "drop it");
        assert_eq!(get(&grpc, &step.name).await.expect("the step").title, "Visit");
        let names = changes(&grpc, &deal.name).await;
        assert_eq!(names, ["OpportunityCreated", "NextStepCreated", "NextStepUpdated", "NextStepUpdated"]);

        let request = DropNextStepRequest { name: step.name.clone(), ..Default::default() };
        grpc.next_steps().drop_next_step(request).await.expect("dropped");
        gone(&http, &here).await;
    }

    async fn c9_changes_on_both_sides_at_once_end_the_same(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let deal = add_opportunity(&grpc, "Machine", "", "users/sales").await;
        let step = set(&grpc, &deal.name, "Call", "2026-12-01").await;
        let here = path("sales", &step.name);
        shown(&http, &here, "SUMMARY:Call").await;
        let over_grpc = async {
            for number in 0..15 {
                let new = NextStep { name: step.name.clone(), title: format!("grpc {number}"), ..Default::default() };
                change(&grpc, new, "title").await;
            }
        };
        let over_dav = async {
            for number in 0..15 {
                let text = http.get(&here).await.expect(200).text();
                let line = text.lines().find(|line| line.starts_with("SUMMARY:")).expect("a title").to_owned();
                http.put(&here, &[], text.replace(&line, &format!("SUMMARY:dav {number}"))).await.expect(204);
            }
        };
        futures_util::future::join(over_grpc, over_dav).await;
        // When all is heard, both say the same, and it stays so.
        let mut last = (String::new(), 0);
        eventually("both sides are at rest", async || {
            let title = get(&grpc, &step.name).await?.title;
            let same = http.get(&here).await.text().lines().any(|line| line == format!("SUMMARY:{title}"));
            last = if same && last.0 == title { (title, last.1 + 1) } else { (title, 0) };
            (last.1 >= 25).then_some(())
        })
        .await;
    }
}
