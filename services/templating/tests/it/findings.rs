//! What is said about templates that are wrong: part, paragraph, tag and reason; all at once (row L3).

use kontor_templating::domain::{Finding, Limits, Problem, Renderer, check};

use crate::support::{compile, docx, fields, letter, odt, p, record, told, word_findings};

#[test]
fn l3_an_unknown_field_names_its_paragraph_and_the_nearest() {
    let body = [p("fine"), p("Dear {{ partner.nam }}, {{ deel.total }} {{ lines }}")].concat();
    assert_eq!(
        word_findings(&body),
        [
            "word/document.xml, paragraph 2, {{ partner.nam }}: there is no field partner.nam; the nearest is partner.name",
            "word/document.xml, paragraph 2, {{ deel.total }}: there is no field deel.total; the nearest is deal.total",
            "word/document.xml, paragraph 2, {{ lines }}: there is no field lines; the nearest is deal.lines",
        ]
    );
}

#[test]
fn l3_all_broken_tags_are_told_at_once() {
    let body = [
        p("{{ partner.name | uper }}"),
        p("{{ partner.name"),
        p("{{ 1 + }} {{ }} {{ a = b }} {% fro x in y %}"),
        p("{{ 'x }}"),
        p("{{ salutation() }} {{ eval('x') }} {{ loop.index }}"),
    ]
    .concat();
    assert_eq!(
        word_findings(&body),
        [
            "word/document.xml, paragraph 2, {{ partner.name: the tag does not end in its paragraph",
            "word/document.xml, paragraph 3, {% fro x in y %}: at character 3: \"fro\" is none of for, endfor, if, elif, else, endif, next, skip",
            "word/document.xml, paragraph 1, {{ partner.name | uper }}: at character 18: there is no filter uper; the nearest is upper",
            "word/document.xml, paragraph 3, {{ 1 + }}: at character 7: a value is missing",
            "word/document.xml, paragraph 3, {{ }}: at character 2: the tag is empty",
            "word/document.xml, paragraph 3, {{ a = b }}: at character 5: two values are compared by ==",
            "word/document.xml, paragraph 4, {{ 'x }}: at character 3: the quote is not closed",
            "word/document.xml, paragraph 5, {{ salutation() }}: at character 3: salutation takes one person, as in salutation(partner)",
            "word/document.xml, paragraph 5, {{ eval('x') }}: at character 3: there is no function eval; there are salutation, today and now",
            "word/document.xml, paragraph 5, {{ loop.index }}: at character 3: loop is known only inside of a for",
        ]
    );
}

#[test]
fn l3_blocks_that_do_not_fit_are_told() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", p(text));
    let cases = [
        (p("{% for x in deal.lines %}"), "{% for x in deal.lines %}: the block is not closed"),
        (p("x {% endif %}"), "{% endif %}: no block is open"),
        (p("{% if deal %}{% for x in deal.lines %}{% endif %}{% endfor %}"), "no block is open"),
        (
            format!("<w:tbl><w:tr>{}</w:tr></w:tbl>{}", cell("x {% if deal %}"), p("{% endif %}")),
            "{% if deal %}: the block begins and ends in different cells",
        ),
        ([p("a {% if deal %} b"), p("c {% endif %}")].concat(), "in the middle of a paragraph"),
    ];
    for (body, wanted) in cases {
        let found = word_findings(&body);
        assert!(found.iter().any(|finding| finding.contains(wanted)), "{found:?} has no {wanted:?}");
    }
}

#[test]
fn l3_values_that_do_not_fit_are_told_before_there_is_data() {
    let cases = [
        ("{{ deal.lines }}", "this is a list"),
        ("{{ partner }}", "this is a group of fields"),
        ("{{ partner.photo }}", "this is a picture"),
        ("{{ deal.total | date }}", "a date is needed"),
        ("{{ deal.discount | money }}", "money(\"EUR\")"),
        ("{{ deal.until > 5 }}", "cannot be compared"),
        ("{{ deal.total + 1 }}", "cannot be calculated"),
        ("{% for x in partner %}{% endfor %}", "for goes over a list"),
        ("{% for x in deal.lines %}{{ x.pric }}{% endfor %}", "the nearest is x.price"),
        ("{{ deal.lines | sum('prise') }}", "there is no field prise"),
    ];
    for (tag, wanted) in cases {
        let found = word_findings(&p(tag));
        assert!(found.len() == 1 && found[0].contains(wanted), "{tag}: {found:?}");
    }
}

#[test]
fn l3_wrong_fields_of_the_offices_own_are_told() {
    let simple = |text: &str| format!("<w:p><w:fldSimple w:instr=\"{text}\"/></w:p>");
    let found = word_findings(
        &[simple("MERGEFIELD Partner_Nme"), simple("IF a"), simple("MERGEFIELD partner.name \\* Zigzag")]
            .concat(),
    );
    assert!(
        found[0].contains("paragraph 2, { IF a }") && found[0].contains("two values and a sign"),
        "{found:?}"
    );
    assert!(found[1].contains("\\* zigzag is not known"), "{found:?}");
    let found = word_findings(&simple("MERGEFIELD Partner_Nme"));
    assert!(found[0].contains("{ MERGEFIELD Partner_Nme }: there is no field Partner_Nme"), "{found:?}");
    let body = "<text:p><text:conditional-text text:condition=\"ooow:a ==\" text:string-value-if-true=\"x\"/></text:p>";
    let found = told(&check(&odt(body), &fields(), &Limits::default()));
    assert_eq!(
        found,
        [
            "content.xml, paragraph 1, conditional-text ooow:a ==: at character 0: a value is missing in the condition"
        ]
    );
}

#[test]
fn l3_data_that_lack_a_field_make_no_letter() {
    let template = compile(&docx(&[p("a"), p("{{ partner.phone }}")].concat()));
    let all = [record()];
    let finding: Finding = Renderer::new(&template).render(letter(&all, "en")).expect_err("no letter");
    assert_eq!(finding.place.paragraph, 2);
    assert!(matches!(finding.problem, Problem::UnknownField { ref name, .. } if name == "partner.phone"));
}
