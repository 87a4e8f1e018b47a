//! Scores in words, for those who sell.
//! Called by rpc/score.rs.

use super::count::Evidence;
use super::probability;

/// The prior as a sentence. `own` tells whether the team has outcomes of its own.
pub fn of_prior(prior: f64, own: bool) -> String {
    let whose = if own { "this team's" } else { "the company's" };
    format!(
        "{} of {whose} opportunities are won of late, before anything is known",
        percent(probability(prior))
    )
}

/// A contribution as a sentence: `what` is "source is web".
pub fn of_contribution(what: &str, logit: f64, evidence: &Evidence) -> String {
    if evidence.outcomes < 0.5 && logit.abs() < 0.005 {
        return format!("{what}: never seen among closed ones, so it says nothing");
    }
    let effect = match logit {
        logit if logit >= 0.005 => format!("raises the chance{}", strength(logit)),
        logit if logit <= -0.005 => format!("lowers the chance{}", strength(logit)),
        _ => "changes nothing".to_owned(),
    };
    if evidence.outcomes < 0.5 {
        return format!("{what}: {effect}, as in the rest of the company");
    }
    let (won, usual) = (percent(evidence.won), percent(evidence.usual));
    format!("{what}: {won} of about {:.0} were won, usual is {usual}; {effect}", evidence.outcomes)
}

/// "source is web", "industry is building".
pub fn what(variable: &str, value: &str) -> String {
    let variable = variable.strip_prefix("attributes.").unwrap_or(variable);
    match variable {
        "contact" => format!("it can be reached by {value}"),
        _ => format!("{variable} is {value}"),
    }
}

fn strength(logit: f64) -> &'static str {
    match logit.abs() {
        size if size < 0.1 => " a little",
        size if size < 0.7 => "",
        _ => " a lot",
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_share_number_and_effect() {
        let evidence = Evidence { logit: 0.9, won: 0.41, usual: 0.052, outcomes: 119.7 };
        assert_eq!(
            of_contribution(&what("attributes.industry", "building"), 0.8, &evidence),
            "industry is building: 41 % of about 120 were won, usual is 5.2 %; raises the chance a lot"
        );
        assert!(of_contribution("x", 0.0, &Evidence::default()).contains("never seen"));
        assert!(of_contribution("x", -0.3, &Evidence::default()).contains("rest of the company"));
        assert!(of_prior(-2.0, true).starts_with("12 % of this team's"));
    }
}
