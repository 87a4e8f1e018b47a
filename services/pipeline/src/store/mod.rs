//! All SQL of the pipeline.
//! Called by rpc and lib.rs.

use std::collections::BTreeMap;

pub mod assignment;
pub mod duplicate;
pub mod erasure;
pub mod exchange_rate;
pub mod forecast;
pub mod import;
pub mod import_run;
pub mod lead;
pub mod merge;
pub mod merge_children;
pub mod merge_rows;
pub mod next_step;
pub mod opportunity;
pub mod partner_moves;
pub mod pipeline;
pub mod score;
pub mod score_cache;
pub mod score_rows;
pub mod snapshot;
pub mod summary;

/// Attributes as one text: no key has a "=", and nothing a line break.
fn join_map(attributes: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    lines.join("\n")
}

fn split_map(attributes: &str) -> BTreeMap<String, String> {
    let pairs = attributes.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tags as one text: none of them has a line break.
fn join(tags: &[String]) -> String {
    tags.join("\n")
}

fn split(tags: &str) -> Vec<String> {
    tags.lines().map(str::to_owned).collect()
}
