//! A million rows: one lead and one opportunity made through the interface, then copied by SQL with other values, while no server runs.
//! Called by main.rs.

use std::path::Path;

use kontor_proto::directory::v1::{CreateTeamRequest, Team};
use kontor_proto::pipeline::v1::{
    CreateLeadRequest, CreateOpportunityRequest, GetPipelineRequest, Lead, ListPipelinesRequest, Opportunity,
};
use kontor_tests::{Grpc, Process};
use rusqlite::Connection;

use crate::{PASSWORD, add_user};

/// People who own rows.
pub const PEOPLE: usize = 200;
/// Their teams.
pub const TEAMS: usize = 20;

/// Names that the bench asks for.
pub struct Names {
    /// A few thousand opportunities, all open.
    pub deals: Vec<String>,
    /// Stages of the pipeline, in order.
    pub stages: Vec<String>,
}

/// Fills a data folder; "bench" is an administrator, and "seller" belongs to the team t7 as the rows of u7 do.
pub async fn fill(data: &Path, size: usize) -> Names {
    let process = Process::start(data, &[]).await;
    let folder = data.to_str().expect("a plain path");
    add_user(folder, "bench", &["--admin"]).await;
    add_user(folder, "u7", &[]).await;
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    let team = Team { display_name: "Seven".into(), members: vec!["users/u7".into()], ..Default::default() };
    let request = CreateTeamRequest { team: Some(team), team_id: "t7".into(), ..Default::default() };
    grpc.teams().create_team(request).await.expect("a team");
    let lead = Lead {
        title: "Roof".into(),
        contact_name: "Anna Peeters".into(),
        email: "anna@example.com".into(),
        description: "Asked for an offer at the fair, wants to be called in the morning".into(),
        ..Default::default()
    };
    let request = CreateLeadRequest { lead: Some(lead), ..Default::default() };
    grpc.leads().create_lead(request).await.expect("a lead");
    let deal = Opportunity {
        title: "Roof".into(),
        description: "Asked for an offer at the fair, wants to be called in the morning".into(),
        source: "fair".into(),
        ..Default::default()
    };
    let request = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
    grpc.opportunities().create_opportunity(request).await.expect("an opportunity");
    let pipelines =
        grpc.pipelines().list_pipelines(ListPipelinesRequest::default()).await.expect("pipelines");
    let name = pipelines.into_inner().pipelines[0].name.clone();
    let pipeline = grpc.pipelines().get_pipeline(GetPipelineRequest { name }).await.expect("it").into_inner();
    let stages: Vec<String> = pipeline.stages.into_iter().map(|stage| stage.name).collect();
    assert!(process.stop().await);
    let deals = copies(&data.join("pipeline.db"), size, &stages);
    Names { deals, stages }
}

fn copies(file: &Path, size: usize, stages: &[String]) -> Vec<String> {
    let conn = Connection::open(file).expect("the database");
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN").expect("begun");
    let stage = stages.iter().enumerate().fold(String::from("CASE n % 5"), |sql, (number, stage)| {
        format!("{sql} WHEN {number} THEN '{stage}'")
    });
    let id = "printf('%08x-0000-7000-8000-%012x', n, n * 7919)";
    let team = format!("'teams/t' || (n * 31 % {TEAMS})");
    // A person is always of the same team: the numbers of both are of one row's number.
    let owner = format!("CASE WHEN n % 10 = 9 THEN '' ELSE 'users/u' || (n * 31 % {PEOPLE}) END");
    let title = "'Deal ' || (n * 7919 % 100003) || ' of ' || (n % 977)";
    let time = "(create_time - n * 30000000)";
    copy(
        &conn,
        "lead",
        size,
        &[
            ("id", id),
            ("title", title),
            ("email", "'person' || n || '@example.com'"),
            ("assignee", &owner),
            ("team", &team),
            ("create_time", time),
            ("update_time", "(create_time - n * 7919 % 86400000000)"),
        ],
    );
    copy(
        &conn,
        "opportunity",
        size,
        &[
            ("id", id),
            ("title", title),
            ("partner", "'partners/p' || (n % 100000)"),
            ("stage", &format!("{stage} ELSE '{}' END", stages[0])),
            ("state", "CASE WHEN n % 10 < 3 THEN 1 ELSE 2 + n % 2 END"),
            ("close_time", "CASE WHEN n % 10 < 3 THEN NULL ELSE create_time END"),
            ("assignee", &owner),
            ("team", &team),
            ("expected_close_date", "date('2026-01-01', '+' || (n * 7919 % 700) || ' days')"),
            ("stage_time", "(create_time - n * 104729 % 86400000000)"),
            ("create_time", time),
            ("update_time", "(create_time - n * 7919 % 86400000000)"),
        ],
    );
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
    let sql = "SELECT 'opportunities/' || id FROM opportunity WHERE state = 1 LIMIT 5000";
    let mut statement = conn.prepare(sql).expect("a statement");
    statement
        .query_map((), |row| row.get(0))
        .expect("rows")
        .collect::<Result<Vec<String>, _>>()
        .expect("names")
}

/// Copies the table's first row `size` times; `other` says how columns differ, with `n` as the number of the copy.
fn copy(conn: &Connection, table: &str, size: usize, other: &[(&str, &str)]) {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    let mut statement = conn.prepare(&sql).expect("a statement");
    let columns: Vec<String> = statement
        .query_map((), |row| row.get(0))
        .expect("columns")
        .collect::<Result<_, _>>()
        .expect("columns");
    let values: Vec<&str> = columns
        .iter()
        .map(|column| other.iter().find(|(name, _)| name == column).map_or(column.as_str(), |(_, sql)| sql))
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {size})
         SELECT {} FROM number CROSS JOIN (SELECT * FROM {table} LIMIT 1)",
        columns.join(", "),
        values.join(", ")
    );
    assert_eq!(conn.execute(&sql, ()).expect("copied"), size);
}
