//! Tags in small templates written by hand: split runs, blocks at every level, values that need care.

use kontor_templating::domain::{Record, Value};

use crate::support::{
    compile, docx, docx_of, letter, odt, office, p, paragraphs, part, record, render, word,
};

fn names(names: &[&str]) -> Record {
    record().with("names", names.to_vec())
}

#[test]
fn l1_a_field_split_over_runs_keeps_the_first_runs_properties() {
    let body = "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Dear {</w:t></w:r><w:proofErr w:type=\"spellStart\"/><w:r w:rsidR=\"1\"><w:t>{ partner</w:t></w:r>\
        <w:bookmarkStart w:id=\"0\" w:name=\"x\"/><w:ins w:id=\"9\" w:author=\"a\"><w:r><w:t>.name</w:t></w:r></w:ins><w:del w:id=\"8\" w:author=\"a\"><w:r><w:delText>old</w:delText></w:r></w:del>\
        <w:r><w:tab/><w:t> }</w:t></w:r><w:commentRangeEnd w:id=\"3\"/><w:r><w:rPr><w:i/></w:rPr><w:t>}!</w:t></w:r><w:bookmarkEnd w:id=\"0\"/></w:p>";
    let made = part(&render(&docx(body), &record(), "en"), "word/document.xml");
    assert_eq!(paragraphs(&made), ["Dear Anna Müller & Söhne <AG>!"]);
    assert!(made.contains("<w:r><w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\">Dear Anna M"), "{made}");
    assert!(made.contains("<w:rPr><w:i/></w:rPr><w:t xml:space=\"preserve\">!</w:t>"), "{made}");
    assert!(
        made.contains("<w:delText>old</w:delText>")
            && made.contains("w:name=\"x\"")
            && !made.contains("<w:tab/>"),
        "{made}"
    );
}

#[test]
fn l1_quotes_and_spaces_as_word_writes_them_are_understood() {
    let body =
        p("{{ deal.until | date(“d MMMM yyyy”) }}, {{ deal.until\u{a0}| date(‚yyyy‘) }}, {{ \"it’s\" }}");
    assert_eq!(word(&body, &record()), ["24 December 2026, 2026, it’s"]);
}

#[test]
fn l1_blocks_repeat_runs_paragraphs_rows_and_items() {
    let inline = "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>[{% for n in names %}</w:t></w:r><w:r><w:rPr><w:i/></w:rPr><w:t>{{ n }}</w:t></w:r><w:r><w:t>{% if not loop.last %}, {% endif %}{% endfor %}]</w:t></w:r></w:p>";
    assert_eq!(word(inline, &names(&["a", "b", "c"])), ["[a, b, c]"]);
    let blocks = [
        p("{% for n in names %}"),
        p("{{ loop.index }}/{{ loop.length }} {{ n }}"),
        p("{% else %}"),
        p("none"),
        p("{% endfor %}"),
    ]
    .concat();
    assert_eq!(word(&blocks, &names(&["a", "b"])), ["1/2 a", "2/2 b"]);
    assert_eq!(word(&blocks, &names(&[])), ["none"]);
    let cell = |text: &str| format!("<w:tc><w:tcPr/>{}</w:tc>", p(text));
    let row =
        |cells: &[&str]| format!("<w:tr>{}</w:tr>", cells.iter().map(|text| cell(text)).collect::<String>());
    let rows = format!(
        "<w:tbl><w:tblPr/>{}{}{}{}</w:tbl>",
        row(&["{% for n in names %}", ""]),
        row(&["{{ n }}", "{% if loop.first %}first{% endif %}"]),
        row(&["-", "-"]),
        row(&["{% endfor %}", ""])
    );
    assert_eq!(word(&rows, &names(&["a", "b"])), ["a", "first", "-", "-", "b", "", "-", "-"]);
    let item = |text: &str| format!("<text:list-item><text:p>{text}</text:p></text:list-item>");
    let list = format!(
        "<text:list>{}{}{}</text:list>",
        item("{% for n in names %}"),
        item("{{ n }}"),
        item("{% endfor %}")
    );
    assert_eq!(office(&list, &names(&["a", "b"])), ["a", "b"]);
}

#[test]
fn l1_loops_in_loops_and_conditions_at_their_edges_nest() {
    let group = |name: &str, items: &[&str]| Record::new().with("name", name).with("items", items.to_vec());
    let data = record().with("groups", vec![group("A", &["1", "2"]), group("B", &[])]);
    let body = [
        p("{% for g in groups %}{% if g.items %}"),
        p("{{ g.name }}"),
        p("{% for i in g.items %}{{ g.name }}{{ i }}"),
        p("{% endfor %}"),
        p("{% endif %}{% endfor %}"),
    ]
    .concat();
    assert_eq!(word(&body, &data), ["A", "A1", "A2"]);
}

#[test]
fn l8_a_cell_ends_with_a_paragraph_and_a_table_without_rows_goes() {
    let body = format!(
        "<w:tbl><w:tr><w:tc>{}{}{}</w:tc></w:tr></w:tbl>{}<w:tbl><w:tblPr/><w:tr><w:tc>{}</w:tc></w:tr></w:tbl>{}",
        p("{% for n in names %}"),
        p("{{ n }}"),
        p("{% endfor %}"),
        p("between"),
        p("{% for n in names %}{{ n }}{% endfor %}")
            .replace("{% endfor %}", "</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>{% endfor %}"),
        p("end")
    );
    let made = part(&render(&docx(&body), &names(&[]), "en"), "word/document.xml");
    assert!(made.contains("<w:tc><w:p/></w:tc>"), "{made}");
    assert_eq!(made.matches("<w:tbl>").count(), 1, "{made}");
    assert_eq!(paragraphs(&made), ["", "between", "end"]);
}

#[test]
fn l1_line_breaks_tabs_and_forbidden_characters_in_data_do_no_harm() {
    let data = record().with("text", "a\r\nb\tc\u{fffe}\u{1}\u{0}d  e <&>\"'").with("edge", " x ");
    assert_eq!(word(&p("{{ text }}|{{ edge }}|"), &data), ["a\nb\tcd  e <&>\"'| x |"]);
    let body = "<text:p>{{ text }}|{{ edge }}|</text:p>";
    let made = part(&render(&odt(body), &data, "en"), "content.xml");
    assert_eq!(paragraphs(&made), ["a\nb\tcd  e <&>\"'| x |"]);
    assert!(made.contains("d <text:s/>e") && made.contains("|<text:s/>x<text:s/>|"), "{made}");
}

#[test]
fn l1_text_boxes_footnotes_and_content_controls_are_filled_in() {
    let body = "<w:p><w:r><w:pict><v:textbox xmlns:v=\"urn:schemas-microsoft-com:vml\"><w:txbxContent><w:p><w:r><w:t>in {{ user.name }}</w:t></w:r></w:p></w:txbxContent></v:textbox></w:pict></w:r><w:r><w:t>out {{ user.name }}</w:t></w:r></w:p>\
        <w:sdt><w:sdtContent><w:p><w:r><w:t>{{ user.name }}</w:t></w:r></w:p></w:sdtContent></w:sdt>";
    assert_eq!(word(body, &record()), ["in bob Builder", "out bob Builder", "bob Builder"]);
    let document = format!(
        "<w:document XMLNS><w:body><w:p><w:r><w:t>a</w:t></w:r><w:r><w:footnoteReference w:id=\"2\"/></w:r></w:p>{}</w:body></w:document>",
        "<w:sectPr/>"
    );
    let notes = "<w:footnotes XMLNS><w:footnote w:type=\"separator\" w:id=\"0\"><w:p/></w:footnote><w:footnote w:id=\"2\"><w:p><w:r><w:t>for {{ user.name }}</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let made =
        render(&docx_of(&[("word/document.xml", &document), ("word/footnotes.xml", notes)]), &record(), "en");
    assert_eq!(paragraphs(&part(&made, "word/footnotes.xml")), ["", "for bob Builder"]);
}

#[test]
fn l1_expressions_calculate_and_compare_exactly() {
    let cases = [
        ("{{ 0.1 + 0.2 }}", "0.3"),
        ("{{ 2 + 3 * 4 - -1 }}", "15"),
        ("{{ (deal.total * 2) | money }}", "€2,469.00"),
        ("{{ deal.total / deal.total }}", "1"),
        ("{{ deal.until - 14 }}", "Dec 10, 2026"),
        ("{{ deal.until - today() }}", "24"),
        ("{{ 'yes' if deal.total > 1000 and partner.country == 'FR' else 'no' }}", "yes"),
        ("{{ partner.extra | default('none') }}", "none"),
        ("{{ deal.notes | join(', ') }}", "first, second, third"),
        ("{{ deal.lines | sort('price') | first | length if false else deal.lines[1].name }}", "Cable\t5 m"),
        ("{{ (deal.lines | sort('price'))[0].price | money('EUR') }}", "€234.50"),
        ("{{ 'x' in 'axb' and 'second' in deal.notes and not 'z' in deal.notes }}", "yes"),
        ("{{ 'a' ~ 1 ~ true }}", "a1yes"),
        ("{{ 1234567.891 | number(2) }}", "1,234,567.89"),
        ("{{ 7 % 4 }} {{ 1 - 3 | abs }}", "3 -2"),
        ("{{ partner.name | replace('Söhne', 'Co') | truncate(14) }}", "Anna Müller &…"),
        ("{{ 'élan vital' | title }} {{ 'ß' | upper }}", "Élan Vital SS"),
    ];
    for (tag, wanted) in cases {
        assert_eq!(word(&p(tag), &record()), [wanted], "{tag}");
    }
}

#[test]
fn l2_next_record_in_a_word_field_over_paragraphs_joins_them() {
    let instruction =
        |text: &str| format!("<w:r><w:instrText xml:space=\"preserve\">{text}</w:instrText></w:r>");
    let char = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let body = format!(
        "<w:p><w:r><w:t>A </w:t></w:r>{}{}</w:p><w:p>{}{}<w:r><w:t>old</w:t></w:r>{}<w:r><w:t> Z</w:t></w:r></w:p>",
        char("begin"),
        instruction(" IF 1 = 1 \"one"),
        instruction("two\" \"no\""),
        char("separate"),
        char("end")
    );
    assert_eq!(word(&body, &record()), ["A one\ntwo Z"]);
}

#[test]
fn l2_skipif_leaves_a_letter_out() {
    let body = "<w:p><w:fldSimple w:instr=\" SKIPIF 1 = 1 \"/><w:r><w:t>x</w:t></w:r></w:p>";
    let template = compile(&docx(body));
    let mut renderer = kontor_templating::domain::Renderer::new(&template);
    let all = [record()];
    let done = renderer.render(letter(&all, "en")).expect("no fault");
    assert_eq!(done, kontor_templating::domain::Rendered::Skipped);
}

#[test]
fn l1_a_template_file_becomes_a_document() {
    let dotx = docx(&p("{{ user.name }}"));
    let text = String::from_utf8_lossy(&dotx).replace("document.main+xml", "template.main+xml");
    // The checksum of the changed file is made anew by writing the package again.
    let types =
        crate::support::part(&dotx, "[Content_Types].xml").replace("document.main+xml", "template.main+xml");
    assert!(text.contains("template.main+xml"));
    let mut zip = crate::support::Zip::default();
    zip.add("[Content_Types].xml", types.as_bytes());
    zip.add("word/document.xml", crate::support::part(&dotx, "word/document.xml").as_bytes());
    let made = render(&zip.finish(), &record(), "en");
    assert!(part(&made, "[Content_Types].xml").contains("document.main+xml"));
}

#[test]
fn l9_a_link_cannot_run_anything() {
    let data = record().with("url", "javascript:alert(1)");
    let body = "<text:p><text:a xlink:href=\"{{ url }}\">x</text:a></text:p>";
    let template = compile(&odt(body));
    let mut renderer = kontor_templating::domain::Renderer::new(&template);
    let all = [data];
    let finding = renderer.render(letter(&all, "en")).expect_err("refused");
    assert!(finding.to_string().contains("not to \"javascript\""), "{finding}");
    let fine = record().with("url", Value::from("https://example.com/a b"));
    assert!(part(&render(&odt(body), &fine, "en"), "content.xml").contains("https://example.com/a%20b"));
}
