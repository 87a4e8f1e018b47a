//! What the language takes and refuses, with places and suggestions.
//! Run by cargo.

use kontor_segmentation::domain::facts::{Field, FieldSet, List};
use kontor_segmentation::domain::rule::catalogue::Known;
use kontor_segmentation::domain::rule::{Error, Expr, Node, Rule};

fn refused(text: &str) -> Error {
    match Rule::parse(text) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => error,
    }
}

/// The rule with its error's place marked by `^`, which stands before the first byte that is meant.
#[track_caller]
fn check(marked: &str, what: &str, fits: &[&str]) {
    let text = marked.replacen('^', "", 1);
    let error = refused(&text);
    assert_eq!(Some(error.at.offset as usize), marked.find('^'), "{text}: {error}");
    assert!(error.what.contains(what), "{text}: {error}");
    assert_eq!(error.fits, fits, "{text}: {error}");
}

#[test]
fn s1_an_unknown_name_is_told_with_its_place_and_what_is_near() {
    check("^contry == \"BE\"", "no field `contry`", &["country"]);
    check(
        "country == \"BE\" && calls.exists(c, ^c.reslt == \"MISSED\")",
        "calls have no field `reslt`",
        &["result"],
    );
    check("^rfm.recencyy >= 4", "no field `rfm.recencyy`", &["rfm.recency", "rfm.frequency"]);
    let fits = ["calls.exists(x, x.result ...)", "calls.filter(x, x.result ...)"];
    check("^calls.result == \"MISSED\"", "`calls` is a list", &fits);
    check("city.^startWith(\"B\")", "no method `startWith`", &["startsWith"]);
    check("^sizes(calls) > 3", "no function `sizes`", &["size"]);
    check("kind == ^\"PERSN\"", "none of the choices", &["\"PERSON\"", "\"COMPANY\""]);
    check("^answers", "by question", &[]);
    check("calls.exists(c, ^calls.exists(c, true))", "the name `c` is taken", &[]);
}

#[test]
fn s1_a_wrong_kind_is_told_with_what_would_fit() {
    let time = ["now - duration(\"30d\")", "timestamp(\"2026-01-31T00:00:00Z\")"];
    check("create_time > ^3", "this is an int; a timestamp should be here", &time);
    check("country == ^3", "this is an int; a string should be here", &["\"...\""]);
    check("^country", "this is a string; a bool should be here", &["== \"...\"", "in [\"...\"]"]);
    check("true && ^calls", "this is a list of calls; a bool", &["size(...) > 0", ".exists(x, ...)"]);
    check("size(calls) > ^\"many\"", "this is a string; an int", &["3"]);
    let lists = ["opportunities", "calls", "purchases", "mails", "visits"];
    check("size(^country) > 3", "a list of the partner", &lists);
    check("^tags.contains(\"vip\")", "this is a list", &["tags.exists(x, x.contains(...))"]);
    check("\"x\" in ^calls", "lists of strings", &["calls.exists(x, ...)"]);
    check("^country < \"BE\"", "only compared by ==", &[]);
    check("country == ^city", "not with another field", &[]);
    check("has(^calls)", "always known", &["size(calls) > 0"]);
    check("purchases.total(^\"eur\") > 1", "no currency code", &["\"EUR\""]);
}

#[test]
fn s1_grammar_errors_name_line_and_column() {
    check("country == ^", "the end where a field, a value or `(` should be", &[]);
    check("(country == \"BE\"^", "the end where `)` should be", &[]);
    check("country ^= \"BE\"", "a single `=`", &[]);
    check("country == ^\"BE", "not closed", &[]);
    check("country == \"BE\" ^country", "`country` where `&&`, `||` or the end", &[]);
    check("now - ^3 > create_time", "only a duration", &[]);
    check("now - duration(^\"30x\") > create_time", "write \"30d\"", &[]);
    check("create_time > now - ^30d", "a length of time is written duration(\"30d\")", &[]);
    let error = refused("country == \"Öst\" &&\n  // Graz\n  ctiy == \"Graz\"");
    assert_eq!((error.at.line, error.at.column, error.length), (3, 3, 4));
    assert_eq!(error.to_string(), "line 3, column 3: no field `ctiy`; fits: city");
}

#[test]
fn s1_an_error_of_a_pattern_has_its_place_inside_of_the_pattern() {
    check("city.matches(\"^(\")", "unclosed group", &[]);
    check("country == \"BE\" &&\n  city.matches(r\"ab[c\\d] ^(\")", "unclosed group", &[]);
    check("city.matches(\"a\\\\d\\\"\\u00e9^(\")", "unclosed group", &[]);
    check("emails.exists(e, e.matches('x|^*'))", "repetition operator missing expression", &[]);
    check("city.matches(\"a^{3,2}\")", "invalid repetition count range", &[]);
    check("city.matches(\"é^\\\\p{Nothing}b\")", "Unicode property not found", &[]);
    check("\"a\" in tags && city.matches(^\"(a{1000}){1000}\")", "too large", &[]);
    check("city.contains(^\"\")", "an empty text", &[]);
    let error = refused("country == \"BE\" &&\n  city.matches(r\"ab\\p{Nothing}c\")");
    assert_eq!((error.at.line, error.at.column, error.length), (2, 20, 11), "{error}");
}

#[test]
fn s1_what_a_rule_names_is_looked_up_where_it_is_written() {
    let known = Known {
        segments: ["segments/customers", "segments/dealers"].map(str::to_owned).into(),
        questions: [("questions/colour".to_owned(), vec!["red".to_owned(), "blue".to_owned()])].into(),
    };
    let check = |marked: &str, what: &str, fits: &[&str]| {
        let text = marked.replacen('^', "", 1);
        assert!(Rule::parse(&text).is_ok(), "a saved one stays a rule: {text}");
        let error = Rule::parse_known(&text, &known).expect_err(&text);
        assert_eq!(Some(error.at.offset as usize), marked.find('^'), "{text}: {error}");
        assert!(error.what.contains(what), "{text}: {error}");
        assert_eq!(error.fits, fits, "{text}: {error}");
    };
    check(
        "true &&\n in_segment(^'segments/custmers')",
        "\"segments/custmers\" does not exist or you may not see it",
        &["\"segments/customers\""],
    );
    check("\"red\" in answers[^\"questions/color\"]", "there is no question", &["\"questions/colour\""]);
    let choices = ["\"blue\"", "\"red\""];
    check("^\"bleu\" in answers[\"questions/colour\"]", "is no choice of \"questions/colour\"", &choices);
    check("answers[\"questions/colour\"].exists(a, a == ^\"bleu\")", "is no choice", &choices);
    check(
        "size(answers[\"questions/colour\"].filter(a, a in [\"red\", ^\"bleu\"])) > 0",
        "is no choice",
        &choices,
    );
    check("purchases.total(^\"EUX\", duration(\"30d\")) > 1", "there is no currency \"EUX\"", &["\"EUR\""]);
    check("purchases.exists(p, p.currency == ^\"EUX\")", "there is no currency", &["\"EUR\""]);
    check(
        "purchases.exists(p, p.currency in [\"EUR\", ^\"CHX\"])",
        "there is no currency",
        &["\"CHE\"", "\"CHF\"", "\"CHW\""],
    );
    for good in [
        "in_segment(\"segments/dealers\") && \"red\" in answers[\"questions/colour\"] && purchases.total(\"CHF\") > 1",
        "purchases.exists(p, p.currency == \"\" || p.posted && p.kind == \"SALE\")",
        "answers[\"questions/colour\"].exists(a, a.startsWith(\"b\"))",
    ] {
        Rule::parse_known(good, &known).unwrap_or_else(|error| panic!("{error}: {good}"));
    }
}

#[test]
fn s1_size_nesting_and_patterns_have_caps() {
    let many = vec!["true"; 2_500].join("||");
    assert!(refused(&many).what.contains("more than 2000 parts"));
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    assert!(refused(&deep).what.contains("nested more than 32 deep"));
    assert!(refused(&"!".repeat(15_000)).what.contains("nested more than 32 deep"));
    assert!(refused(&" ".repeat(20_000)).what.contains("at most 16384"));
    assert!(refused("city.matches(\"(a{1000}){1000}\")").what.contains("too large"));
    let lists = "calls.exists(a, calls.exists(b, calls.exists(c, calls.exists(d, true))))";
    assert!(refused(lists).what.contains("more than 3 lists in each other"));
}

#[test]
fn s1_a_tree_that_is_no_text_is_refused() {
    for node in [
        Node::Name("country == \"x\" || true".into()),
        Node::And(vec![Node::Bool(true).into()]),
        Node::InSegment("segments/\"".into()),
        Node::Match {
            text: Expr::from(Node::Name("city".into())).into(),
            how: kontor_segmentation::domain::rule::Match::Contains,
            with: "\0".into(),
        },
    ] {
        let tree = Expr::from(node);
        match Rule::from_tree(&tree) {
            Ok(rule) => assert_eq!(*rule.tree(), tree),
            Err(error) => assert!(!error.what.is_empty()),
        }
    }
    assert!(Rule::from_tree(&Node::Name("country == \"x\" || true".into()).into()).is_err());
    assert!(Rule::from_tree(&Node::And(vec![Node::Bool(true).into()]).into()).is_err());
}

#[test]
fn a_rule_tells_what_it_reads() {
    let text = "country == \"BE\" && \"a\" in answers[\"questions/q\"] && !in_segment(\"segments/x\")
        && calls.exists(c, c.start_time > now - duration(\"30d\"))";
    let rule = Rule::parse(text).expect("a rule");
    let mut fields = FieldSet::default();
    for name in ["country", "answers", "calls"] {
        fields.insert(Field::named(name).expect("a field"));
    }
    assert_eq!(rule.fields(), fields);
    assert_eq!(rule.segments(), ["segments/x"]);
    assert!(rule.watches_clock());
    assert!(!Rule::parse("country == \"BE\"").expect("a rule").watches_clock());
    assert!(!rule.fields().contains(Field::List(List::Mails)));
}
