//! Pages of 50 of a million: each order with filters of each kind, as an administrator and as one of two hundred sellers.
//! Called by main.rs.

use std::time::Instant;

use kontor_proto::pipeline::v1::ListOpportunitiesRequest;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_tests::process::calm;
use kontor_tests::{Grpc, Process};

use crate::data::Names;
use crate::floor::{DEAL, Floor};
use crate::{PASSWORD, TURNS, measure, print};

/// Pages of each kind in a turn: as many as fit into this many milliseconds, and not more than `MOST`.
const TURN_MS: f64 = 300.0;
const MOST: u32 = 100;

/// What a list is asked, and the same as SQL.
struct Case {
    filter: String,
    condition: String,
}

fn cases(names: &Names) -> Vec<Case> {
    let case =
        |filter: &str, condition: &str| Case { filter: filter.to_owned(), condition: condition.to_owned() };
    let stage = &names.stages[2];
    vec![
        case("", "1 = 1"),
        case("state = OPEN", "state = 1"),
        case("assignee = \"users/u7\"", "assignee = 'users/u7'"),
        case("assignee = \"users/u7\" AND state = OPEN", "assignee = 'users/u7' AND state = 1"),
        case("assignee = none AND state = OPEN", "assignee = '' AND state = 1"),
        case("team = \"teams/t7\"", "team = 'teams/t7'"),
        case("partner = \"partners/p77\"", "partner = 'partners/p77'"),
        case(&format!("stage = \"{stage}\""), &format!("+stage = '{stage}'")),
        case("title = \"Roof\"", "title = 'Roof'"),
        case("title : \"of 77\"", "LOWER(title) LIKE '%of 77%' ESCAPE '\\'"),
    ]
}

const ORDERS: [(&str, &str); 5] = [
    ("create_time desc", "DESC"),
    ("update_time desc", "DESC"),
    ("expected_close_date", "ASC"),
    ("stage_time", "ASC"),
    ("title", "ASC"),
];

/// Lists of opportunities.
pub async fn figures(process: &Process, admin: &Grpc, floor: &Floor, names: &Names) {
    calm(process.id()).await;
    let seller = Grpc::new(&process.address, "u7", PASSWORD);
    let everything = vec!["1 = 1".to_owned()];
    let own = vec![
        "(assignee = '' AND team = '')".to_owned(),
        "assignee = 'users/u7'".to_owned(),
        "team = 'teams/t7'".to_owned(),
    ];
    for (who, grpc, parts) in [("all", admin, everything), ("a seller's", &seller, own)] {
        for case in cases(names) {
            for (order, way) in ORDERS {
                let request = |filter: &str| ListOpportunitiesRequest {
                    page_size: 50,
                    filter: filter.to_owned(),
                    order_by: order.to_owned(),
                    ..Default::default()
                };
                let column = order.split(' ').next().expect("a column");
                let sql = statement(&parts, &case.condition, column, way);
                let mut best = None;
                let begun = Instant::now();
                grpc.opportunities().list_opportunities(request(&case.filter)).await.expect("a page");
                let one = begun.elapsed().as_secs_f64() * 1_000.0;
                let times = (1..=MOST).rev().find(|times| f64::from(*times) * one < TURN_MS).unwrap_or(1);
                let times = usize::try_from(times).expect("a small number");
                for _ in 0..TURNS {
                    let ours = measure(process.id(), (times, 1), async |_| {
                        grpc.opportunities().list_opportunities(request(&case.filter)).await.expect("a page");
                    })
                    .await;
                    let theirs = measure(floor.id, (times, 1), async |_| {
                        let mut client = OpportunityServiceClient::new(floor.channel.clone());
                        client.list_opportunities(request(&sql)).await.expect("a page");
                    })
                    .await;
                    best = Some(match best {
                        None => (ours, theirs),
                        Some((best_ours, best_theirs)) => (ours.best(best_ours), theirs.best(best_theirs)),
                    });
                }
                let (ours, theirs) = best.expect("a turn");
                let filter = if case.filter.is_empty() { "no filter" } else { &case.filter };
                let filter = filter.replace(&names.stages[2], "...");
                print(&format!("{who}, {filter}, by {order}"), ours, theirs);
            }
        }
    }
}

fn statement(parts: &[String], condition: &str, column: &str, way: &str) -> String {
    let keys = |part: &String| {
        format!(
            "SELECT {column} AS page_key, id AS page_id FROM opportunity WHERE {part} AND ({condition}) ORDER BY {column} {way}, id {way} LIMIT 51"
        )
    };
    let keys = match parts {
        [part] => keys(part),
        parts => {
            let parts = parts.iter().enumerate();
            let parts: Vec<String> = parts
                .map(|(number, part)| {
                    format!("SELECT page_key, page_id FROM ({}) AS part_{number}", keys(part))
                })
                .collect();
            format!("{} ORDER BY 1 {way}, 2 {way} LIMIT 51", parts.join(" UNION "))
        }
    };
    format!(
        "SELECT page_key, page_id, {DEAL} FROM ({keys}) AS page CROSS JOIN opportunity WHERE id = page_id ORDER BY page_key {way}, page_id {way}"
    )
}
