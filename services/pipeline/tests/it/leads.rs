//! Leads: create, change, list, delete; who sees them.

use kontor_proto::pipeline::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, lead, manager, mask};

kontor_testbed::on_both! { World;
    p1_many_leads_change_at_once_and_a_wrong_row_is_reported_by_its_index,
    x3_the_same_request_twice_makes_one_lead,
    x4_leads_are_seen_by_assignee_team_and_leaders,
    p11_my_leads_and_unassigned_in_stable_pages,
    x3_update_obeys_mask_etag_and_validates,
    names_that_do_not_exist_are_refused_by_field,
    x3_validate_only_writes_nothing,
    a_lead_is_deleted_once,
    p1_a_number_has_a_digit,
}

async fn p1_a_number_has_a_digit(world: World) {
    let mut leads = world.leads.clone();
    let refused = |status: tonic::Status| {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("lead.phone: \"abc\""), "{}", status.message());
    };
    let wrong = proto::Lead { phone: "abc".to_owned(), ..lead("Roof") };
    let request = proto::CreateLeadRequest { lead: Some(wrong.clone()), ..Default::default() };
    refused(leads.create_lead(anna().request(request)).await.unwrap_err());
    // Numbers that no plan of numbers knows are numbers.
    let made = world.add_lead(&anna(), proto::Lead { phone: "ext. 101".to_owned(), ..lead("Roof") }).await;
    let change = |lead: proto::Lead, paths: &[&str]| proto::UpdateLeadRequest {
        lead: Some(lead),
        update_mask: mask(paths),
        ..Default::default()
    };
    let wrong = proto::Lead { name: made.name.clone(), ..wrong };
    refused(leads.update_lead(anna().request(change(wrong, &["phone"]))).await.unwrap_err());
    // One that is there from before holds up no other change, and the lead can be converted without it.
    let id = made.name.trim_start_matches("leads/").to_owned();
    let old = move |tx: &mut kontor_kit::db::Tx<'_>| {
        tx.execute("UPDATE lead SET phone = 'abc' WHERE id = $1", kontor_kit::args![&id])
    };
    let db = world.place.context.open_db("pipeline", kontor_pipeline::MIGRATIONS).await.unwrap();
    db.write(old).await.unwrap();
    let noted =
        proto::Lead { name: made.name.clone(), description: "noted".to_owned(), ..Default::default() };
    let now = leads.update_lead(anna().request(change(noted, &["description"]))).await.unwrap().into_inner();
    assert_eq!((now.phone.as_str(), now.description.as_str()), ("abc", "noted"));
    let request = proto::ConvertLeadRequest { name: made.name, ..Default::default() };
    leads.convert_lead(anna().request(request)).await.unwrap();
}

async fn x3_the_same_request_twice_makes_one_lead(world: World) {
    let request = proto::CreateLeadRequest {
        lead: Some(proto::Lead { email: " a@x.com ".to_owned(), ..lead("Roof") }),
        request_id: "r1".to_owned(),
        ..Default::default()
    };
    let mut leads = world.leads.clone();
    let first = leads.create_lead(anna().request(request.clone())).await.unwrap().into_inner();
    let again = leads.create_lead(anna().request(request)).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!((first.email.as_str(), first.team.as_str(), first.state), ("a@x.com", "teams/sales", 1));
    assert_eq!(world.kinds(&first.name).await, ["LeadCreated"]);
}

async fn x4_leads_are_seen_by_assignee_team_and_leaders(world: World) {
    let mine = world.add_lead(&anna(), proto::Lead { assignee: "users/me".to_owned(), ..lead("Mine") }).await;
    assert_eq!(mine.assignee, "users/anna");
    let get = proto::GetLeadRequest { name: mine.name.clone() };
    let mut leads = world.leads.clone();
    for seen_by in [anna(), ben(), manager(), admin()] {
        leads.get_lead(seen_by.request(get.clone())).await.unwrap();
    }
    assert_eq!(
        failure(leads.get_lead(carl().request(get.clone())).await),
        (Code::NotFound, "NOT_FOUND".to_owned())
    );
    assert_eq!(failure(leads.get_lead(get.clone()).await).0, Code::Unauthenticated);
    let listed = leads.list_leads(carl().request(proto::ListLeadsRequest::default())).await.unwrap();
    assert!(listed.get_ref().leads.is_empty());
    assert!(world.events(&carl()).await.is_empty());
    assert_eq!(world.events(&ben()).await.len(), 1);
    let change = proto::UpdateLeadRequest {
        lead: Some(proto::Lead { name: mine.name.clone(), ..lead("Ours") }),
        ..Default::default()
    };
    assert_eq!(failure(leads.update_lead(ben().request(change.clone())).await).0, Code::PermissionDenied);
    assert_eq!(failure(leads.update_lead(carl().request(change.clone())).await).0, Code::NotFound);
    leads.update_lead(manager().request(change)).await.unwrap();
}

async fn p11_my_leads_and_unassigned_in_stable_pages(world: World) {
    for number in 0..5 {
        world.pass(1_000);
        let assignee = if number % 2 == 0 { "users/anna" } else { "" };
        world
            .add_lead(&anna(), proto::Lead { assignee: assignee.to_owned(), ..lead(&format!("{number}")) })
            .await;
    }
    let mut leads = world.leads.clone();
    let mut titles = Vec::new();
    let mut request = proto::ListLeadsRequest {
        page_size: 1,
        filter: "assignee = me AND state = OPEN".to_owned(),
        ..Default::default()
    };
    loop {
        let page = leads.list_leads(anna().request(request.clone())).await.unwrap().into_inner();
        titles.extend(page.leads.into_iter().map(|lead| lead.title));
        if page.next_page_token.is_empty() {
            break;
        }
        world.pass(1_000);
        world.add_lead(&anna(), proto::Lead { assignee: "users/me".to_owned(), ..lead("late") }).await;
        request.page_token = page.next_page_token;
    }
    assert_eq!(titles, ["4", "2", "0"]);
    let unassigned = proto::ListLeadsRequest {
        filter: "assignee = none".to_owned(),
        order_by: "create_time".to_owned(),
        ..Default::default()
    };
    let found = leads.list_leads(ben().request(unassigned)).await.unwrap().into_inner().leads;
    assert_eq!(found.iter().map(|lead| lead.title.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    request.filter = "assignee = none".to_owned();
    let foreign = leads.list_leads(anna().request(request)).await;
    assert_eq!(failure(foreign).0, Code::InvalidArgument, "a token belongs to its filter");
}

async fn x3_update_obeys_mask_etag_and_validates(world: World) {
    let made = world.add_lead(&anna(), lead("Roof")).await;
    let mut leads = world.leads.clone();
    let new = proto::Lead {
        title: "Garden".to_owned(),
        source: "fair".to_owned(),
        tags: vec![" hot ".to_owned(), "hot".to_owned()],
        ..made.clone()
    };
    let change = |lead: proto::Lead, paths: &[&str]| proto::UpdateLeadRequest {
        lead: Some(lead),
        update_mask: mask(paths),
        ..Default::default()
    };
    let changed = leads.update_lead(anna().request(change(new.clone(), &["source", "tags"]))).await.unwrap();
    let changed = changed.into_inner();
    assert_eq!((changed.title.as_str(), changed.source.as_str()), ("Roof", "fair"));
    assert_eq!(changed.tags, ["hot"]);
    let stale = leads.update_lead(anna().request(change(new.clone(), &["title"]))).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(world.lead(&made.name).await, changed);
    let new = proto::Lead { etag: String::new(), ..new };
    let wrong = change(proto::Lead { email: "no address".to_owned(), ..new.clone() }, &["email"]);
    assert!(leads.update_lead(anna().request(wrong)).await.unwrap_err().message().starts_with("lead.email"));
    let immutable = leads.update_lead(anna().request(change(new.clone(), &["opportunity"]))).await;
    assert_eq!(failure(immutable).0, Code::InvalidArgument);
    let converted = change(proto::Lead { state: 2, ..new.clone() }, &["state"]);
    assert_eq!(failure(leads.update_lead(anna().request(converted)).await).0, Code::FailedPrecondition);
    let given = change(proto::Lead { assignee: "users/ben".to_owned(), ..new }, &["assignee"]);
    let given = leads.update_lead(anna().request(given)).await.unwrap().into_inner();
    assert_eq!(given.assignee, "users/ben");
    assert_eq!(world.kinds(&made.name).await, ["LeadCreated", "LeadUpdated", "LeadUpdated"]);
}

async fn names_that_do_not_exist_are_refused_by_field(world: World) {
    let mut leads = world.leads.clone();
    for (field, new) in [
        ("lead.assignee", proto::Lead { assignee: "users/nobody".to_owned(), ..lead("x") }),
        ("lead.assignee", proto::Lead { assignee: "nobody".to_owned(), ..lead("x") }),
        ("lead.team", proto::Lead { team: "teams/none".to_owned(), ..lead("x") }),
        ("lead.title", lead("  ")),
        ("lead.region", proto::Lead { region: "Belgium".to_owned(), ..lead("x") }),
        ("lead.state", proto::Lead { state: 9, ..lead("x") }),
    ] {
        let request = proto::CreateLeadRequest { lead: Some(new), ..Default::default() };
        let status = leads.create_lead(anna().request(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{field}: {}", status.message());
    }
    assert!(world.events(&admin()).await.is_empty());
}

async fn x3_validate_only_writes_nothing(world: World) {
    let request = proto::CreateLeadRequest {
        lead: Some(lead("Roof")),
        request_id: "r1".to_owned(),
        validate_only: true,
    };
    let mut leads = world.leads.clone();
    let shown = leads.create_lead(anna().request(request)).await.unwrap().into_inner();
    assert_eq!(shown.title, "Roof");
    let all = leads.list_leads(admin().request(proto::ListLeadsRequest::default())).await.unwrap();
    assert!(all.get_ref().leads.is_empty());
    assert!(world.events(&admin()).await.is_empty());
}

async fn a_lead_is_deleted_once(world: World) {
    let made = world.add_lead(&anna(), lead("Roof")).await;
    let mut leads = world.leads.clone();
    let delete = |etag: &str, request_id: &str| {
        anna().request(proto::DeleteLeadRequest {
            name: made.name.clone(),
            etag: etag.to_owned(),
            request_id: request_id.to_owned(),
        })
    };
    assert_eq!(failure(leads.delete_lead(delete("v7", "")).await).0, Code::Aborted);
    leads.delete_lead(delete("v1", "r1")).await.unwrap();
    leads.delete_lead(delete("v1", "r1")).await.unwrap();
    assert_eq!(failure(leads.delete_lead(delete("", "")).await).0, Code::NotFound);
    assert_eq!(world.kinds(&made.name).await, ["LeadCreated", "LeadDeleted"]);
}

async fn p1_many_leads_change_at_once_and_a_wrong_row_is_reported_by_its_index(world: World) {
    let lead = |title: &str, tags: &[&str]| proto::Lead {
        title: title.to_owned(),
        email: format!("{title}@x.com"),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        ..Default::default()
    };
    let first = world.add_lead(&anna(), lead("first", &["old", "web"])).await;
    let second = world.add_lead(&anna(), lead("second", &[])).await;
    let theirs = world.add_lead(&carl(), lead("theirs", &[])).await;
    let converted = world.add_lead(&anna(), lead("converted", &[])).await;
    let request = proto::ConvertLeadRequest { name: converted.name.clone(), ..Default::default() };
    world.leads.clone().convert_lead(anna().request(request)).await.unwrap();
    let converted = world.lead(&converted.name).await;

    let all = [&first.name, &theirs.name, &converted.name, &second.name].map(Clone::clone);
    let request = proto::BatchChangeLeadsRequest {
        names: [&all[..], &["leads/none".to_owned(), "users/anna".to_owned()]].concat(),
        assignee: Some("users/ben".to_owned()),
        add_tags: vec!["spring".to_owned(), "web".to_owned()],
        remove_tags: vec!["old".to_owned()],
        state: proto::LeadState::Disqualified.into(),
        request_id: "bulk-1".to_owned(),
        ..Default::default()
    };
    let mut leads = world.leads.clone();
    let done = leads.batch_change_leads(anna().request(request.clone())).await.unwrap().into_inner();
    let codes: Vec<_> =
        done.results.iter().map(|row| row.error.as_ref().map_or(0, |error| error.code)).collect();
    let [missing, precondition, invalid] =
        [Code::NotFound, Code::FailedPrecondition, Code::InvalidArgument].map(i32::from);
    assert_eq!(codes, [0, missing, precondition, 0, missing, invalid], "{done:?}");
    assert!(done.results.iter().enumerate().all(|(place, row)| usize::try_from(row.index) == Ok(place)));
    let now = world.lead(&first.name).await;
    assert_eq!((now.assignee.as_str(), now.state()), ("users/ben", proto::LeadState::Disqualified));
    assert_eq!(now.tags, ["web", "spring"]);
    assert_eq!(done.results[0].lead.as_ref(), Some(&now));
    assert_eq!(world.lead(&second.name).await.tags, ["spring", "web"]);
    assert_eq!(world.lead(&theirs.name).await, theirs);
    assert_eq!(world.lead(&converted.name).await, converted);
    // A repeat is harmless, and a wrong change writes nothing at all.
    assert_eq!(leads.batch_change_leads(anna().request(request.clone())).await.unwrap().into_inner(), done);
    for wrong in [
        proto::BatchChangeLeadsRequest { assignee: Some("users/nobody".to_owned()), ..request.clone() },
        proto::BatchChangeLeadsRequest { state: proto::LeadState::Converted.into(), ..request.clone() },
        proto::BatchChangeLeadsRequest { names: vec![], ..request.clone() },
        proto::BatchChangeLeadsRequest { names: vec![first.name.clone(); 1_001], ..request.clone() },
    ] {
        let wrong = proto::BatchChangeLeadsRequest { request_id: String::new(), ..wrong };
        assert_eq!(failure(leads.batch_change_leads(anna().request(wrong)).await).0, Code::InvalidArgument);
    }
    assert_eq!(world.lead(&first.name).await, now);
    // It is Ben's now, so his leader opens it again.
    let open = proto::BatchChangeLeadsRequest {
        names: vec![first.name.clone()],
        assignee: Some(String::new()),
        state: proto::LeadState::Open.into(),
        ..Default::default()
    };
    let done = leads.batch_change_leads(manager().request(open)).await.unwrap().into_inner();
    let lead = done.results[0].lead.clone().unwrap();
    assert_eq!((lead.assignee.as_str(), lead.state()), ("", proto::LeadState::Open));
}
