//! Messages as the engine makes them: HTML, MJML and plain text, without a service.

use crate::limits::cpu_seconds;
use kontor_templating::domain::message::{self, limits, with_own_fields};
use kontor_templating::domain::{
    Fields, Finding, Format, Kind, Letter, Locale, Message, Money, Record, Snippet, Value,
};

fn fields() -> Fields {
    let own = Fields::new()
        .group("partner", Fields::new().with("name", Kind::Text).with("email", Kind::Text))
        .group(
            "deal",
            Fields::new().with("total", Kind::Money).with("color", Kind::Text).with("url", Kind::Text),
        )
        .list("lines", Fields::new().with("title", Kind::Text).with("price", Kind::Money))
        .with("vip", Kind::Bool);
    with_own_fields(own, true)
}

fn euro(amount: &str) -> Value {
    Value::Money(Money { amount: amount.parse().unwrap(), currency: "EUR".into() })
}

fn data(name: &str, color: &str, url: &str) -> Record {
    let line = |title: &str, price: &str| {
        Value::Record(Record::new().with("title", title).with("price", euro(price)))
    };
    Record::new()
        .with("partner", Value::Record(Record::new().with("name", name).with("email", "a+b@example.com")))
        .with(
            "deal",
            Value::Record(Record::new().with("total", euro("1250.5")).with("color", color).with("url", url)),
        )
        .with("lines", Value::List(vec![line("Desk", "1000"), line("Chair <1>", "250.5")]))
        .with("vip", true)
        .with(
            "message",
            Value::Record(
                Record::new()
                    .with("unsubscribe_url", "https://example.com/u?x=1&y=2")
                    .with("view_url", "https://example.com/v"),
            ),
        )
}

fn compile(format: Format, source: &str) -> Result<Message, Vec<Finding>> {
    Message::compile(format, source.as_bytes(), &limits())
}

fn findings(format: Format, source: &str) -> Vec<String> {
    match compile(format, source) {
        Ok(message) => message.check(&fields()),
        Err(findings) => findings,
    }
    .iter()
    .map(ToString::to_string)
    .collect()
}

fn made_of(message: &Message, record: &Record, locale: &str) -> Result<message::Made, String> {
    let subject = Snippet::subject("Hello {{ partner.name }}").unwrap();
    let locale = Locale::parse(locale).unwrap();
    let now = "2026-11-30T12:00:00".parse().unwrap();
    let letter = Letter { records: std::slice::from_ref(record), locale, now, number: 1 };
    message.make(&subject, None, letter).map(Option::unwrap).map_err(|finding| finding.to_string())
}

fn made(format: Format, source: &str) -> message::Made {
    let message = compile(format, source).unwrap_or_else(|findings| panic!("{findings:?}"));
    assert_eq!(message.check(&fields()), []);
    made_of(&message, &data("Ann & \"Bob\" <x>", "#ff0000", "https://example.com/d"), "de-DE").unwrap()
}

#[test]
fn l7_fields_are_written_by_the_place_where_they_stand() {
    let html = made(
        Format::Html,
        "<p title=\"{{ partner.name }}\" style='color: {{ deal.color }}'>Dear {{ partner.name }}, {{ deal.total }}
<a href=\"{{ deal.url }}?m={{ partner.email }}\">x</a> <a href='mailto:{{ partner.email }}'>y</a>
<a href=\"{{ message.unsubscribe_url }}\">z</a></p>",
    )
    .html;
    assert!(
        html.starts_with("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body><p "),
        "{html}"
    );
    assert!(html.contains("title=\"Ann &amp; &quot;Bob&quot; &lt;x&gt;\""), "{html}");
    assert!(html.contains("style=\"color: #ff0000\""), "{html}");
    assert!(html.contains("Dear Ann &amp; &quot;Bob&quot; &lt;x&gt;, 1.250,50\u{a0}€"), "{html}");
    assert!(
        html.contains("href=\"https://example.com/d?m=a%2Bb%40example.com\"")
            || html.contains("?m=a%2Bb@example.com\""),
        "{html}"
    );
    assert!(html.contains("href=\"mailto:a+b@example.com\""), "{html}");
    assert!(html.contains("href=\"https://example.com/u?x=1&amp;y=2\""), "{html}");
}

#[test]
fn l7_a_value_that_fits_no_address_or_style_makes_no_message() {
    let source = "<p style=\"color: {{ deal.color }}\"><a href=\"{{ deal.url }}\">x</a></p>";
    let message = compile(Format::Html, source).unwrap();
    for (color, url, wanted) in [
        ("red", "javascript:alert(1)", "html, paragraph 1, {{ deal.url }}: an address begins with"),
        ("red", "data:text/html,x", "an address begins with"),
        ("red;background:url(x)", "https://example.com", "{{ deal.color }}: in a style"),
    ] {
        let told = made_of(&message, &data("Ann", color, url), "en").unwrap_err();
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn l7_an_empty_field_leaves_no_scheme_to_the_next() {
    let whole = |address: &str| compile(Format::Html, &format!("<a href=\"{address}\">x</a>")).unwrap();
    for address in [
        "{{ deal.url }}{{ partner.name }}",
        " {{ deal.url }} {{ partner.name }}",
        "{% for line in lines %}{{ deal.url }}{{ partner.name }}{% endfor %}",
        "{% if vip %}{{ deal.url }}{% else %}https://example.com/?{% endif %}{{ partner.name }}",
        "{{ deal.url }}{% if not vip %}?{% endif %}{{ partner.name }}",
    ] {
        for bad in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "evil"] {
            let told = made_of(&whole(address), &data(bad, "", ""), "en").unwrap_err();
            assert!(told.contains("an address begins with"), "{address} {bad}: {told}");
        }
    }
    for (address, name, url, wanted) in [
        ("{{ deal.url }}j{{ partner.name }}", "avascript:x", "", "javascript%3Ax"),
        ("{{ deal.url }}/{{ partner.name }}", "/evil.example", "", "/%2Fevil.example"),
        ("{{ deal.url }}{{ partner.name }}", "https://example.com/b", "", "https://example.com/b"),
        ("{{ deal.url }}/{{ partner.name }}", "a/b", "https://example.com", "https://example.com/a/b"),
        ("https://{{ partner.name }}/", "example.com:8080", "", "https://example.com:8080/"),
    ] {
        let html = made_of(&whole(address), &data(name, "", url), "en").unwrap().html;
        assert!(html.contains(&format!("href=\"{wanted}\"")), "{address}: {html}");
    }
}

#[test]
fn l7_loops_and_conditions_hold_rows_and_items() {
    let source = "<table><tr><th>What</th><th>Price</th></tr>
{% for line in lines %}<tr><td>{{ line.title }}<td>{{ line.price }}{% endfor %}
{% if vip %}<tr><td colspan=2>{{ deal.total | money }}</td></tr>{% else %}<tr><td>no</td></tr>{% endif %}</table>
<ol>{% for line in lines %}<li>{{ line.title }}{% endfor %}</ol><ul><li>a<li>b</ul>";
    let made = made(Format::Html, source);
    assert!(made.html.contains("<td>Chair &lt;1&gt;</td><td>250,50\u{a0}€</td></tr>"), "{}", made.html);
    assert!(made.html.contains("<li>Desk</li><li>Chair &lt;1&gt;</li></ol>"), "{}", made.html);
    assert_eq!(
        made.text,
        "What | Price\nDesk | 1.000,00\u{a0}€\nChair <1> | 250,50\u{a0}€\n1.250,50\u{a0}€\n\n1. Desk\n2. Chair <1>\n\n- a\n- b\n"
    );
}

#[test]
fn l7_styles_are_written_into_the_elements_once() {
    let source = "<html><head><style>p { color: red; margin: 0 } .a, #b > b { font-weight: bold }
@media (max-width: 600px) { p { color: blue !important } } p:hover { color: green } td p { color: black !important }</style></head>
<body><p class='x a' style='margin: 1px'>{{ partner.name }}</p><div id=b><b>x</b></div><table><tr><td><p style='color:white'>y</p></td></tr></table></body></html>";
    let html = made(Format::Html, source).html;
    assert!(
        html.contains("<p class=\"x a\" style=\"color: red; font-weight: bold; margin: 1px\">"),
        "{html}"
    );
    assert!(html.contains("<b style=\"font-weight: bold;\">"), "{html}");
    assert!(html.contains("<p style=\"margin: 0; color: black !important; color:white\">"), "{html}");
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert_eq!(style, "@media (max-width: 600px) { p { color: blue !important } }\np:hover { color: green }");
    assert!(html.contains("<head><meta charset=\"utf-8\">"), "{html}");
}

#[test]
fn l7_styles_keep_the_order_and_the_quotes_of_their_source() {
    let source = "<style>p { margin-top: 5px; margin: 0; font-family: \"O'Neil\", serif }</style><p>x</p>";
    let html = made(Format::Html, source).html;
    let wanted = "<p style=\"margin-top: 5px; margin: 0; font-family: &quot;O'Neil&quot;, serif;\">";
    assert!(html.contains(wanted), "{html}");
    // The later one of a property counts, at its place.
    let source = "<style>p { margin: 0; margin-top: 5px; margin: 1px }</style><p style='top: 0'>x</p>";
    let html = made(Format::Html, source).html;
    assert!(html.contains("<p style=\"margin-top: 5px; margin: 1px; top: 0\">"), "{html}");
}

#[test]
fn l7_the_plain_text_follows_from_the_html() {
    let source = "<body><div style='display:none'>preheader</div><h1>News &amp; more</h1><p>Dear   {{ partner.name }},<br>see
<a href='https://example.com/a'>our page</a> or <a href='https://example.com'>https://example.com</a>.
<a href='{{ message.view_url }}'>{{ message.view_url }}</a> <a href='mailto:x@example.com'>x@example.com</a></p>
<img src='https://example.com/l.png' alt='Logo'><hr><ul><li>one <b>two</b><ol><li>in</li></ol></li></ul><p>{% if not vip %}no{% endif %}</p>
<a href='{{ message.unsubscribe_url }}'>leave</a></body>";
    assert_eq!(
        made(Format::Html, source).text,
        "News & more\n\nDear Ann & \"Bob\" <x>,\nsee our page (https://example.com/a) or https://example.com. \
         https://example.com/v x@example.com\n\nLogo\n\n----------\n\n- one two\n  1. in\n\nleave (https://example.com/u?x=1&y=2)\n"
    );
}

#[test]
fn l7_addresses_in_plain_text_lead_where_those_of_the_html_lead() {
    let source = "<p><a href='https://example.com/{{ partner.name }}?q={{ partner.name }}'>here</a> \
                  <a href='{{ message.view_url }}'>there</a></p>";
    let made = made(Format::Html, source);
    let name = "Ann%20%26%20%22Bob%22%20%3Cx%3E";
    let address = format!("https://example.com/{name}?q={name}");
    assert!(made.html.contains(&address), "{}", made.html);
    assert_eq!(made.text, format!("here ({address}) there (https://example.com/v)\n"));
}

/// Whatever the blocks and fields of an address come to, both parts of a message lead to the same place.
#[test]
fn l7_conditions_in_addresses_hold_in_plain_text_as_in_html() {
    let name = "a:b/c?d=e&f g+h";
    for (address, url, wanted) in [
        (
            "https://x.example/{% if vip %}vip{% else %}all?for={{ partner.name }}{% endif %}",
            "",
            "https://x.example/vip",
        ),
        (
            "https://x.example/{% if not vip %}?q=1{% else %}{{ partner.name }}{% endif %}",
            "",
            "https://x.example/a:b/c%3Fd%3De%26f%20g+h",
        ),
        (
            "https://x.example/{% if not vip %}p{% elif vip %}?q={{ partner.name }}{% endif %}",
            "",
            "https://x.example/?q=a%3Ab%2Fc%3Fd%3De%26f%20g%2Bh",
        ),
        // What comes behind is as careful as the most careful arm.
        (
            "https://x.example/{% if vip %}p/{% else %}?q={% endif %}{{ partner.name }}",
            "",
            "https://x.example/p/a%3Ab%2Fc%3Fd%3De%26f%20g%2Bh",
        ),
        (
            "{{ deal.url }}/{{ partner.name }}",
            "https://x.example",
            "https://x.example/a%3Ab/c%3Fd%3De%26f%20g+h",
        ),
        ("{% if vip %}{{ deal.url }}{% endif %}", "https://x.example/a?b=c", "https://x.example/a?b=c"),
        (
            "https://x.example/{% for line in lines %}{{ line.title }}{% if not loop.last %}?{% endif %}{% endfor %}",
            "",
            "https://x.example/Desk?Chair%20%3C1%3E",
        ),
    ] {
        let source = format!("<p>x <a href=\"{address}\">there</a>.</p>");
        let message = compile(Format::Html, &source);
        let message = message.unwrap_or_else(|findings| panic!("{address}: {findings:?}"));
        let made = made_of(&message, &data(name, "", url), "en").unwrap();
        assert!(made.html.contains(&format!("href=\"{wanted}\"")), "{address}: {}", made.html);
        assert_eq!(made.text, format!("x there ({wanted}).\n"), "{address}");
    }
    // One that comes to nothing is none.
    for address in [
        "{{ deal.url }}",
        "{% if not vip %}https://x.example{% endif %}",
        "{{ deal.url }}{% if not vip %}/a{% endif %}",
    ] {
        let source = format!("<p>x <a href=\"{address}\">there</a>.</p>");
        let made = made_of(&compile(Format::Html, &source).unwrap(), &data(name, "", ""), "en").unwrap();
        assert!(made.html.contains("href=\"\""), "{address}: {}", made.html);
        assert_eq!(made.text, "x there.\n", "{address}");
    }
}

#[test]
fn l7_plain_text_templates_have_no_lines_for_blocks() {
    let source = "Dear {{ partner.name }},\r\n{% for line in lines %}\n* {{ line.title }}: {{ line.price }}\n{% endfor %}\n{# a note #}\nBye";
    let made = made(Format::Text, source);
    assert_eq!(made.html, "");
    assert_eq!(
        made.text,
        "Dear Ann & \"Bob\" <x>,\n* Desk: 1.000,00\u{a0}€\n* Chair <1>: 250,50\u{a0}€\n\nBye"
    );
    assert_eq!(made.subject, "Hello Ann & \"Bob\" <x>");
}

#[test]
fn l7_mjml_is_compiled_and_its_fields_survive() {
    let source = "<mjml><mj-head><mj-title>{{ partner.name }}</mj-title><mj-preview>For {{ partner.name }}</mj-preview>
<mj-attributes><mj-all font-family=\"Arial\"/></mj-attributes><mj-style inline=\"inline\">.big { font-size: 30px }</mj-style></mj-head>
<mj-body><mj-section><mj-column><mj-text color=\"{{ deal.color }}\">Dear <b class=\"big\">{{ partner.name }}</b> &amp; co</mj-text>
<mj-button href=\"{{ deal.url }}\">{{ deal.total }}</mj-button>
<mj-table><tr><th>a</th></tr>{% for line in lines %}<tr><td>{{ line.title }}</td></tr>{% endfor %}</mj-table></mj-column></mj-section>
{% for line in lines %}<mj-section><mj-column><mj-text>{{ loop.index }} {{ line.title }}</mj-text></mj-column></mj-section>{% endfor %}
{% if vip %}<mj-section><mj-column><mj-text>VIP <a href=\"{{ message.unsubscribe_url }}\">leave</a></mj-text></mj-column></mj-section>{% endif %}
</mj-body></mjml>";
    let made = made(Format::Mjml, source);
    let html = &made.html;
    assert!(html.to_ascii_lowercase().starts_with("<!doctype html>"), "{html}");
    assert!(html.contains("<title>Ann &amp; &quot;Bob&quot; &lt;x&gt;</title>"), "{html}");
    assert!(
        html.contains(
            "<b class=\"big\" style=\"font-size: 30px;\">Ann &amp; &quot;Bob&quot; &lt;x&gt;</b> &amp; co"
        ),
        "{html}"
    );
    assert!(html.contains("color:#ff0000"), "{html}");
    assert!(html.contains("href=\"https://example.com/d\""), "{html}");
    assert!(html.contains("<td>Chair &lt;1&gt;</td>"), "{html}");
    assert!(html.contains(">1 Desk<") && html.contains(">2 Chair &lt;1&gt;<"), "{html}");
    assert!(!html.contains("fonts.googleapis.com") && !html.contains('\u{e000}'), "{html}");
    // What Outlook reads is whole: a table for each section.
    let outlook: String = html
        .split("<!--[if mso | IE]>")
        .skip(1)
        .filter_map(|piece| piece.split_once("<![endif]-->").map(|(inner, _)| inner))
        .collect();
    for (begin, end) in [("<table", "</table>"), ("<tr>", "</tr>"), ("<td", "</td>")] {
        assert_eq!(outlook.matches(begin).count(), outlook.matches(end).count(), "{outlook}");
    }
    assert!(outlook.matches("<table").count() >= 8, "{outlook}");
    assert!(
        made.text.contains("1 Desk\n") && made.text.contains("leave (https://example.com/u?x=1&y=2)"),
        "{}",
        made.text
    );
    assert!(!made.text.contains("For Ann"), "{}", made.text);
}

#[test]
fn l7_what_mail_programs_drop_is_told_with_its_line() {
    for (source, wanted) in [
        ("<p>a</p>\n<script>x</script>", "html, paragraph 2, <script>: mail programs run no scripts"),
        ("<p onclick=\"x\">a</p>", "html, paragraph 1, <p onclick>: mail programs run no scripts"),
        ("<form action='https://example.com'><input></form>", "<form>: mail programs take forms away"),
        ("<link rel=stylesheet href='https://example.com/a.css'>", "<link>: mail programs load no styles"),
        ("<style>@import url(https://example.com/a.css);</style>", "<style>: mail programs load no styles"),
        ("<iframe src='https://example.com'></iframe>", "<iframe>: mail programs take it away"),
        ("<style>p{color:red};q{color:blue}</style>", "<style>: a ; stands before \";q\": take it out"),
        ("<style>p { color: {{ deal.color }} }</style>", "no field may stand in <style>"),
        ("<p>a</p><!-- {{ partner.name }} -->", "no field may stand in a comment"),
        ("<!--[if mso]><script>x</script><![endif]--><p>a</p>", "take the comment out"),
        ("<p>a</p><!--{{ partner.name }}-->", "no field may stand in a comment"),
        ("<!--><img src='x' onerror='y'>[if x]-->", "read in different ways"),
        ("<!--[if x]--!><img src='x' onerror='y'>-->", "read in different ways"),
        ("<p {{ partner.name }}>a</p>", "a field stands outside of quotes"),
        ("<a href=\"javascript:x\">a</a>", "an address begins with http:"),
        ("<a href=\"java{{ deal.url }}\">a</a>", "an address begins with http:"),
        ("<img src=\"logo.png\">", "an address begins with http:"),
        ("<p style=\"width: expression(1)\">a</p>", "a style may hold no script"),
    ] {
        let told = findings(Format::Html, source);
        assert!(told.iter().any(|it| it.contains(wanted)), "{source}: {told:?}");
    }
}

#[test]
fn l7_broken_html_is_told_where_readers_would_guess() {
    for (source, wanted) in [
        ("<div><p>a</div>\n</div>", "paragraph 2: </div> closes nothing"),
        ("<div>\n<b>a</div>", "</div> stands before the end of <b> of line 2"),
        ("<p>a<div>b</div>", ""),
        ("<p><b>a<div>b</div></b></p>", "<div> can't stand in <p>"),
        (
            "<a href='https://a.example'><b><a href='https://b.example'>x</a></b></a>",
            "<a> can't stand in <a>",
        ),
        ("<table><tr>{{ partner.name }}</tr></table>", "in <tr> fields stand in cells only"),
        ("<table><tr>a</tr></table>", "text stands in cells only"),
        ("<table><div>a</div></table>", "<div> can't stand right in <table>"),
        ("<td>a</td>", "<td> stands in no table"),
        ("<div/>", "HTML does not close it by />"),
        ("<p title=a{{ partner.name }}>x</p>", "write the value of title in quotes"),
        ("<p>a < b</p>", "a lone < begins no element"),
        ("<p>{% for a in lines %}</p><p>{% endfor %}</p>", "{% for a in lines %}: the block is not closed"),
        ("<p>{% endif %}</p>", "{% endif %}: no block is open here"),
        ("<p>{{ partner.name</p>", "the tag does not end"),
        ("<p>{{ partner.nane }}</p>", "there is no field partner.nane; the nearest is partner.name"),
        ("<p>{% next %}</p>", "there is no next record"),
    ] {
        let told = findings(Format::Html, source);
        if wanted.is_empty() {
            assert_eq!(told, Vec::<String>::new(), "{source}");
        } else {
            assert!(told.iter().any(|it| it.contains(wanted)), "{source}: {told:?}");
        }
    }
}

#[test]
fn l7_mjml_that_reads_from_elsewhere_or_is_broken_is_told() {
    let whole = |body: &str| format!("<mjml><mj-body>\n{body}</mj-body></mjml>");
    for (source, wanted) in [
        (whole("<mj-include path=\"/etc/passwd\" />"), "mjml, paragraph 2, <mj-include>: nothing is read from elsewhere"),
        (whole("<mj-section>{{ partner.name }}</mj-section>"), "a field stands in a text, not right in <mj-section>"),
        (whole("<mj-section><mj-column><mj-text>a</mj-column></mj-section>"), "</mj-column> stands before the end of <mj-text>"),
        (whole("<mj-colum></mj-colum>"), "<mj-colum>: MJML has no such element; the nearest is <mj-column>"),
        (whole("<mj-raw><script>x</script></mj-raw>"), "<script>: mail programs run no scripts"),
        ("<p>x</p>".to_owned(), "it does not begin with <mjml>"),
        ("<mjml><mj-head><mj-font name=\"R\" href=\"https://example.com/r.css\" /></mj-head><mj-body></mj-body></mjml>".to_owned(), ""),
    ] {
        let told = findings(Format::Mjml, &source);
        assert!(wanted.is_empty() || told.iter().any(|it| it.contains(wanted)), "{source}: {told:?}");
    }
}

#[test]
fn l7_a_recipient_may_be_left_out() {
    let message = compile(Format::Html, "<p>{% skip if not partner.email %}x</p>").unwrap();
    let subject = Snippet::subject("x").unwrap();
    let locale = Locale::parse("en").unwrap();
    let now = "2026-11-30T12:00:00".parse().unwrap();
    for (email, left_out) in [("a@example.com", false), ("", true)] {
        let record = Record::new().with("partner", Value::Record(Record::new().with("email", email)));
        let letter = Letter { records: std::slice::from_ref(&record), locale, now, number: 1 };
        assert_eq!(message.make(&subject, None, letter).unwrap().is_none(), left_out);
    }
}

#[test]
fn l9_hostile_messages_end_soon() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let sources = [
        (Format::Html, many("<div>", 100_000)),
        (Format::Html, many("<b>", 90) + &many("<p>x", 100_000)),
        (Format::Html, format!("<table>{}</table>", many("<tr><td>x", 90_000))),
        (Format::Html, format!("<p {}>x</p>", many("a=b ", 200_000))),
        (Format::Html, format!("<p {}>x</p>", (0..100_000).map(|n| format!("a{n}=b ")).collect::<String>())),
        (
            Format::Html,
            format!("<style>{}</style>{}", many("* * * * a{color:red}", 20_000), many("<p>x</p>", 15_000)),
        ),
        (Format::Html, format!("<style>*{{x:{}}}</style>{}", many("y", 500_000), many("<p>x</p>", 15_000))),
        (
            Format::Html,
            format!("<style>{}</style>{}", many("a+a+a+a{color:red}", 4_000), many("<a>x</a>", 15_000)),
        ),
        (
            Format::Html,
            format!(
                "<style>{}</style>{}{}",
                many("p:first-child{color:red}", 250),
                many("<!--[if -->", 45_000),
                many("<p>x</p>", 19_000)
            ),
        ),
        (
            Format::Html,
            format!(
                "<style>{}.b{{color:red}}</style><p class='{}'>x</p>",
                many(".b,", 170_000),
                many("a ", 200_000)
            ),
        ),
        (
            Format::Html,
            format!("<style>{}*{{color:red}}</style>{}", many("*,", 400_000), many("<p>x</p>", 19_000)),
        ),
        (Format::Html, format!("<style>p{{{}}}</style>{}", many("a:b;", 200_000), many("<p>x</p>", 19_000))),
        // Only the script in it is wrong: its styles are written into it before.
        (Format::Html, {
            let own =
                |letter: char| (0..50_000).map(move |n| format!("{letter}{n:05}:b;")).collect::<String>();
            format!("<style>p{{{}}}</style><p style='{}'>x</p><script></script>", own('a'), own('z'))
        }),
        (Format::Html, many("\u{e000}", 340_000)),
        (Format::Html, many("{{ partner.name }}", 50_000)),
        (Format::Html, many("{% if a %}", 50_000)),
        (Format::Html, many("<!--", 200_000)),
        (Format::Html, format!("<style>{}", many("@media x {", 50_000))),
        (Format::Html, "x".repeat((1 << 20) + 1)),
        (Format::Mjml, many("<mjml>", 100_000)),
        (Format::Mjml, format!("<mjml><mj-body>{}</mj-body></mjml>", many("<mj-section>", 20_000))),
        (
            Format::Mjml,
            format!("<mjml><mj-body>{}</mj-body></mjml>", many("<mj-section></mj-section>", 20_000)),
        ),
        (
            Format::Mjml,
            format!(
                "<mjml><mj-head><mj-attributes><mj-all font-family=\"{}\" /></mj-attributes></mj-head><mj-body>{}</mj-body></mjml>",
                many("x", 4_000),
                many("<mj-section><mj-column><mj-text>a</mj-text></mj-column></mj-section>", 900)
            ),
        ),
        (
            Format::Mjml,
            format!(
                "<mjml><mj-body><mj-section><mj-column><mj-carousel>{}</mj-carousel></mj-column></mj-section></mj-body></mjml>",
                many("<mj-carousel-image src=\"https://example.com/a.png\" />", 2_000)
            ),
        ),
        (Format::Text, many("{{", 500_000)),
        (Format::Text, many("{% for a in lines %}", 50_000)),
    ];
    for (number, (format, source)) in sources.into_iter().enumerate() {
        let begin = cpu_seconds();
        assert!(compile(format, &source).is_err(), "{number}: {}", &source[..60]);
        // A debug build is several times slower than what people run.
        let spent = cpu_seconds() - begin;
        assert!(spent < if cfg!(debug_assertions) { 20.0 } else { 2.0 }, "{number}: {spent} s");
    }
}

#[test]
fn l9_a_word_of_ours_in_a_source_costs_nothing() {
    let source = format!(
        "<mjml><mj-body><mj-section><mj-column><mj-text color=\"{{{{ deal.color }}}}\">kontor-field-x1-{{{{ partner.name }}}}
kontor-field-xx2- kontor-field-{}</mj-text></mj-column></mj-section></mj-body></mjml>",
        "x".repeat(400_000)
    );
    let begin = cpu_seconds();
    let html = made(Format::Mjml, &source).html;
    let spent = cpu_seconds() - begin;
    assert!(spent < if cfg!(debug_assertions) { 20.0 } else { 2.0 }, "{spent} s");
    assert!(html.contains("color:#ff0000"), "{}", &html[..2_000]);
    assert!(html.contains("kontor-field-x1-Ann") && html.contains("kontor-field-xx2- kontor-field-xxx"));
}

#[test]
fn l9_a_message_has_at_most_1_mib() {
    let message = compile(Format::Text, "{{ partner.name }}{{ partner.name }}").unwrap();
    let told = |size: usize| made_of(&message, &data(&"x".repeat(size), "", ""), "en");
    assert_eq!(told(500_000).unwrap().text.len(), 1_000_000);
    let finding = told(600_000).unwrap_err();
    assert!(finding.contains("more than 1048576 bytes"), "{finding}");
}
