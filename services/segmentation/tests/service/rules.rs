//! S1 and S11: rules over all that is known of a partner, errors with their place, and why.

use kontor_proto::pipeline::v1 as pipeline;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::telephony::v1 as telephony;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{DAY, World, euro, sales};

kontor_testbed::on_both! { World;
    s1_rules_read_partners_opportunities_calls_purchases_mails_and_visits,
    s1_error_names_the_position,
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
    assert_eq!(check("").await.errors.len(), 1);
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
