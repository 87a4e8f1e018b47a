//! A team of 200 made through the interface, and 10,000 opportunities copied by SQL from one, while no server runs.
//! Called by main.rs.

use std::path::Path;

use kontor_proto::directory::v1::{CreateTeamRequest, CreateUserRequest, Team, User};
use kontor_proto::pipeline::v1::{
    CreateOpportunityRequest, Member, Opportunity, Point, Requirements, SetMemberRequest,
    SetRequirementsRequest, Skill,
};
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};
use rusqlite::Connection;

use crate::PASSWORD;

/// The team.
pub const TEAM: &str = "teams/sales";
/// Its members.
pub const MEMBERS: usize = 200;
/// What waits for them.
pub const DEALS: usize = 10_000;
/// Of each member in 30 days: 20 % more than all of them need.
pub const CAPACITY: i32 = 60;

/// Fills a data folder; "bench" is an administrator. Two members in three speak the language that every second opportunity asks for, all live and all
/// opportunities are somewhere in Belgium, and three in four have a partner.
pub async fn fill(data: &Path) {
    let process = Process::start(data, &[]).await;
    let folder = data.to_str().expect("a plain path");
    let arguments = ["user", "add", "bench", "--password-stdin", "--data", folder, "--admin"];
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    people(&grpc).await;
    let deal = Opportunity { title: "Roof".into(), team: TEAM.into(), ..Default::default() };
    let request = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
    let deal = grpc.opportunities().create_opportunity(request).await.expect("an opportunity").into_inner();
    assert_eq!((deal.assignee.as_str(), deal.team.as_str()), ("", TEAM));
    let requirements = Requirements {
        opportunity: deal.name,
        skills: vec![Skill { name: "lang:nl".into(), level: 3 }],
        place: Some(Point { latitude: 50.85, longitude: 4.35 }),
        ..Default::default()
    };
    let request = SetRequirementsRequest { requirements: Some(requirements), ..Default::default() };
    grpc.assignments().set_requirements(request).await.expect("requirements");
    assert!(process.stop().await);
    copies(&data.join("pipeline.db"));
}

async fn people(grpc: &Grpc) {
    for number in 0..MEMBERS {
        let user = User { display_name: format!("Seller {number}"), ..Default::default() };
        let request =
            CreateUserRequest { user: Some(user), user_id: format!("u{number}"), ..Default::default() };
        grpc.users().create_user(request).await.expect("a user");
    }
    let members = (0..MEMBERS).map(|number| format!("users/u{number}")).collect();
    let team = Team { display_name: "Sales".into(), members, ..Default::default() };
    let request = CreateTeamRequest { team: Some(team), team_id: "sales".into(), ..Default::default() };
    grpc.teams().create_team(request).await.expect("a team");
    for number in 0..MEMBERS {
        let skills = if number % 3 == 0 {
            Vec::new()
        } else {
            vec![Skill { name: "lang:nl".into(), level: 3 + number as i32 % 5 }]
        };
        let member = Member {
            name: format!("members/u{number}"),
            team: TEAM.into(),
            active: true,
            capacity: CAPACITY,
            skills,
            home: Some(Point {
                latitude: 50.0 + number as f64 * 37.0 % 100.0 / 100.0,
                longitude: 3.0 + number as f64 * 71.0 % 200.0 / 100.0,
            }),
            preference: number as i32 % 7,
            ..Default::default()
        };
        let request = SetMemberRequest { member: Some(member), ..Default::default() };
        grpc.assignments().set_member(request).await.expect("a member");
    }
}

/// All but the one that is there.
fn copies(file: &Path) {
    let conn = Connection::open(file).expect("the database");
    conn.execute_batch("PRAGMA synchronous = OFF; BEGIN").expect("begun");
    let id = "printf('%08x-0000-7000-8000-%012x', n, n * 7919)";
    copy(
        &conn,
        "opportunity",
        &[
            ("id", id),
            ("title", "'Deal ' || n"),
            ("partner", "CASE WHEN n % 4 = 0 THEN '' ELSE 'partners/p' || (n % 3000) END"),
            ("create_time", "(create_time + n * 1000)"),
            ("update_time", "(create_time + n * 1000)"),
        ],
    );
    copy(
        &conn,
        "assignment_need",
        &[
            ("opportunity", id),
            ("skills", "CASE WHEN n % 2 = 0 THEN skills ELSE '' END"),
            ("latitude", "(50000000 + n * 7919 % 1000000)"),
            ("longitude", "(3000000 + n * 104729 % 2000000)"),
        ],
    );
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
}

/// Copies the table's first row; `other` says how columns differ, with `n` as the number of the copy.
fn copy(conn: &Connection, table: &str, other: &[(&str, &str)]) {
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
        "INSERT INTO {table} ({}) WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {most})
         SELECT {} FROM number CROSS JOIN (SELECT * FROM {table} LIMIT 1)",
        columns.join(", "),
        values.join(", "),
        most = DEALS - 1
    );
    assert_eq!(conn.execute(&sql, ()).expect("copied"), DEALS - 1);
}
