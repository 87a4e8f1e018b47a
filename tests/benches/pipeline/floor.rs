//! The floor: a bare tonic server with the same SQL on a copy of the database. No sign-in, no checks, no score, no deadlines; writes in groups.
//! Its own process; main.rs asks it with the clients that ask Kontor. `ListOpportunities` takes the whole statement as its filter.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1::{Event, Money};
use prost::Message;
use prost_types::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codegen::{Body, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// The floor's process; it ends with this.
pub struct Floor {
    _child: tokio::process::Child,
    /// Its process id.
    pub id: u32,
    /// To it.
    pub channel: Channel,
}

impl Floor {
    /// Starts it on a database.
    pub async fn start(file: &Path) -> Floor {
        let program = std::env::current_exe().expect("the path of this bench");
        let mut child = tokio::process::Command::new(program)
            .arg("--floor")
            .arg(file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines.next_line().await.expect("text").expect("an address");
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
        Floor { id: child.id().expect("it runs"), _child: child, channel }
    }
}

/// What was written, and whose it is: "opportunities/{id}", "partners/{id}" or nothing.
struct Written {
    subject: String,
    partner: String,
}

/// A write.
type Job = Box<dyn FnOnce(&Connection) -> Written + Send>;

/// Readers and the writer.
#[derive(Clone)]
struct Store(Arc<Inner>);

struct Inner {
    readers: Mutex<Vec<Connection>>,
    writes: mpsc::Sender<(Job, oneshot::Sender<()>)>,
}

fn open(file: &Path) -> Connection {
    let conn = Connection::open(file).expect("the database");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY",
    )
    .expect("settings");
    conn.set_prepared_statement_cache_capacity(64);
    conn
}

/// Serves until it is killed; prints its address.
pub async fn serve(file: &Path) {
    let (writes, waiting) = mpsc::channel::<(Job, oneshot::Sender<()>)>();
    let writer = open(file);
    std::thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            writer.execute_batch("BEGIN IMMEDIATE").expect("begun");
            let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
            let (subjects, done): (Vec<Written>, Vec<_>) =
                group.into_iter().map(|(job, done)| (job(&writer), done)).unzip();
            seal(&writer, &subjects);
            writer.execute_batch("COMMIT").expect("on disk");
            for done in done {
                let _ = done.send(());
            }
        }
    });
    let store = Store(Arc::new(Inner { readers: Mutex::new((0..3).map(|_| open(file)).collect()), writes }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("its address"));
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(Deals(store.clone()))
        .add_service(Leads(store))
        .serve_with_incoming(incoming)
        .await
        .expect("it serves");
}

impl Store {
    fn read<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        let conn = self.0.readers.lock().expect("nothing panicked").pop().expect("one for each thread");
        let answer = job(&conn);
        self.0.readers.lock().expect("nothing panicked").push(conn);
        answer
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> (Written, T) + Send + 'static,
    ) -> T {
        let (done, written) = oneshot::channel();
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let (written, answered) = job(conn);
            let _ = reply.send(answered);
            written
        });
        self.0.writes.send((job, done)).expect("the writer runs");
        written.await.expect("written");
        answer.await.expect("an answer")
    }
}

/// One service of one method each would do; tonic routes by the service's name, so each of them looks at the path.
macro_rules! service {
    ($kind:ident, $name:literal, $($method:literal => $request:ty, $answer:ty, $job:path;)*) => {
        #[derive(Clone)]
        struct $kind(Store);

        impl NamedService for $kind {
            const NAME: &'static str = $name;
        }

        impl<B> Service<http::Request<B>> for $kind
        where
            B: Body + Send + 'static,
            B::Error: Into<StdError> + Send + 'static,
        {
            type Response = http::Response<tonic::body::Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<B>) -> Self::Future {
                let store = self.0.clone();
                Box::pin(async move {
                    match request.uri().path() {
                        $(concat!("/", $name, "/", $method) => {
                            let codec = tonic_prost::ProstCodec::<$answer, $request>::default();
                            let method = Method(move |request: $request| $job(store.clone(), request));
                            Ok(Grpc::new(codec).unary(method, request).await)
                        })*
                        _ => Ok(Status::unimplemented("the floor has no such method").into_http()),
                    }
                })
            }
        }
    };
}

struct Method<F>(F);

impl<F, Q, A, R> UnaryService<Q> for Method<F>
where
    F: FnMut(Q) -> R,
    R: Future<Output = A> + Send + 'static,
    A: Send + 'static,
{
    type Response = A;
    type Future = BoxFuture<'static, Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { Ok(Response::new(answer.await)) })
    }
}

service! { Deals, "kontor.pipeline.v1.OpportunityService",
    "GetOpportunity" => proto::GetOpportunityRequest, proto::Opportunity, get;
    "ListOpportunities" => proto::ListOpportunitiesRequest, proto::ListOpportunitiesResponse, list;
    "MoveStage" => proto::MoveStageRequest, proto::Opportunity, move_stage;
}

service! { Leads, "kontor.pipeline.v1.LeadService",
    "CreateLead" => proto::CreateLeadRequest, proto::Lead, create_lead;
}

/// The columns of an opportunity, as ours reads them.
pub const DEAL: &str = "id, version, title, partner, pipeline, stage, state, currency, amount, probability, assignee, team, expected_close_date, description, tags, lead, lost_reason, close_time, stage_time, create_time, update_time, attributes, source, contact, rot_time, recurring_amount, recurring_months, rate, rate_date, rate_currency, origin";
const STEP: &str = "id, version, opportunity, title, note, due, due_date, state, deal_title, assignee, team, close_time, closed_by, create_time, update_time";

fn deal(row: &Row<'_>, from: usize) -> rusqlite::Result<proto::Opportunity> {
    let time = |at: usize| {
        let micros: Option<i64> = row.get(from + at)?;
        Ok::<_, rusqlite::Error>(micros.map(|micros| Timestamp { seconds: micros / 1_000_000, nanos: 0 }))
    };
    let currency_code: String = row.get(from + 7)?;
    // An amount as it stands there: no sum is computed.
    let money = |at: usize| {
        let amount: String = row.get(from + at)?;
        Ok::<_, rusqlite::Error>(
            (!amount.is_empty()).then(|| Money { currency_code: currency_code.clone(), amount }),
        )
    };
    let tags: String = row.get(from + 14)?;
    let amount = money(8)?;
    let recurring_months: i32 = row.get(from + 26)?;
    Ok(proto::Opportunity {
        name: format!("opportunities/{}", row.get_ref(from)?.as_str()?),
        etag: format!("v{}", row.get::<_, i64>(from + 1)?),
        title: row.get(from + 2)?,
        partner: row.get(from + 3)?,
        pipeline: row.get(from + 4)?,
        stage: row.get(from + 5)?,
        state: row.get(from + 6)?,
        weighted_amount: amount.clone(),
        amount,
        probability: Some(row.get::<_, Option<i32>>(from + 9)?.unwrap_or(50)),
        assignee: row.get(from + 10)?,
        team: row.get(from + 11)?,
        expected_close_date: row.get(from + 12)?,
        description: row.get(from + 13)?,
        tags: tags.lines().map(str::to_owned).collect(),
        lead: row.get(from + 15)?,
        lost_reason: row.get(from + 16)?,
        close_time: time(17)?,
        stage_time: time(18)?,
        create_time: time(19)?,
        update_time: time(20)?,
        source: row.get(from + 22)?,
        rot_time: time(24)?,
        recurring_amount: money(25)?,
        recurring_months,
        exchange_rate: row.get(from + 27)?,
        exchange_rate_date: row.get(from + 28)?,
        needs_next_step: true,
        score: Some(50.0),
        ..Default::default()
    })
}

fn one(conn: &Connection, id: &str) -> proto::Opportunity {
    let sql = format!("SELECT {DEAL} FROM opportunity WHERE id = $1");
    let mut statement = conn.prepare_cached(&sql).expect("a statement");
    statement.query_row([id], |row| deal(row, 0)).expect("an opportunity")
}

fn rows(conn: &Connection, sql: &str, args: impl rusqlite::Params) -> usize {
    let mut statement = conn.prepare_cached(sql).expect("a statement");
    let mut rows = statement.query(args).expect("rows");
    let mut count = 0;
    while rows.next().expect("a row").is_some() {
        count += 1;
    }
    count
}

fn get(store: Store, request: proto::GetOpportunityRequest) -> Ready<proto::Opportunity> {
    let id = request.name.trim_start_matches("opportunities/");
    ready(store.read(|conn| {
        let found = one(conn, id);
        rows(conn, "SELECT probability FROM stage WHERE name = $1", [&found.stage]);
        let sql = format!("SELECT {STEP} FROM next_step WHERE state = 1 AND opportunity IN ($1)");
        rows(conn, &sql, [&found.name]);
        found
    }))
}

fn list(store: Store, request: proto::ListOpportunitiesRequest) -> Ready<proto::ListOpportunitiesResponse> {
    ready(store.read(|conn| {
        let mut statement = conn.prepare_cached(&request.filter).expect("a statement");
        let found = statement.query_map((), |row| deal(row, 2)).expect("rows");
        let mut opportunities: Vec<proto::Opportunity> =
            found.collect::<Result<_, _>>().expect("opportunities");
        opportunities.truncate(50);
        let stages: BTreeSet<&str> = opportunities.iter().map(|deal| deal.stage.as_str()).collect();
        for stage in stages {
            rows(conn, "SELECT probability FROM stage WHERE name = $1", [stage]);
        }
        let open = opportunities.iter().filter(|deal| deal.state == 1);
        let names: Vec<Value> = open.map(|deal| Value::from(deal.name.clone())).collect();
        if !names.is_empty() {
            let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
            let sql = format!(
                "SELECT {STEP} FROM next_step WHERE state = 1 AND opportunity IN ({})",
                places.join(", ")
            );
            rows(conn, &sql, params_from_iter(names));
        }
        proto::ListOpportunitiesResponse { opportunities, next_page_token: "more".to_owned() }
    }))
}

/// The events and the audit of a group: each with one update of its head.
fn seal(conn: &Connection, subjects: &[Written]) {
    let count = i64::try_from(subjects.len()).expect("a few");
    let head: i64 = conn
        .prepare_cached("UPDATE kit_outbox_head SET sequence = sequence + $1 WHERE id = 1 RETURNING sequence")
        .expect("a statement")
        .query_row([count], |row| row.get(0))
        .expect("the head");
    for (place, Written { subject, partner }) in subjects.iter().enumerate() {
        let sequence = head - count + 1 + i64::try_from(place).expect("a few");
        let event = Event { subject: subject.clone(), partner: partner.clone(), ..Default::default() };
        let sql = "INSERT INTO kit_outbox (sequence, event_id, partner, kind, time, event) VALUES ($1, $2, $3, $4, $5, $6)";
        let id = format!("{sequence:032x}");
        let row =
            params![sequence, id, partner, "kontor.pipeline.v1.LeadCreated", sequence, event.encode_to_vec()];
        conn.prepare_cached(sql).expect("a statement").execute(row).expect("an event");
    }
    let sql = "UPDATE kit_audit_head SET sequence = sequence + $1, hash = $2 WHERE id = 1 RETURNING sequence";
    let head: i64 = conn
        .prepare_cached(sql)
        .expect("a statement")
        .query_row(params![count, [7_u8; 32]], |row| row.get(0))
        .expect("the head");
    for (place, Written { subject, partner }) in subjects.iter().enumerate() {
        let sequence = head - count + 1 + i64::try_from(place).expect("a few");
        let sql = "INSERT INTO kit_audit (sequence, time, action, actor, subject, partner, owner, team, body, value_count, value_data, hash) VALUES ($1, $2, 2, 'users/bench', $3, $4, '', '', $5, 4, $6, $7)";
        let row = params![sequence, sequence, subject, partner, [0_u8; 60], [0_u8; 120], [7_u8; 32]];
        conn.prepare_cached(sql).expect("a statement").execute(row).expect("an entry");
    }
}

async fn create_lead(store: Store, request: proto::CreateLeadRequest) -> proto::Lead {
    let lead = request.lead.expect("a lead");
    store
        .write(move |conn| {
            let now = jiff::Timestamp::now().as_microsecond();
            let id = format!("{now:016x}-{:016x}", now.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let sql = "INSERT INTO lead (id, version, title, contact_name, company_name, email, phone, region, source, description, assignee, team, state, tags, opportunity, create_time, update_time, attributes) VALUES ($1, 1, $2, '', '', $3, '', '', '', '', '', '', 1, '', '', $4, $4, '')";
            conn.prepare_cached(sql)
                .expect("a statement")
                .execute(params![id, lead.title, lead.email, now])
                .expect("a lead");
            // By what it may be a duplicate.
            rows(conn, "SELECT region FROM duplicate_state WHERE id = 1", []);
            rows(conn, "SELECT kind, value FROM duplicate_key WHERE record = $1 ORDER BY kind", [&id]);
            conn.prepare_cached("INSERT INTO duplicate_key (kind, value, record) VALUES (1, $1, $2)")
                .expect("a statement")
                .execute(params![lead.email, id])
                .expect("a key");
            conn.prepare_cached("INSERT INTO duplicate_group (kind, value, records) VALUES (1, $1, 1) ON CONFLICT (kind, value) DO UPDATE SET records = duplicate_group.records + 1")
                .expect("a statement")
                .execute([&lead.email])
                .expect("a group");
            let name = format!("leads/{id}");
            (Written { subject: name.clone(), partner: String::new() }, proto::Lead { name, ..lead })
        })
        .await
}

async fn move_stage(store: Store, request: proto::MoveStageRequest) -> proto::Opportunity {
    store
        .write(move |conn| {
            let id = request.name.trim_start_matches("opportunities/");
            let mut found = one(conn, id);
            // As it was, for the audit.
            one(conn, id);
            rows(conn, "SELECT id, version, display_name, is_default, lost_reason_required FROM pipeline WHERE id = $1", [
                found.pipeline.trim_start_matches("pipelines/"),
            ]);
            rows(conn, "SELECT * FROM stage WHERE pipeline = $1 ORDER BY position", [&found.pipeline]);
            rows(conn, "SELECT probability FROM stage WHERE name = $1", [&found.stage]);
            let now = jiff::Timestamp::now().as_microsecond();
            // Numbered places: SQLite numbers names like $2 in the order in which they stand.
            let moved = conn.prepare_cached("UPDATE opportunity SET version = version + 1, stage = ?2, stage_time = ?3, update_time = ?3 WHERE id = ?1")
                .expect("a statement")
                .execute(params![id, request.stage, now])
                .expect("moved");
            assert_eq!(moved, 1);
            let since: Option<i64> = conn
                .prepare_cached("SELECT valid_from FROM deal_history WHERE opportunity = $1 ORDER BY valid_from DESC LIMIT 1")
                .expect("a statement")
                .query_row([&found.name], |row| row.get(0))
                .ok();
            if let Some(since) = since {
                let ended = conn.prepare_cached("UPDATE deal_history SET valid_until = ?3 WHERE opportunity = ?1 AND valid_from = ?2")
                    .expect("a statement")
                    .execute(params![found.name, since, now])
                    .expect("ended");
                assert_eq!(ended, 1);
            }
            conn.prepare_cached("INSERT INTO deal_history (opportunity, valid_from, valid_until, state, pipeline, stage, currency, amount, probability, close_date, assignee, team) VALUES ($1, $2, 9223372036854775807, 1, $3, $4, '', '', NULL, $5, $6, $7)")
                .expect("a statement")
                .execute(params![found.name, now, found.pipeline, request.stage, found.expected_close_date, found.assignee, found.team])
                .expect("noted");
            rows(conn, "SELECT * FROM next_step WHERE opportunity = $1 AND state = 1", [&found.name]);
            found.stage = request.stage;
            (Written { subject: found.name.clone(), partner: found.partner.clone() }, found)
        })
        .await
}
