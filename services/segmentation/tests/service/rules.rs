//! S1 and S11: rules over all that is known of a partner, errors with their place, and why.

use kontor_proto::pipeline::v1 as pipeline;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::telephony::v1 as telephony;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{DAY, World, euro, leader, neighbour, sales};

kontor_testbed::on_both! { World;
    s1_rules_read_partners_opportunities_calls_purchases_mails_and_visits,
    s1_error_names_the_position,
    s1_what_a_rule_names_must_be_there,
    s1_what_a_rule_names_is_not_taken_away,
    s1_text_and_tree_say_the_same,
    s1_facts_are_taken_once_and_bad_ones_named_by_index,
    s11_explain_tells_each_term_and_when_it_may_change,
}

async fn s1_rules_read_partners_opportunities_calls_purchases_mails_and_visits(world: World) {
    let anna = world.add_partner("Anna", "BE", "anna@acme.example", "+32475123456").await;
    let ben = world.add_partner("Ben", "FR", "", "").await;
    let deal = pipeline::Opportunity {
        title: "Machine".to_owned(),
        partner: anna.clone(),
        amount: Some(euro("1500.00")),
        source: "fair".to_owned(),
        ..Default::default()
    };
    let request = pipeline::CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
    world.opportunities().create_opportunity(sales().request(request)).await.unwrap();
    let call = telephony::Call {
        direction: telephony::CallDirection::Inbound.into(),
        caller: Some(telephony::Party { number: "+32475123456".to_owned(), ..Default::default() }),
        outcome: telephony::CallOutcome::Answered.into(),
        ..Default::default()
    };
    let request = telephony::CreateCallRequest { call: Some(call), ..Default::default() };
    world.calls().create_call(sales().request(request)).await.unwrap();
    world.tag(&anna, &["vip"]).await;
    world.buy(vec![world.sale(&anna, "R1", "1200.00"), world.sale(&ben, "R2", "80")]).await;
    let mail = proto::MailEvent {
        partner: anna.clone(),
        key: "m1".to_owned(),
        time: Some(world.ago(DAY)),
        kind: proto::MailEventKind::Opened.into(),
    };
    let request = proto::PushMailEventsRequest { events: vec![mail] };
    world.facts.clone().push_mail_events(admin().request(request)).await.unwrap();
    let visit = proto::PageVisit {
        partner: anna.clone(),
        key: "v1".to_owned(),
        time: Some(world.ago(DAY)),
        page: "/prices".to_owned(),
    };
    let request = proto::PushPageVisitsRequest { visits: vec![visit] };
    world.facts.clone().push_page_visits(admin().request(request)).await.unwrap();

    for (id, rule) in [
        ("country", "country == \"BE\""),
        ("mail", "emails.exists(e, e.endsWith(\"@acme.example\"))"),
        (
            "deal",
            "opportunities.exists(o, o.state == \"OPEN\" && o.amount >= 1500.00 && o.source == \"fair\")",
        ),
        ("call", "calls.exists(c, c.direction == \"INBOUND\" && c.result == \"ANSWERED\")"),
        ("tag", "\"vip\" in tags"),
        ("bought", "purchases.total(\"EUR\", duration(\"30d\")) >= 1000.00"),
        ("opened", "mails.exists(m, m.kind == \"OPENED\" && m.time > now - duration(\"7d\"))"),
        ("visited", "visits.exists(v, v.page.startsWith(\"/prices\"))"),
    ] {
        world.add_segment(id, rule).await;
        world.members_become(id, &[&anna]).await;
    }
    world.add_segment("other", "!(country == \"BE\")").await;
    world.members_become("other", &[&ben]).await;
}

async fn s1_error_names_the_position(world: World) {
    let wrong = world.try_segment(&admin(), "x", "country == \"BE\" &&\n  contry == \"FR\"", &[], "").await;
    let status = wrong.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!((status.code(), reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(
        (&*metadata["field"], &*metadata["line"], &*metadata["column"], &*metadata["suggestion"]),
        ("segment.rule", "2", "3", "country")
    );
    let check = |rule: &str| {
        let request = proto::CheckRuleRequest { rule: rule.to_owned(), ..Default::default() };
        let mut client = world.segments.clone();
        async move { client.check_rule(sales().request(request)).await.unwrap().into_inner() }
    };
    let checked = check("country == 3").await;
    assert_eq!((checked.errors.len(), checked.errors[0].line), (1, 1));
    assert!(checked.rule.is_empty() && checked.rule_tree.is_none());
    let checked = check("size(calls)>2&&create_time<now-duration(\"30d\")").await;
    assert_eq!(checked.errors, []);
    assert_eq!(checked.rule, "size(calls) > 2 && create_time < now - duration(\"30d\")");
    assert_eq!(checked.fields, ["create_time", "calls"]);
    assert!(checked.time_relative);
    // A segment may have no rule: only its lists, or its parents. That is so in every method.
    for empty in ["", " \n"] {
        let checked = check(empty).await;
        assert_eq!((checked.errors, checked.rule.as_str(), checked.rule_tree), (vec![], "", None));
        let request = proto::PreviewRuleRequest { rule: empty.to_owned(), ..Default::default() };
        world.segments.clone().preview_rule(sales().request(request)).await.unwrap();
    }
    world.add_segment("empty", " ").await;
    assert_eq!(check("// nothing").await.errors.len(), 1);
    let nothing = world.try_segment(&admin(), "nothing", "// nothing", &[], "").await;
    assert_eq!(failure(nothing).0, Code::InvalidArgument);
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(check(&deep).await.errors.len(), 1);
    let fields =
        world.segments.clone().list_rule_fields(sales().request(proto::ListRuleFieldsRequest {})).await;
    let fields = fields.unwrap().into_inner().fields;
    let kind = fields.iter().find(|field| field.name == "kind").unwrap();
    assert_eq!(
        (kind.r#type.as_str(), &kind.choices[..]),
        ("string", &["PERSON".to_owned(), "COMPANY".to_owned()][..])
    );
    assert!(fields.iter().any(|field| field.name == "calls[].start_time"));
}

/// A questionnaire "tastes" with the question "colour", whose choices these are.
fn tastes(choices: &[&str]) -> proto::Questionnaire {
    let choices = choices.iter().map(|id| proto::Choice { id: (*id).to_owned(), text: (*id).to_owned() });
    let question = proto::Question {
        id: "colour".to_owned(),
        text: "Which colour?".to_owned(),
        choices: choices.collect(),
        multiple: false,
    };
    proto::Questionnaire {
        name: "questionnaires/tastes".to_owned(),
        display_name: "Tastes".to_owned(),
        questions: vec![question],
        ..Default::default()
    }
}

impl World {
    async fn ask(&self, choices: &[&str]) {
        let request = proto::CreateQuestionnaireRequest {
            questionnaire: Some(proto::Questionnaire { name: String::new(), ..tastes(choices) }),
            questionnaire_id: "tastes".to_owned(),
            ..Default::default()
        };
        self.questionnaires.clone().create_questionnaire(admin().request(request)).await.unwrap();
    }

    async fn offer(&self, choices: &[&str]) -> Result<(), tonic::Status> {
        let request =
            proto::UpdateQuestionnaireRequest { questionnaire: Some(tastes(choices)), ..Default::default() };
        self.questionnaires.clone().update_questionnaire(admin().request(request)).await.map(|_| ())
    }
}

/// Every method says the same of a name that is not there, with its place and what would fit; of what the caller may not see nothing is told.
async fn s1_what_a_rule_names_must_be_there(world: World) {
    world.ask(&["red", "blue"]).await;
    world.add_segment("customers", "country == \"BE\"").await;
    world.try_segment(&neighbour(), "customers-ours", "true", &[], "teams/support").await.unwrap();
    let old = world.add_segment("old", "true").await;
    for (rule, column, suggestion) in [
        ("country == \"BE\" &&\n in_segment(\"segments/custmers\")", "13", "\"segments/customers\""),
        ("true &&\n in_segment(\"segments/customers-ours\")", "13", ""),
        ("true &&\n purchases.total(\"EUX\") > 3", "18", "\"EUR\""),
        ("true &&\n purchases.exists(p, p.currency == \"EUX\")", "36", "\"EUR\""),
        ("true &&\n \"red\" in answers[\"questions/colr\"]", "19", "\"questions/colour\""),
        ("true &&\n \"rod\" in answers[\"questions/colour\"]", "2", "\"red\""),
        ("true &&\n city.matches(r\"^(ab\")", "18", ""),
    ] {
        let said = |status: tonic::Status, field: &str| {
            let (_, metadata) = kontor_kit::error::reason(&status).unwrap();
            assert_eq!(status.code(), Code::InvalidArgument, "{rule}");
            assert_eq!((&*metadata["field"], &*metadata["line"]), (field, "2"), "{rule}");
            let fit = metadata.get("suggestion").map(String::as_str).unwrap_or_default();
            assert_eq!((&*metadata["column"], fit), (column, suggestion), "{rule}: {}", status.message());
            assert!(!status.message().contains("ours") || rule.contains("ours"), "{}", status.message());
        };
        let request = proto::CheckRuleRequest { rule: rule.to_owned(), ..Default::default() };
        let checked = world.segments.clone().check_rule(sales().request(request)).await.unwrap().into_inner();
        let wrong = &checked.errors[0];
        assert_eq!(
            (wrong.line.to_string(), wrong.column.to_string(), &*wrong.suggestion),
            ("2".to_owned(), column.to_owned(), suggestion),
            "{rule}: {}",
            wrong.message
        );
        let request = proto::PreviewRuleRequest { rule: rule.to_owned(), ..Default::default() };
        let preview = world.segments.clone().preview_rule(sales().request(request)).await;
        said(preview.unwrap_err(), "rule");
        for validate_only in [true, false] {
            let segment = proto::Segment {
                display_name: "New".to_owned(),
                rule: rule.to_owned(),
                ..Default::default()
            };
            let request = proto::CreateSegmentRequest {
                segment: Some(segment),
                segment_id: "new".to_owned(),
                validate_only,
                ..Default::default()
            };
            let made = world.segments.clone().create_segment(sales().request(request)).await;
            said(made.unwrap_err(), "segment.rule");
        }
        if !rule.contains("ours") {
            let new = proto::Segment { rule: rule.to_owned(), ..old.clone() };
            said(world.update_segment(new, &["rule"]).await.unwrap_err(), "segment.rule");
        }
    }
    // A tree has its place in the text that it is.
    let kind = proto::expression::Kind::InSegment("segments/custmers".to_owned());
    let request = proto::CheckRuleRequest {
        rule_tree: Some(proto::Expression { kind: Some(kind) }),
        ..Default::default()
    };
    let checked = world.segments.clone().check_rule(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((checked.errors[0].line, checked.errors[0].column), (1, 12));
    // Its author names it, and what is there is taken.
    let rule = "in_segment(\"segments/customers-ours\")";
    world.try_segment(&neighbour(), "theirs", rule, &[], "teams/support").await.unwrap();
    let rule = "\"red\" in answers[\"questions/colour\"] && purchases.total(\"CHF\") > 3 && in_segment(\"segments/customers\")";
    world.add_segment("good", rule).await;
}

async fn s1_what_a_rule_names_is_not_taken_away(world: World) {
    world.ask(&["red", "blue", "green"]).await;
    let red = world.add_segment("red", "\"red\" in answers[\"questions/colour\"]").await;
    let rule = "answers[\"questions/colour\"].exists(a, a in [\"blue\", \"red\"])";
    world.add_segment("blue", rule).await;
    // Of a segment that the caller may not see no more is told than that it is there.
    let green = "\"green\" in answers[\"questions/colour\"]";
    world.try_segment(&leader(), "secret", green, &[], "teams/sales").await.unwrap();
    let request = proto::UpdateQuestionnaireRequest {
        questionnaire: Some(tastes(&["red", "blue"])),
        ..Default::default()
    };
    let refused = world.questionnaires.clone().update_questionnaire(neighbour().request(request)).await;
    let words = refused.unwrap_err().message().to_owned();
    assert!(words.contains("a segment that you do not see") && !words.contains("secret"), "{words}");
    let request = proto::DeleteSegmentRequest { name: "segments/secret".to_owned(), ..Default::default() };
    world.segments.clone().delete_segment(admin().request(request)).await.unwrap();
    let status = world.offer(&["red", "green"]).await.unwrap_err();
    assert_eq!(failure::<()>(Err(status.clone())).1, "IN_USE");
    assert!(status.message().contains("segments/blue asks for the choice colour.blue"), "{status:?}");
    assert!(world.offer(&["blue"]).await.unwrap_err().message().contains("segments/"));
    world.offer(&["red", "blue"]).await.unwrap();
    // What a deleted segment names can go; it does not come back then.
    let delete =
        |id: &str| proto::DeleteSegmentRequest { name: format!("segments/{id}"), ..Default::default() };
    world.segments.clone().delete_segment(admin().request(delete("blue"))).await.unwrap();
    world.offer(&["red"]).await.unwrap();
    let request = proto::UndeleteSegmentRequest { name: "segments/blue".to_owned(), ..Default::default() };
    let back = world.segments.clone().undelete_segment(admin().request(request.clone())).await;
    assert_eq!(failure(back).1, "PARENT_DELETED");
    world.offer(&["red", "blue"]).await.unwrap();
    world.segments.clone().undelete_segment(admin().request(request)).await.unwrap();
    let request =
        proto::DeleteQuestionnaireRequest { name: "questionnaires/tastes".to_owned(), ..Default::default() };
    let deleted = world.questionnaires.clone().delete_questionnaire(admin().request(request)).await;
    assert_eq!(failure(deleted).1, "IN_USE");
    // A name can be changed at any time.
    let named = proto::Segment { display_name: "Reds".to_owned(), ..red };
    world.update_segment(named, &["display_name"]).await.unwrap();
}

async fn s1_text_and_tree_say_the_same(world: World) {
    let rule = "country in [\"BE\", \"FR\"] && !(calls.exists(c, c.result == \"MISSED\" && c.start_time > now - duration(\"30d\"))) && purchases.total(\"EUR\", duration(\"180d\")) >= 10.5";
    let made = world.add_segment("text", rule).await;
    let tree = made.rule_tree.clone().unwrap();
    let segment = proto::Segment {
        display_name: "By tree".to_owned(),
        rule_tree: Some(tree.clone()),
        ..Default::default()
    };
    let request = proto::CreateSegmentRequest { segment: Some(segment), ..Default::default() };
    let by_tree = world.segments.clone().create_segment(admin().request(request)).await.unwrap().into_inner();
    assert_eq!((&by_tree.rule, &by_tree.rule_tree), (&made.rule, &Some(tree)));
    let segment = proto::Segment {
        display_name: "Two".to_owned(),
        rule: "true".to_owned(),
        rule_tree: by_tree.rule_tree,
        ..Default::default()
    };
    let request = proto::CreateSegmentRequest { segment: Some(segment), ..Default::default() };
    let two = world.segments.clone().create_segment(admin().request(request)).await;
    assert_eq!(failure(two).0, Code::InvalidArgument);
}

async fn s1_facts_are_taken_once_and_bad_ones_named_by_index(world: World) {
    let anna = world.add_partner("Anna", "BE", "", "").await;
    let sale = world.sale(&anna, "R1", "10.00");
    let bad = |change: fn(&mut proto::Purchase)| {
        let mut bad = world.sale(&anna, "R9", "10.00");
        change(&mut bad);
        bad
    };
    let purchases = vec![
        sale.clone(),
        bad(|it| it.amount = Some(euro("1.005"))),
        bad(|it| it.partner = "partners/nobody".to_owned()),
        bad(|it| it.key.clear()),
        bad(|it| it.time = None),
    ];
    let answer = world.buy(purchases).await;
    assert_eq!((answer.added_count, answer.unchanged_count), (1, 0));
    let errors: Vec<(i32, &str)> = answer.errors.iter().map(|it| (it.index, it.field.as_str())).collect();
    assert_eq!(errors, [(1, "amount.amount"), (2, "partner"), (3, "key"), (4, "time")]);
    assert_eq!(world.buy(vec![sale.clone()]).await.unchanged_count, 1);
    let more = proto::Purchase { amount: Some(euro("12.00")), ..sale };
    assert_eq!(world.buy(vec![more]).await.replaced_count, 1);
    let denied = proto::PushPurchasesRequest { purchases: vec![world.sale(&anna, "R2", "1")] };
    assert_eq!(
        failure(world.facts.clone().push_purchases(sales().request(denied)).await).0,
        Code::PermissionDenied
    );
}

async fn s11_explain_tells_each_term_and_when_it_may_change(world: World) {
    let anna = world.known("Anna", "FR").await;
    world.add_segment("all", "true").await;
    let rule = "country == \"BE\" || create_time < now - duration(\"30d\")";
    world.try_segment(&admin(), "child", rule, &["all"], "").await.unwrap();
    let explain = |segment: &str, partner: &str| {
        let request = proto::ExplainMembershipRequest {
            name: format!("segments/{segment}"),
            partner: partner.to_owned(),
        };
        let mut client = world.segments.clone();
        async move { client.explain_membership(sales().request(request)).await }
    };
    let why = explain("child", &anna).await.unwrap().into_inner();
    assert!(!why.member);
    assert_eq!(why.parents, [proto::ParentAnswer { segment: "segments/all".to_owned(), member: true }]);
    let rule = why.rule.unwrap();
    assert_eq!((rule.holds, rule.terms.len()), (false, 2));
    assert_eq!((rule.terms[0].text.as_str(), rule.terms[0].holds), ("country == \"BE\"", false));
    assert!(rule.terms[0].reason.contains("FR"), "{rule:?}");
    assert_eq!(rule.terms[1].text, "create_time < now - duration(\"30d\")");
    let due = kontor_kit::clock::from_proto(&why.due_time.unwrap());
    assert!((due - world.place.now() - 30 * DAY).abs() < DAY, "it becomes true after 30 days: {due}");
    let domain = proto::segment_entry::Who::Partner(anna.clone());
    let entry = proto::SegmentEntry { list: proto::SegmentList::Exclusion.into(), who: Some(domain) };
    let request = proto::AddSegmentEntriesRequest {
        parent: "segments/all".to_owned(),
        entries: vec![entry.clone()],
        ..Default::default()
    };
    world.segments.clone().add_segment_entries(admin().request(request)).await.unwrap();
    let why = explain("all", &anna).await.unwrap().into_inner();
    assert_eq!((why.member, why.exclusion, why.rule.unwrap().holds), (false, Some(entry), true));
    assert_eq!(failure(explain("all", "partners/nobody").await).0, Code::NotFound);
    assert_eq!(failure(explain("nothing", &anna).await).0, Code::NotFound);
}
