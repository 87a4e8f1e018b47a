//! Field masks: which fields an update takes over.

use kontor_kit::mask::Mask;
use prost_types::FieldMask;
use tonic::Code;

const ALLOWED: &[&str] = &["title", "amount", "owner"];

fn read(paths: &[&str], set: &[&str]) -> kontor_kit::Result<Vec<String>> {
    let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    Mask::read(Some(&mask), ALLOWED, set).map(|mask| mask.fields().to_vec())
}

#[test]
fn named_fields_are_taken_even_when_they_are_empty() {
    assert_eq!(read(&["title"], &["amount"]).expect("good"), ["title"]);
}

#[test]
fn a_star_takes_every_field_that_may_change() {
    assert_eq!(read(&["*"], &[]).expect("good"), ALLOWED);
}

#[test]
fn without_a_mask_the_set_fields_are_taken() {
    assert_eq!(read(&[], &["amount"]).expect("good"), ["amount"]);
    let mask = Mask::read(None, ALLOWED, &["amount"]).expect("good");
    assert!(mask.has("amount") && !mask.has("title"));
}

#[test]
fn unknown_and_immutable_fields_are_refused_by_name() {
    for path in ["name", "create_time", "title.x", "", "Title"] {
        let cause = read(&["title", path], &[]).expect_err("refused");
        assert_eq!(cause.code(), Code::InvalidArgument);
        assert!(cause.message().contains(&format!("{path:?}")), "{cause}");
        assert!(cause.message().contains("title, amount, owner"), "{cause}");
    }
}
