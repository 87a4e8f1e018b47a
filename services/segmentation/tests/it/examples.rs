//! What docs/segments-rules.md says is so.
//! Run by cargo.

use kontor_segmentation::domain::facts::{Field, List};
use kontor_segmentation::domain::rule::Rule;

const TEXT: &str = include_str!("../../../../docs/segments-rules.md");

fn blocks(kind: &str) -> Vec<&'static str> {
    let parts = TEXT.split("```").collect::<Vec<_>>();
    parts.into_iter().skip(1).step_by(2).filter_map(|block| block.strip_prefix(kind)).collect()
}

#[test]
fn s1_every_example_of_the_document_is_a_rule() {
    let examples = blocks("cel\n");
    assert!(examples.len() >= 10, "{} examples", examples.len());
    for example in examples {
        Rule::parse(example).unwrap_or_else(|error| panic!("{error}: {example}"));
    }
}

#[test]
fn s1_the_errors_of_the_document_are_those_that_come() {
    let errors = blocks("text\n").join("");
    for wrong in ["contry == \"BE\"", "create_time > 3"] {
        let error = Rule::parse(wrong).expect_err("a wrong rule").to_string();
        assert!(errors.lines().any(|line| line == error), "{error}");
    }
}

#[test]
fn s1_the_document_names_every_field() {
    let known = |name: &str| TEXT.contains(&format!("`{name}`")) || TEXT.contains(&format!("`{name}["));
    for field in Field::all() {
        assert!(known(&field.name()), "{}", field.name());
    }
    for list in List::ALL {
        let line =
            TEXT.lines().find(|line| line.starts_with(&format!("| `{}`", list.name()))).expect("a line");
        for column in list.columns() {
            assert!(line.contains(&format!("`{}`", column.name)), "{}.{}", list.name(), column.name);
            column
                .choices
                .iter()
                .for_each(|choice| assert!(line.contains(&format!("`{choice}`")), "{choice}"));
        }
    }
}
