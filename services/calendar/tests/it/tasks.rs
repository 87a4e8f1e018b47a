//! TaskService: VTODO objects, the same rows as a client's tasks.

use kontor_proto::calendar::v1 as proto;
use kontor_testbed::{failure, user};
use tonic::Code;

use crate::support::{Bed, date, local, mask, time};

kontor_testbed::on_both! { Bed;
    a_task_is_made_done_and_deleted,
    a_clients_task_keeps_its_lines_and_tasks_are_no_occurrences,
    bad_tasks_are_refused,
}

async fn a_task_is_made_done_and_deleted(bed: Bed) {
    let given = proto::Task {
        summary: "Call back".to_owned(),
        description: "about the offer".to_owned(),
        due: local("2026-11-25T17:00:00"),
        priority: 1,
        ..proto::Task::default()
    };
    let request = proto::CreateTaskRequest {
        parent: "calendars/default".to_owned(),
        task: Some(given.clone()),
        ..proto::CreateTaskRequest::default()
    };
    let made = bed.tasks().create_task(user("sales").request(request)).await.unwrap().into_inner();
    let wanted =
        proto::Task { name: made.name.clone(), uid: made.uid.clone(), etag: made.etag.clone(), ..given };
    assert_eq!(made, wanted);

    let done = proto::UpdateTaskRequest {
        task: Some(proto::Task { complete_time: Some(time("2026-11-24T10:00:00Z")), ..made.clone() }),
        update_mask: mask(&["complete_time"]),
        request_id: String::new(),
    };
    let done = bed.tasks().update_task(user("sales").request(done)).await.unwrap().into_inner();
    assert_eq!(done.percent_complete, 100);
    let get = proto::GetTaskRequest { name: made.name.clone() };
    let read = bed.tasks().get_task(user("sales").request(get.clone())).await.unwrap().into_inner();
    let text = crate::support::text(&read.icalendar.clone());
    for line in [
        "STATUS:COMPLETED\r\n",
        "COMPLETED:20261124T100000Z\r\n",
        "PERCENT-COMPLETE:100\r\n",
        "PRIORITY:1\r\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert_eq!(proto::Task { icalendar: Default::default(), ..read }, done);

    let open = proto::UpdateTaskRequest {
        task: Some(proto::Task { name: made.name.clone(), ..proto::Task::default() }),
        update_mask: mask(&["complete_time"]),
        request_id: String::new(),
    };
    let open = bed.tasks().update_task(user("sales").request(open)).await.unwrap().into_inner();
    assert_eq!((open.complete_time, open.percent_complete), (None, 0));

    let delete = |etag: &str| proto::DeleteTaskRequest {
        name: made.name.clone(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let stale = bed.tasks().delete_task(user("sales").request(delete(&made.etag))).await;
    assert_eq!(failure(stale).0, Code::Aborted);
    bed.tasks().delete_task(user("sales").request(delete(&open.etag))).await.unwrap();
    assert_eq!(failure(bed.tasks().get_task(user("sales").request(get)).await).0, Code::NotFound);
}

async fn a_clients_task_keeps_its_lines_and_tasks_are_no_occurrences(bed: Bed) {
    let text = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Apple Inc.//iOS 18.0//EN
BEGIN:VTODO
UID:task-1
DTSTAMP:20260101T000000Z
SUMMARY:Offer
DUE;VALUE=DATE:20261125
X-APPLE-SORT-ORDER:123
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT5M
END:VALARM
END:VTODO
END:VCALENDAR
";
    bed.put("sales", "task.ics", text).await.unwrap();
    let list = proto::ListTasksRequest { parent: bed.work("sales").await, ..Default::default() };
    let found = bed.tasks().list_tasks(user("sales").request(list)).await.unwrap().into_inner().tasks;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].due, date("2026-11-25"));
    let change = proto::UpdateTaskRequest {
        task: Some(proto::Task { percent_complete: 50, ..found[0].clone() }),
        update_mask: mask(&["percent_complete"]),
        request_id: String::new(),
    };
    bed.tasks().update_task(user("sales").request(change)).await.unwrap();
    let text = crate::support::text(&bed.get("sales", "task.ics").await.unwrap().data);
    assert!(text.contains("PERCENT-COMPLETE:50\r\n"), "{text}");
    assert!(
        text.contains("X-APPLE-SORT-ORDER:123\r\nBEGIN:VALARM\r\n")
            || text.contains("X-APPLE-SORT-ORDER:123\r\n")
    );
    assert!(text.contains("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"), "{text}");
    assert!(bed.titles("sales", "2026-11-20T00:00:00Z", "2026-11-30T00:00:00Z").await.is_empty());
}

async fn bad_tasks_are_refused(bed: Bed) {
    for task in [
        proto::Task { priority: 10, ..proto::Task::default() },
        proto::Task { percent_complete: 101, ..proto::Task::default() },
        proto::Task { due: Some(proto::EventTime::default()), ..proto::Task::default() },
    ] {
        let request = proto::CreateTaskRequest {
            parent: "calendars/default".to_owned(),
            task: Some(task),
            ..proto::CreateTaskRequest::default()
        };
        let refused = bed.tasks().create_task(user("sales").request(request)).await;
        assert_eq!(failure(refused).0, Code::InvalidArgument);
    }
}
