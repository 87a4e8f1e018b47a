//! Previews and overlaps over gRPC, one caller.
//! Called by main.rs.

use std::time::Instant;

use kontor_proto::segmentation::v1::{CompareSegmentsRequest, PreviewRuleRequest};
use kontor_tests::Grpc;

use crate::rules::name;
use crate::{line, spread};

/// Rules as they are typed.
const PREVIEWS: [&str; 8] = [
    "country == \"BE\" && kind == \"COMPANY\" && !do_not_call && create_time > now - duration(\"365d\")",
    "country in [\"BE\", \"FR\"] && calls.exists(c, c.result == \"MISSED\" && c.start_time > now - duration(\"30d\"))",
    "purchases.total(\"EUR\", duration(\"180d\")) > 150 && rfm.recency >= 4",
    "opportunities.exists(o, o.state == \"OPEN\" && o.amount > 500) && !calls.exists(c, c.start_time > now - duration(\"30d\"))",
    "emails.exists(e, e.endsWith(\"@domain-00077.example\"))",
    "display_name.contains(\"77\")",
    "display_name.matches(\"(?i)partner .*77$\")",
    "opportunities.exists(o, calls.exists(c, c.start_time > o.create_time))",
];
const TIMES: usize = 40;
const PAIRS: usize = 500;

/// Prints them.
pub async fn figures(admin: &Grpc, segments: usize) {
    for text in PREVIEWS {
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let request = PreviewRuleRequest { rule: text.into(), ..Default::default() };
            let begun = Instant::now();
            found = admin.segments().preview_rule(request).await.expect("a preview").get_ref().count;
            times.push(begun.elapsed());
        }
        line(
            &format!("PreviewRule `{}`, {found} found, median / p99 / worst", text.replace('|', "\\|")),
            spread(times),
        );
    }
    let mut times = Vec::new();
    for pair in 0..PAIRS {
        let (one, other) = (pair * 7 % segments, (pair * 7 + 1 + pair % 3) % segments);
        let request = CompareSegmentsRequest { segments: vec![name(one), name(other)] };
        let begun = Instant::now();
        admin.segments().compare_segments(request).await.expect("a comparison");
        times.push(begun.elapsed());
    }
    line("CompareSegments of two, median / p99 / worst", spread(times));
}
