//! Filters: what they mean, where they go wrong, and that none of them costs much.

use std::time::{Duration, Instant};

use kontor_kit::db::Value;
use kontor_kit::filter::to_sql;
use kontor_kit::page::{Field, Kind};
use kontor_testbed::caller;
use tonic::Code;

const FIELDS: &[Field] = &[
    Field::filter("title", "t.title", Kind::Text),
    Field::filter("owner", "t.owner", Kind::User),
    Field::filter("amount", "t.amount", Kind::Int),
    Field::filter("open", "t.open", Kind::Bool),
    Field::filter("time", "t.time", Kind::Time),
    Field::filter("state", "t.state", Kind::Enum(&[("NEW", 1), ("WON", 2)])),
    Field::order("hidden", "t.hidden", Kind::Text),
];

fn read(filter: &str) -> Result<(String, Vec<Value>), String> {
    let mut args = Vec::new();
    match to_sql(filter, FIELDS, &caller("anna", &[], &[]), &mut args, |_, _| Ok(false)) {
        Ok(sql) => Ok((sql, args)),
        Err(cause) => {
            assert_eq!(cause.code(), Code::InvalidArgument);
            Err(cause.message().to_owned())
        }
    }
}

#[test]
fn a_filter_becomes_a_condition_with_arguments() {
    let (sql, args) =
        read("state = WON AND (owner = me OR owner = none) AND NOT title : \"50%\"").expect("good");
    assert_eq!(
        sql,
        "((t.state = $1 AND (t.owner = $2 OR t.owner = $3)) AND NOT (LOWER(t.title) LIKE $4 ESCAPE '\\'))"
    );
    assert_eq!(args, [2_i64.into(), "users/anna".into(), "".into(), Value::from("%50\\%%")]);
}

#[test]
fn or_binds_less_than_and() {
    let (sql, _) = read("amount = 1 OR amount = 2 AND amount = 3").expect("good");
    assert_eq!(sql, "(t.amount = $1 OR (t.amount = $2 AND t.amount = $3))");
}

#[test]
fn quotes_make_text_of_anything() {
    let (sql, args) = read(r#"title = "a \"b\" ) OR 1=1 --" AND owner = "me""#).expect("good");
    assert_eq!(sql, "(t.title = $1 AND t.owner = $2)");
    assert_eq!(args, [Value::from("a \"b\" ) OR 1=1 --"), "users/me".into()]);
}

#[test]
fn an_error_names_its_place_in_characters() {
    for (filter, place, part) in [
        ("titel = x", "at character 1:", "title, owner, amount"),
        ("title = \"ä\" AND nothing = 1", "at character 17:", "not a field"),
        ("hidden = x", "at character 1:", "not a field"),
        ("amount = many", "at character 10:", "a whole number"),
        ("amount = 1 amount = 2", "at character 12:", "not expected here"),
        ("open = maybe", "at character 8:", "true or false"),
        ("state = LOST", "at character 9:", "NEW, WON"),
        ("time > yesterday", "at character 8:", "an instant"),
        ("title ~ x", "at character 7:", "no comparison"),
        ("title \"=\" x", "at character 7:", "no comparison"),
        ("amount : 1", "at character 10:", "no parts"),
        ("title = \"open", "at character 9:", "not closed"),
        ("title = \"open\\", "at character 9:", "not closed"),
        ("title = )", "at character 9:", "no value"),
        ("(title = x \")\"", "at character 12:", "\")\" is expected"),
        ("title = x)", "at character 10:", "not expected here"),
    ] {
        let message = read(filter).expect_err(filter);
        assert!(message.contains(place) && message.contains(part), "{filter}: {message}");
    }
    for (filter, part) in [
        ("title", "ends where a comparison"),
        ("title =", "ends where a value"),
        ("title = x AND", "ends where a field"),
        ("(title = x", "ends where \")\""),
        ("NOT", "ends where a field"),
    ] {
        let message = read(filter).expect_err(filter);
        assert!(message.contains(part), "{filter}: {message}");
    }
}

#[test]
fn deep_and_long_filters_are_refused_at_once() {
    let started = Instant::now();
    let deep = |count: usize| format!("{}title = x{}", "(".repeat(count), ")".repeat(count));
    assert!(read(&deep(10)).is_ok());
    assert!(read(&deep(11)).expect_err("too deep").contains("nested deeper than 10"));
    assert!(read(&"NOT ".repeat(400)).expect_err("too deep").contains("nested deeper than 10"));
    assert!(read(&deep(100_000)).expect_err("too long").contains("longer than 2000 bytes"));
    let wide = |count: usize| vec!["open = true"; count].join(" OR ");
    assert!(read(&wide(50)).is_ok());
    assert!(read(&wide(51)).expect_err("too wide").contains("more than 50 comparisons"));
    assert!(started.elapsed() < Duration::from_secs(1));
}
