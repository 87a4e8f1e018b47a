//! All SQL of the pipeline.
//! Called by rpc and lib.rs.

pub mod forecast;
pub mod lead;
pub mod next_step;
pub mod opportunity;
pub mod pipeline;

/// Tags as one text: none of them has a line break.
fn join(tags: &[String]) -> String {
    tags.join("\n")
}

fn split(tags: &str) -> Vec<String> {
    tags.lines().map(str::to_owned).collect()
}
