//! T7: lists of a team and the import of their rows. Bad numbers by line, doubles by list and number, breaks, and who may.

use kontor_proto::telephony::v1 as proto;
use kontor_testbed::{admin, caller, failure, user};
use tonic::Code;

use crate::lists::{FAIR, Lists, lead, numbers, operator, row, summed};
use crate::world::{World, refusal};

kontor_testbed::on_both! { World;
    t7_every_spelling_is_read_and_bad_numbers_are_refused_by_line,
    t7_doubles_are_merged_by_list_and_number_and_named,
    t7_an_import_goes_on_where_it_was,
    t7_many_rows_come_in_batches_with_their_counts,
    t7_faults_of_an_import_name_what_is_wrong,
    t7_a_check_alone_writes_nothing,
    t7_numbers_not_to_be_called_are_refused,
    t7_lists_are_managed_by_leaders_and_seen_by_their_team,
    t7_settings_have_their_usual_values_and_their_limits,
    t7_a_deleted_list_is_there_for_nobody_and_its_call_backs_end,
    x3_lists_of_entries_page_and_filter,
}

async fn t7_a_deleted_list_is_there_for_nobody_and_its_call_backs_end(world: World) {
    let lists = Lists::with_list(&world, |list| list.any_hour = true).await;
    lists.fill(&numbers(3).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ann = operator("ann");
    let delete = async |who: &kontor_kit::auth::Caller, etag: &str| {
        let request = proto::DeleteCallListRequest {
            name: FAIR.to_owned(),
            etag: etag.to_owned(),
            ..Default::default()
        };
        lists.lists.clone().delete_call_list(who.request(request)).await
    };
    let lease = lists.take(&ann).await;
    lists.dial(&lease).await.unwrap();
    assert_eq!(failure(delete(&ann, "").await).0, Code::PermissionDenied);
    assert_eq!(failure(delete(&user("eve"), "").await).0, Code::NotFound);
    assert_eq!(failure(delete(&lead(), "\"0\"").await).0, Code::Aborted);
    assert_eq!(failure(delete(&lead(), "").await).1, "LIST_IN_USE");
    let later = |request: &mut proto::RecordOutcomeRequest| {
        request.reason = proto::CallOutcomeReason::CallBack.into();
        request.call_back_time = Some(kontor_kit::clock::to_proto(world.now() + 3_600_000_000));
        request.personal_call_back = true;
    };
    lists.record(&lease, proto::CallListOutcome::NotHeld, later).await.unwrap();
    let other = lists.take(&ann).await;
    delete(&lead(), "").await.unwrap();
    assert_eq!(failure(delete(&lead(), "").await).0, Code::NotFound);
    assert_eq!(failure(lists.take_as(&ann, FAIR).await).0, Code::NotFound);
    assert_eq!(failure(lists.dial(&other).await).0, Code::NotFound, "what was leased is gone too");
    let get = proto::GetCallListRequest { name: FAIR.to_owned() };
    assert_eq!(failure(lists.lists.clone().get_call_list(admin().request(get)).await).0, Code::NotFound);
    let all = proto::ListCallListsRequest::default();
    let all = lists.lists.clone().list_call_lists(admin().request(all)).await.unwrap().into_inner();
    assert_eq!(all.call_lists, []);
    let back = proto::CallList {
        name: FAIR.to_owned(),
        state: proto::CallListState::Active.into(),
        ..Default::default()
    };
    assert_eq!(failure(lists.update(&lead(), back, &["state"]).await).0, Code::NotFound);
    assert_eq!(
        failure(lists.create("fair", |_| ()).await).0,
        Code::AlreadyExists,
        "its name is not given again"
    );
    let kinds = world.kinds().await;
    for kind in ["CallBackEnded", "CallListEntryCancelled", "CallListDeleted"] {
        assert_eq!(kinds.iter().filter(|it| *it == kind).count(), 1, "{kind}: {kinds:?}");
    }
}

async fn t7_every_spelling_is_read_and_bad_numbers_are_refused_by_line(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let texts = [
        "0475 12 34 56",
        "hello",
        "+32 475/12.34.57",
        "",
        "0032475123458",
        "12",
        "02 555 00 01 ext. 12",
        "+1 (212) 555-0100",
    ];
    let answer = lists.import(texts.iter().map(|text| row(text)).collect()).await;
    assert_eq!((answer.received_rows, answer.created_rows, answer.refused_rows), (8, 5, 3));
    let errors: Vec<_> =
        answer.errors.iter().map(|error| (error.line, error.field.as_str(), error.reason.as_str())).collect();
    assert_eq!(
        errors,
        [(2, "number", "NOT_A_NUMBER"), (4, "number", "EMPTY"), (6, "number", "WRONG_LENGTH")]
    );
    assert!(answer.errors[0].message.contains("\"hello\""));
    let entries = lists.entries("").await;
    let found: Vec<_> = entries.iter().map(|entry| (entry.e164.as_str(), entry.extension.as_str())).collect();
    let wanted = [
        ("+12125550100", ""),
        ("+3225550001", "12"),
        ("+32475123456", ""),
        ("+32475123457", ""),
        ("+32475123458", ""),
    ];
    assert_eq!(found, wanted);
    assert_eq!(entries[0].time_zones, ["America/New_York"]);
    assert_eq!(
        (entries[2].number.as_str(), entries[2].state()),
        ("0475 12 34 56", proto::CallListEntryState::Open)
    );
    // the list's own country
    let settings =
        proto::CallListImport { parent: FAIR.to_owned(), region: "fr".to_owned(), ..Default::default() };
    lists.import_as(&lead(), settings, vec![row("01 45 55 12 34")]).await.unwrap();
    assert_eq!(lists.entries("e164 = \"+33145551234\"").await.len(), 1);
}

async fn t7_doubles_are_merged_by_list_and_number_and_named(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let named = proto::CallListRow {
        display_name: "Anna".to_owned(),
        priority: 3,
        partner: "partners/anna".to_owned(),
        ..row("0475 12 34 56")
    };
    let answer = lists.import(vec![row("+32475123456"), row("+32475123457"), named]).await;
    assert_eq!((answer.created_rows, answer.merged_rows), (2, 1));
    let entry = lists.entries("e164 = \"+32475123456\"").await.remove(0);
    let double = &answer.doubles[0];
    assert_eq!((double.line, double.e164.as_str(), &double.entry), (3, "+32475123456", &entry.name));
    assert!(double.changed);
    assert_eq!(
        (entry.display_name.as_str(), entry.partner.as_str(), entry.priority),
        ("Anna", "partners/anna", 3)
    );
    // what is there stays
    let other = proto::CallListRow { display_name: "Ben".to_owned(), priority: 1, ..row("+32475123456") };
    let answer = lists.import(vec![other]).await;
    assert_eq!((answer.created_rows, answer.merged_rows, answer.doubles[0].changed), (0, 1, false));
    assert_eq!(lists.get(&entry.name).await.display_name, "Anna");
    // another list has its own entry of the number
    lists.create("other", |_| ()).await.unwrap();
    let settings = proto::CallListImport { parent: "callLists/other".to_owned(), ..Default::default() };
    let answer = summed(lists.import_as(&lead(), settings, vec![row("+32475123456")]).await.unwrap());
    assert_eq!((answer.created_rows, answer.merged_rows), (1, 0));
}

async fn t7_an_import_goes_on_where_it_was(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let settings = proto::CallListImport {
        parent: FAIR.to_owned(),
        import_key: "fair.csv".to_owned(),
        ..Default::default()
    };
    let rows: Vec<_> = numbers(1_300).iter().map(|number| row(number)).collect();
    let answers = lists.import_as(&lead(), settings.clone(), rows[..700].to_vec()).await.unwrap();
    assert_eq!(answers[0].resume_line, 1);
    let answers = lists.import_as(&lead(), settings.clone(), rows.clone()).await.unwrap();
    assert_eq!(answers[0].resume_line, 701);
    let answer = summed(answers);
    assert_eq!((answer.skipped_rows, answer.created_rows, answer.merged_rows), (700, 600, 0));
    // from there on it is the same
    let rest =
        rows[1_200..].iter().zip(1_201..).map(|(row, line)| proto::CallListRow { line, ..row.clone() });
    let answer = summed(lists.import_as(&lead(), settings, rest.collect()).await.unwrap());
    assert_eq!((answer.skipped_rows, answer.created_rows), (100, 0));
    assert_eq!(lists.summary().await.open_count, 1_300);
}

async fn t7_many_rows_come_in_batches_with_their_counts(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let mut rows: Vec<_> = numbers(2_400).iter().map(|number| row(number)).collect();
    rows.extend((0..50).map(|number| row(&format!("garbage {number}"))));
    rows.extend(numbers(60).iter().map(|number| row(number)));
    let settings = proto::CallListImport { parent: FAIR.to_owned(), max_reports: 40, ..Default::default() };
    let answers = lists.import_as(&lead(), settings, rows).await.unwrap();
    assert!(answers.len() > 5, "each batch of 500 is told");
    assert!(answers.windows(2).all(|pair| pair[0].received_rows <= pair[1].received_rows));
    let answer = summed(answers);
    assert_eq!((answer.received_rows, answer.created_rows), (2_510, 2_400));
    assert_eq!((answer.refused_rows, answer.errors.len(), answer.unreported_errors), (50, 40, 10));
    assert_eq!((answer.merged_rows, answer.doubles.len(), answer.unreported_doubles), (60, 40, 20));
    assert_eq!(lists.summary().await.open_count, 2_400);
    let events = world.events().await;
    let imported = events.iter().filter_map(kontor_kit::outbox::payload::<proto::CallListEntriesImported>);
    assert_eq!(imported.map(|event| event.created_rows).sum::<i64>(), 2_400);
}

async fn t7_faults_of_an_import_name_what_is_wrong(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let settings = || proto::CallListImport { parent: FAIR.to_owned(), ..Default::default() };
    let cases = [
        (proto::CallListImport { parent: "fair".to_owned(), ..settings() }, "settings.parent: "),
        (proto::CallListImport { region: "XX".to_owned(), ..settings() }, "settings.region: "),
        (proto::CallListImport { max_reports: -1, ..settings() }, "settings.max_reports: "),
        (proto::CallListImport { import_key: "x".repeat(101), ..settings() }, "settings.import_key: "),
    ];
    for (settings, beginning) in cases {
        let (code, words) = refusal(lists.import_as(&lead(), settings, vec![row("+32475123456")]).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
    let backwards = vec![proto::CallListRow { line: 5, ..row("+32475123456") }, row("+32475123457"), {
        proto::CallListRow { line: 6, ..row("+32475123458") }
    }];
    let (_, words) = refusal(lists.import_as(&lead(), settings(), backwards).await);
    assert!(words.starts_with("rows.line: line 6 comes after line 6"), "{words}");
    // a row's own faults leave the others alone
    let odd = |change: fn(&mut proto::CallListRow)| {
        let mut odd = row("+32475123400");
        change(&mut odd);
        odd
    };
    let rows = vec![
        odd(|row| row.priority = 10),
        odd(|row| row.partner = "anna".to_owned()),
        odd(|row| row.display_name = "x".repeat(201)),
        odd(|row| row.note = "\0".to_owned()),
        row("+32475123459"),
    ];
    let answer = lists.import(rows).await;
    let fields: Vec<_> = answer.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!((fields, answer.created_rows), (vec!["priority", "partner", "display_name", "note"], 1));
    for stranger in [user("eve"), caller("eve", &["other"], &["other"])] {
        let answer = lists.import_as(&stranger, settings(), vec![row("+32475123456")]).await;
        assert_eq!(failure(answer).0, Code::NotFound);
    }
    let answer = lists.import_as(&operator("ann"), settings(), vec![row("+32475123456")]).await;
    assert_eq!(failure(answer).0, Code::PermissionDenied);
    assert_eq!(lists.summary().await.open_count, 1);
}

async fn t7_a_check_alone_writes_nothing(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let settings = proto::CallListImport {
        parent: FAIR.to_owned(),
        validate_only: true,
        import_key: "a".to_owned(),
        ..Default::default()
    };
    let rows = vec![row("0475 12 34 56"), row("0475 12 34 57"), row("0475 12 34 57"), row("x")];
    let answer = summed(lists.import_as(&lead(), settings.clone(), rows).await.unwrap());
    assert_eq!((answer.created_rows, answer.merged_rows, answer.refused_rows), (1, 2, 1));
    assert_eq!(lists.entries("").await.len(), 1);
    assert_eq!(lists.import_as(&lead(), settings, vec![]).await.unwrap()[0].resume_line, 1);
}

async fn t7_numbers_not_to_be_called_are_refused(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.do_not_call(&operator("ann"), "0475 12 34 56").await.unwrap();
    let answer = lists.import(vec![row("+32 475 12 34 56"), row("+32475123457")]).await;
    assert_eq!((answer.created_rows, answer.errors[0].reason.as_str()), (1, "DO_NOT_CALL"));
}

async fn t7_lists_are_managed_by_leaders_and_seen_by_their_team(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let get = |caller: &kontor_kit::auth::Caller| {
        let request = proto::GetCallListRequest { name: FAIR.to_owned() };
        let (request, mut client) = (caller.request(request), lists.lists.clone());
        async move { client.get_call_list(request).await.map(tonic::Response::into_inner) }
    };
    let list = get(&operator("ann")).await.unwrap();
    assert_eq!((list.display_name.as_str(), list.state()), ("Fair 2026", proto::CallListState::Active));
    let stranger = caller("eve", &["other"], &["other"]);
    assert_eq!(failure(get(&stranger).await).0, Code::NotFound);
    let all = proto::ListCallListsRequest::default();
    let seen = lists.lists.clone().list_call_lists(stranger.request(all.clone())).await.unwrap().into_inner();
    assert!(seen.call_lists.is_empty());
    let seen = lists.lists.clone().list_call_lists(operator("ann").request(all)).await.unwrap().into_inner();
    assert_eq!(seen.call_lists, std::slice::from_ref(&list));
    let paused = proto::CallList { state: proto::CallListState::Paused.into(), ..list.clone() };
    let answer = lists.update(&stranger, paused.clone(), &["state"]).await;
    assert_eq!(failure(answer).0, Code::NotFound);
    let answer = lists.update(&operator("ann"), paused.clone(), &["state"]).await;
    assert_eq!(failure(answer).0, Code::PermissionDenied);
    let list = lists.update(&lead(), paused.clone(), &["state"]).await.unwrap();
    assert_eq!(list.state(), proto::CallListState::Paused);
    let stale = lists.update(&lead(), paused, &["state"]).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let ended = proto::CallList { state: proto::CallListState::Ended.into(), ..list };
    let ended = lists.update(&admin(), ended, &["state"]).await.unwrap();
    let answer = lists.update(&admin(), proto::CallList { state: 1, ..ended }, &["state"]).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "LIST_ENDED".to_owned()));
    // a list is made by a leader of its team, or an administrator for a team that there is
    let create = |caller: kontor_kit::auth::Caller, team: &str, check: bool| {
        let call_list =
            proto::CallList { display_name: "X".to_owned(), team: team.to_owned(), ..Default::default() };
        let request = proto::CreateCallListRequest {
            call_list: Some(call_list),
            call_list_id: "x".to_owned(),
            request_id: "once".to_owned(),
            validate_only: check,
        };
        let mut client = lists.lists.clone();
        async move { client.create_call_list(caller.request(request)).await.map(tonic::Response::into_inner) }
    };
    assert_eq!(failure(create(operator("ann"), "teams/sales", false).await).0, Code::PermissionDenied);
    assert_eq!(failure(create(admin(), "teams/none", false).await).0, Code::InvalidArgument);
    assert_eq!(failure(create(admin(), "", false).await).0, Code::InvalidArgument);
    create(admin(), "teams/sales", true).await.unwrap();
    let made = create(admin(), "teams/sales", false).await.unwrap();
    assert_eq!(create(admin(), "teams/sales", false).await.unwrap(), made);
    assert_eq!(failure(create(lead(), "teams/sales", false).await).0, Code::AlreadyExists);
}

async fn t7_settings_have_their_usual_values_and_their_limits(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let request = proto::GetCallListRequest { name: FAIR.to_owned() };
    let list = lists.lists.clone().get_call_list(lead().request(request)).await.unwrap().into_inner();
    assert_eq!((list.max_tries, list.min_ring_seconds, list.any_hour), (3, Some(15), false));
    assert_eq!(list.busy_retry_delay.unwrap().seconds, 900);
    assert_eq!(list.no_answer_retry_delay.unwrap().seconds, 7_200);
    assert_eq!(list.lease_duration.unwrap().seconds, 300);
    assert_eq!(list.calling_hours.len(), 7);
    assert!(
        list.calling_hours.iter().all(|day| (day.start.as_str(), day.end.as_str()) == ("08:00", "20:00"))
    );
    let hours = |weekday, start: &str, end: &str| proto::CallingHours {
        weekday,
        start: start.to_owned(),
        end: end.to_owned(),
    };
    type Change = fn(&mut proto::CallList);
    let cases: [(Change, &str); 5] = [
        (|list| list.max_tries = 21, "call_list.max_tries"),
        (|list| list.display_name = " ".to_owned(), "call_list.display_name"),
        (|list| list.priority = -1, "call_list.priority"),
        (
            |list| list.lease_duration = Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            "call_list.lease_duration",
        ),
        (|list| list.region = "Mars".to_owned(), "call_list.region"),
    ];
    for (change, field) in cases {
        let (code, words) = refusal(lists.create("bad", change).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(field), "{words}");
    }
    let twice = vec![hours(1, "09:00", "10:00"), hours(1, "11:00", "12:00")];
    let (_, words) = refusal(lists.create("bad", |list| list.calling_hours = twice).await);
    assert!(words.starts_with("call_list.calling_hours[1]: "), "{words}");
    let days = vec![hours(1, "09:00", "17:30"), hours(2, "09:00", "24:00")];
    let list = lists
        .update(&lead(), proto::CallList { calling_hours: days.clone(), ..list }, &["calling_hours"])
        .await;
    assert_eq!(list.unwrap().calling_hours, days);
}

async fn x3_lists_of_entries_page_and_filter(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.create("other", |_| ()).await.unwrap();
    let some = numbers(25);
    lists.fill(&some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut found = Vec::new();
    let mut request =
        proto::ListCallListEntriesRequest { parent: FAIR.to_owned(), page_size: 10, ..Default::default() };
    loop {
        let page = lists.lists.clone().list_call_list_entries(operator("ann").request(request.clone())).await;
        let page = page.unwrap().into_inner();
        found.extend(page.entries.into_iter().map(|entry| entry.e164));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(found, some);
    let of = |caller: kontor_kit::auth::Caller, parent: &str| {
        let request = proto::ListCallListEntriesRequest { parent: parent.to_owned(), ..Default::default() };
        let mut client = lists.lists.clone();
        async move {
            client.list_call_list_entries(caller.request(request)).await.map(|it| it.into_inner().entries)
        }
    };
    assert_eq!(of(operator("ann"), "callLists/-").await.unwrap().len(), 25);
    assert_eq!(of(caller("eve", &["other"], &[]), "callLists/-").await.unwrap().len(), 0);
    assert_eq!(failure(of(user("eve"), FAIR).await).0, Code::NotFound);
    lists.take(&operator("ann")).await;
    assert_eq!(lists.entries("state = LEASED AND operator = \"users/ann\"").await.len(), 1);
    assert_eq!(lists.entries("state = OPEN").await.len(), 24);
}
