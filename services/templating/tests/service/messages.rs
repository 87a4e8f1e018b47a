//! Messages through the interface: rendered for many at once, previewed, checked before anything is sent.

use std::collections::BTreeMap;

use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::message_service_client::MessageServiceClient;
use kontor_proto::templating::v1::render_messages_response::Result as Outcome;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::support::{docx, p};
use crate::world::{World, euro, fields, group, list, neighbour, sales, text};

kontor_testbed::on_both! { World;
    l7_messages_are_made_for_many_and_one_wrong_recipient_stops_no_other,
    l7_the_directory_is_asked_once_for_all_recipients,
    l7_a_template_says_what_it_is_or_is_told,
    l7_a_message_is_checked_before_anything_is_sent,
    l7_a_preview_shows_the_message_of_a_partner,
    l7_an_old_revision_makes_its_own_messages,
    l7_messages_and_letters_are_not_mixed_up,
    l7_wrong_requests_name_the_field,
    l7_only_who_sees_the_template_makes_messages,
}

const HTML: &str = "<html><head><style>p { color: red }</style></head><body><p>{{ salutation(partner) }},</p>
<ul>{% for line in lines %}<li>{{ line.title }}: {{ line.price }}{% endfor %}</ul><p>{{ user.name }}, {{ company.name }}, {{ partner.name }}</p>
<a href=\"{{ message.unsubscribe_url }}\">leave</a></body></html>";

const FIELDS: [(&str, proto::FieldKind); 2] =
    [("lines[].title", proto::FieldKind::Text), ("lines[].price", proto::FieldKind::Money)];

async fn save(
    world: &World,
    id: &str,
    format: proto::TemplateFormat,
    content: &str,
    own: &[(&str, proto::FieldKind)],
) -> Result<proto::Template, Status> {
    let declared = |(path, kind): &(&str, proto::FieldKind)| proto::FieldDeclaration {
        path: (*path).to_owned(),
        kind: (*kind).into(),
    };
    let template = proto::Template {
        format: format.into(),
        content: content.to_owned().into(),
        fields: own.iter().map(declared).collect(),
        ..Default::default()
    };
    let request = proto::CreateTemplateRequest {
        template: Some(template),
        template_id: id.to_owned(),
        ..Default::default()
    };
    Ok(world.templates.clone().create_template(sales().request(request)).await?.into_inner())
}

fn request(template: &str, recipients: Vec<proto::MessageRecipient>) -> proto::RenderMessagesRequest {
    let line = |title, price| group([("title", text(title)), ("price", euro(price))]);
    proto::RenderMessagesRequest {
        template: template.to_owned(),
        subject: "For {{ partner.name }}".to_owned(),
        recipients,
        fields: Some(fields([("lines", list(vec![line("Desk", "1000"), line("A & B", "2.5")]))])),
        ..Default::default()
    }
}

fn recipient(key: &str, partner: &str) -> proto::MessageRecipient {
    proto::MessageRecipient {
        key: key.to_owned(),
        partner: partner.to_owned(),
        unsubscribe_url: format!("https://example.com/u?k={key}&x=1"),
        ..Default::default()
    }
}

async fn render(
    world: &World,
    request: proto::RenderMessagesRequest,
) -> Result<BTreeMap<String, Outcome>, Status> {
    let mut client = MessageServiceClient::new(world.link.clone());
    let mut stream = client.render_messages(sales().request(request)).await?.into_inner();
    let mut all = BTreeMap::new();
    while let Some(answer) = stream.message().await? {
        assert!(all.insert(answer.key, answer.result.unwrap()).is_none());
    }
    Ok(all)
}

fn message(outcome: &Outcome) -> &proto::RenderedMessage {
    match outcome {
        Outcome::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

async fn l7_messages_are_made_for_many_and_one_wrong_recipient_stops_no_other(world: World) {
    let anna = world.add_partner("Anna Muster", "LANG:de-AT\r\nGENDER:F\r\nN:Muster;Anna;;Dr.;\r\n").await;
    let bob = world.add_partner("Bob <b>", "").await;
    let made = save(&world, "a", proto::TemplateFormat::Html, HTML, &FIELDS).await.unwrap();
    assert_eq!((made.state(), made.findings.len()), (proto::TemplateState::Ready, 0), "{:?}", made.findings);
    assert_eq!(made.format(), proto::TemplateFormat::Html);
    let wrong =
        proto::MessageRecipient { fields: Some(fields([("lines", text("x"))])), ..recipient("wrong", &bob) };
    let all = vec![
        recipient("anna", &anna),
        recipient("gone", "partners/none"),
        wrong,
        recipient("bob", &bob),
        recipient("nobody", ""),
    ];
    let outcomes = render(&world, request("templates/a", all)).await.unwrap();
    assert_eq!(outcomes.len(), 5);
    let anna = message(&outcomes["anna"]);
    assert_eq!((anna.subject.as_str(), anna.locale.as_str()), ("For Anna Muster", "de-AT"));
    assert!(
        anna.html.contains("<p style=\"color: red;\">Sehr geehrte Frau Dr. Muster,</p>"),
        "{}",
        anna.html
    );
    assert!(anna.html.contains("A &amp; B: ") && anna.html.contains("2,50"), "{}", anna.html);
    assert!(anna.html.contains("href=\"https://example.com/u?k=anna&amp;x=1\""), "{}", anna.html);
    assert!(
        anna.text.contains("- Desk: ") && anna.text.contains("leave (https://example.com/u?k=anna&x=1)"),
        "{}",
        anna.text
    );
    assert!(anna.text.contains("Kontor Ltd"), "{}", anna.text);
    let bob = message(&outcomes["bob"]);
    assert_eq!(bob.subject, "For Bob <b>");
    assert!(bob.html.contains("Bob &lt;b&gt;") && !bob.html.contains("<b>"), "{}", bob.html);
    let told = |key: &str| match &outcomes[key] {
        Outcome::Problem(problem) => problem.message.clone(),
        other => panic!("{other:?}"),
    };
    assert!(told("gone").contains("partners/none does not exist"), "{}", told("gone"));
    assert!(told("wrong").contains("fields.lines: it is a text"), "{}", told("wrong"));
    assert!(message(&outcomes["nobody"]).html.contains("Dear"), "{outcomes:?}");
}

async fn l7_the_directory_is_asked_once_for_all_recipients(world: World) {
    let mut recipients = Vec::new();
    for number in 0..20 {
        let partner = world.add_partner(&format!("Partner {number}"), "").await;
        recipients.push(recipient(&format!("k{number:02}"), &partner));
    }
    save(&world, "a", proto::TemplateFormat::Text, "Dear {{ partner.name }}", &[]).await.unwrap();
    let gets = |world: &World| world.asked.count("GetPartner") + world.asked.count("GetContact");
    let (one, batches) = (gets(&world), world.asked.count("BatchGetPartners"));
    let request = proto::RenderMessagesRequest { fields: None, ..request("templates/a", recipients) };
    let outcomes = render(&world, request).await.unwrap();
    assert_eq!(message(&outcomes["k07"]).text, "Dear Partner 7");
    assert_eq!((gets(&world), world.asked.count("BatchGetPartners")), (one, batches + 1));
}

async fn l7_a_template_says_what_it_is_or_is_told(world: World) {
    use proto::TemplateFormat::{Html, Mjml, Odt, Text, Unspecified};
    let mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>{{ partner.name }}</mj-text></mj-column></mj-section></mj-body></mjml>";
    for (id, given, content, wanted) in [
        ("a", Unspecified, "<!DOCTYPE html><p>a</p>", Html),
        ("b", Unspecified, mjml, Mjml),
        ("c", Html, "<p>a</p>", Html),
        ("d", Text, "<p>{{ partner.name }}</p>", Text),
    ] {
        let made = save(&world, id, given, content, &[]).await.unwrap();
        assert_eq!(
            (made.format(), made.state()),
            (wanted, proto::TemplateState::Ready),
            "{id} {:?}",
            made.findings
        );
    }
    for (given, content) in
        [(Unspecified, "<p>a</p>"), (Unspecified, "Dear"), (Odt, "<html></html>"), (Html, "a\0b")]
    {
        let refused = save(&world, "x", given, content, &[]).await;
        assert_eq!(failure(refused).0, Code::InvalidArgument, "{content:?}");
    }
    let reserved = [("message.x", proto::FieldKind::Text)];
    let refused = save(&world, "x", Text, "a", &reserved).await.unwrap_err();
    assert!(refused.message().contains("message is there already in messages"), "{}", refused.message());
    // A draft tells line and tag, and becomes ready; the format stays.
    let draft = save(&world, "e", Html, "<p>a</p>\n<p>{{ partner.nane }}</p>", &[]).await.unwrap();
    let finding = &draft.findings[0];
    assert_eq!(
        (
            draft.state(),
            finding.part.as_str(),
            finding.paragraph,
            finding.tag.as_str(),
            finding.suggestion.as_str()
        ),
        (proto::TemplateState::Draft, "html", 2, "{{ partner.nane }}", "partner.name")
    );
    let update = |format: proto::TemplateFormat, content: Vec<u8>| {
        let name = draft.name.clone();
        let template =
            proto::Template { name, format: format.into(), content: content.into(), ..Default::default() };
        sales().request(proto::UpdateTemplateRequest { template: Some(template), ..Default::default() })
    };
    let mut client = world.templates.clone();
    let ready = client
        .update_template(update(Unspecified, b"Dear {{ partner.name }}".to_vec()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((ready.state(), ready.format()), (proto::TemplateState::Ready, Html));
    for (format, content) in [(Text, b"a".to_vec()), (Unspecified, docx(&p("a")))] {
        let refused = client.update_template(update(format, content)).await.unwrap_err();
        assert!(refused.message().contains("keeps its format"), "{}", refused.message());
    }
    let list = proto::ListTemplatesRequest { filter: "format = MJML".to_owned(), ..Default::default() };
    let found = client.list_templates(sales().request(list)).await.unwrap().into_inner().templates;
    assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["templates/b"]);
    let check = proto::CheckTemplateRequest {
        content: "<p>{{ x }}".as_bytes().into(),
        format: Html.into(),
        ..Default::default()
    };
    let checked = client.check_template(sales().request(check)).await.unwrap().into_inner();
    assert_eq!((checked.findings.len(), checked.format()), (1, Html));
}

async fn check(world: &World, template: &str, subject: &str, text: &str) -> proto::CheckMessageResponse {
    let request = proto::CheckMessageRequest {
        template: template.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
    };
    let mut client = MessageServiceClient::new(world.link.clone());
    client.check_message(sales().request(request)).await.unwrap().into_inner()
}

async fn l7_a_message_is_checked_before_anything_is_sent(world: World) {
    save(&world, "a", proto::TemplateFormat::Html, HTML, &FIELDS).await.unwrap();
    let good = check(&world, "templates/a", "For {{ partner.name }}", "").await;
    assert_eq!((good.findings.len(), good.warnings.len()), (0, 0), "{good:?}");
    let wrong = check(&world, "templates/a", "For {{ partner.nane }}", "{% if x %}").await;
    let told: Vec<_> = wrong.findings.iter().map(|it| (it.part.as_str(), it.tag.as_str())).collect();
    assert_eq!(told, [("subject", "{{ partner.nane }}"), ("text", "{% if x %}")]);
    save(&world, "b", proto::TemplateFormat::Html, "<p>a<img src='https://example.com/a.png'></p>", &[])
        .await
        .unwrap();
    let warned = check(&world, "templates/b", " ", "").await;
    let told: Vec<_> = warned.warnings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(warned.findings, []);
    assert!(told[0].contains("no alt") && told[1].contains("no subject"), "{told:?}");
    assert!(told[2].contains("{{ message.unsubscribe_url }} stands nowhere"), "{told:?}");
    // In the text beside it, it is used.
    let used = check(&world, "templates/b", "x", "leave: {{ message.unsubscribe_url }}").await;
    assert!(!used.warnings.iter().any(|it| it.message.contains("unsubscribe")), "{used:?}");
    // A draft tells what CheckTemplate tells.
    save(&world, "c", proto::TemplateFormat::Html, "<script></script>", &[]).await.unwrap();
    let draft = check(&world, "templates/c", "x", "").await;
    assert_eq!(draft.findings[0].tag, "<script>");
    // And what is wrong beside it.
    let all = check(&world, "templates/c", "For {{ partner.nane }}", "{% if x %}").await;
    let told: Vec<_> = all.findings.iter().map(|it| (it.part.as_str(), it.tag.as_str())).collect();
    assert_eq!(told, [("html", "<script>"), ("subject", "{{ partner.nane }}"), ("text", "{% if x %}")]);
}

async fn l7_a_preview_shows_the_message_of_a_partner(world: World) {
    let anna = world.add_partner("Anna", "").await;
    let mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>Dear {{ partner.name }} <a href=\"{{ message.view_url }}\">x</a></mj-text></mj-column></mj-section></mj-body></mjml>";
    save(&world, "a", proto::TemplateFormat::Mjml, mjml, &[]).await.unwrap();
    let ask = |pdf| proto::PreviewLetterRequest {
        name: "templates/a".to_owned(),
        partner: anna.clone(),
        pdf,
        ..Default::default()
    };
    let mut client = world.templates.clone();
    let shown = client.preview_letter(sales().request(ask(false))).await.unwrap().into_inner();
    let html = String::from_utf8(shown.content.to_vec()).unwrap();
    assert_eq!(shown.media_type, "text/html; charset=utf-8");
    assert!(html.contains("Dear Anna") && html.contains("https://example.com/view"), "{html}");
    assert_eq!(failure(client.preview_letter(sales().request(ask(true))).await).0, Code::InvalidArgument);
}

async fn l7_an_old_revision_makes_its_own_messages(world: World) {
    save(&world, "a", proto::TemplateFormat::Text, "One {{ partner.name }}", &[]).await.unwrap();
    let template = proto::Template {
        name: "templates/a".to_owned(),
        content: "Two".as_bytes().into(),
        ..Default::default()
    };
    let update = proto::UpdateTemplateRequest { template: Some(template), ..Default::default() };
    world.templates.clone().update_template(sales().request(update)).await.unwrap();
    for (name, wanted) in
        [("templates/a/revisions/1", "One "), ("templates/a", "Two"), ("templates/a/revisions/2", "Two")]
    {
        let request =
            proto::RenderMessagesRequest { fields: None, ..request(name, vec![recipient("k", "")]) };
        assert_eq!(message(&render(&world, request).await.unwrap()["k"]).text, wanted);
    }
}

async fn l7_messages_and_letters_are_not_mixed_up(world: World) {
    world.add_template("letter", docx(&p("x")), &[]).await;
    save(&world, "message", proto::TemplateFormat::Text, "x", &[]).await.unwrap();
    let refused = render(&world, request("templates/letter", vec![recipient("k", "")])).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "NOT_A_MESSAGE".to_owned()));
    let merge = proto::CreateMergeRequest {
        template: "templates/message".to_owned(),
        rows: vec![Default::default()],
        ..Default::default()
    };
    assert_eq!(failure(world.try_merge(merge).await), (Code::FailedPrecondition, "NOT_A_LETTER".to_owned()));
}

async fn l7_wrong_requests_name_the_field(world: World) {
    save(&world, "a", proto::TemplateFormat::Html, "<p>x</p>", &[]).await.unwrap();
    save(&world, "t", proto::TemplateFormat::Text, "x", &[]).await.unwrap();
    let good = |template: &str| proto::RenderMessagesRequest {
        fields: None,
        ..request(template, vec![recipient("k", "")])
    };
    let mut cases = Vec::new();
    let mut case = |field: &'static str, change: &dyn Fn(&mut proto::RenderMessagesRequest)| {
        let mut request = good("templates/a");
        change(&mut request);
        cases.push((field, request));
    };
    case("recipients", &|it| it.recipients.clear());
    case("recipients", &|it| it.recipients = (0..101).map(|n| recipient(&n.to_string(), "")).collect());
    case("recipients[1].key", &|it| it.recipients.push(recipient("k", "")));
    case("recipients[0].key", &|it| it.recipients[0].key.clear());
    case("recipients[0].partner", &|it| it.recipients[0].partner = "x".to_owned());
    case("recipients[0].unsubscribe_url", &|it| it.recipients[0].unsubscribe_url = "javascript:x".to_owned());
    case("recipients[0].view_url", &|it| it.recipients[0].view_url = "mailto:a@example.com".to_owned());
    case("recipients[0].locale", &|it| it.recipients[0].locale = "xx".to_owned());
    case("subject", &|it| it.subject = "a\nBcc: b".to_owned());
    case("subject", &|it| it.subject = "{{ partner.nane }}".to_owned());
    case("text", &|it| it.text = "{% for x %}".to_owned());
    case("template", &|it| it.template = "x".to_owned());
    case("sender", &|it| it.sender = "users/other".to_owned());
    for (field, request) in cases {
        let refused = render(&world, request).await.unwrap_err();
        if field == "sender" {
            assert_eq!(refused.code(), Code::PermissionDenied);
            continue;
        }
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused}");
        assert!(refused.message().starts_with(&format!("{field}: ")), "{field}: {}", refused.message());
    }
    let both = proto::RenderMessagesRequest { text: "y".to_owned(), ..good("templates/t") };
    assert!(render(&world, both).await.unwrap_err().message().contains("leave the text away"));
    // A field of a recipient can't make a second line of the subject.
    let partner = world.add_partner("Ann", "").await;
    let rename = directory::UpdatePartnerRequest {
        partner: Some(directory::Partner {
            name: partner.clone(),
            organization: "A\r\nBcc: b".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let renamed =
        PartnerServiceClient::new(world.directory.clone()).update_partner(admin().request(rename)).await;
    let organization = renamed.map_or("".to_owned(), |it| it.into_inner().organization);
    let mut odd = good("templates/a");
    odd.subject = "x {{ partner.organization }}".to_owned();
    odd.recipients[0].partner = partner;
    let subject = message(&render(&world, odd).await.unwrap()["k"]).subject.clone();
    assert!(!subject.contains(['\r', '\n']), "{subject:?} {organization:?}");
}

async fn l7_only_who_sees_the_template_makes_messages(world: World) {
    save(&world, "a", proto::TemplateFormat::Text, "{{ user.name }} {{ user.login }}", &[]).await.unwrap();
    let user = directory::CreateUserRequest {
        user: Some(directory::User { display_name: "Erika".to_owned(), ..Default::default() }),
        user_id: "erika".to_owned(),
        password: "a long password".to_owned(),
        ..Default::default()
    };
    UserServiceClient::new(world.directory.clone()).create_user(admin().request(user)).await.unwrap();
    let mut client = MessageServiceClient::new(world.link.clone());
    let ask = || proto::RenderMessagesRequest {
        sender: "users/erika".to_owned(),
        fields: None,
        ..request("templates/a", vec![recipient("k", "")])
    };
    let stranger = client.render_messages(neighbour().request(ask())).await;
    assert_eq!(failure(stranger).0, Code::NotFound);
    let mut stream = client.render_messages(admin().request(ask())).await.unwrap().into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(message(&answer.result.unwrap()).text, "Erika erika");
}
