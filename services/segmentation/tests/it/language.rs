//! What the language takes and refuses, with places and suggestions.
//! Run by cargo.

use kontor_segmentation::domain::facts::{Field, List};
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
    check("country == \"BE\" && calls.exists(c, ^c.reslt == \"MISSED\")", "calls have no field `reslt`", &["result"]);
    check("^rfm.recencyy >= 4", "no field `rfm.recencyy`", &["rfm.recency"]);
    check("^calls.result == \"MISSED\"", "`calls` is a list", &["calls.exists(x, x.result ...)", "calls.filter(x, x.result ...)"]);
    check("city.^startWith(\"B\")", "no method `startWith`", &["startsWith"]);
    check("^sizes(calls) > 3", "no function `sizes`", &["size"]);
    check("kind == ^\"PERSN\"", "none of the choices", &["\"PERSON\"", "\"COMPANY\""]);
    check("^answers", "by question", &[]);
}

#[test]
fn s1_a_wrong_kind_is_told_with_what_would_fit() {
    let time = ["now - duration(\"30d\")", "timestamp(\"2026-01-31T00:00:00Z\")"];
    check("create_time > ^3", "this is a int; a timestamp should be here", &time);
    check("country == ^3", "this is a int; a string should be here", &["\"...\""]);
    check("^country", "this is a string; a bool should be here", &["== \"...\"", "in [\"...\"]"]);
    check("true && ^calls", "this is a list of calls; a bool", &["size(...) > 0", ".exists(x, ...)"]);
    check("size(calls) > ^\"many\"", "this is a string; a int", &["3"]);
    check("size(^country) > 3", "a list of the partner", &["opportunities", "calls", "purchases", "mails", "visits"]);
    check("^tags.contains(\"vip\")", "", &[]);
}

#[test]
fn s1_grammar_errors_name_the_place() {
    check("country == ^", "the end where a field, a value or `(` should be", &[]);
    check("(country == \"BE\"^", "the end where `)` should be", &[]);
    check("country ^= \"BE\"", "a single `=`", &[]);
    check("country == ^\"BE", "not closed", &[]);
    check("country == \"BE\" ^country", "`country` where `&&`, `||` or the end", &[]);
    check("country matches ^\"x\"", "", &[]);
    check("city.matches(\"(\")", "", &[]);
    check("now - ^3 > create_time", "only a duration", &["now"]);
}
