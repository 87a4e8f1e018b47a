//! What imports there were: ListImports and GetImport.
//! Called by the service.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::page::Query;
use kontor_kit::{Result, clock, id};
use kontor_proto::pipeline::v1 as proto;

use crate::store;
use crate::store::import_run::{Run, State};

/// A run of which nothing is heard for so long was cut off: microseconds. A batch takes far less, and so does a caller who does not read.
const SILENCE: i64 = 600 * 1_000_000;

pub(super) async fn list(
    db: &Db,
    caller: Caller,
    request: proto::ListImportsRequest,
) -> Result<proto::ListImportsResponse> {
    let proto::ListImportsRequest { page_size, page_token, filter, order_by } = request;
    let (query, now) = (Query { page_size, page_token, filter, order_by }, db.clock().now());
    let page = db.read(move |conn| store::import_run::list(conn, &caller, &query)).await?;
    let page = page.map(|run| to_proto(run, now));
    Ok(proto::ListImportsResponse { imports: page.rows, next_page_token: page.next_page_token })
}

pub(super) async fn get(db: &Db, caller: Caller, name: &str) -> Result<proto::Import> {
    let (run, now) = (id::parse("imports", name, "name")?.to_owned(), db.clock().now());
    let run = db.read_few(move |conn| store::import_run::get(conn, &caller, &run)).await?;
    Ok(to_proto(run, now))
}

fn to_proto(run: Run, now: i64) -> proto::Import {
    let silent = run.state == State::Running && now - run.update_time > SILENCE;
    proto::Import {
        name: format!("imports/{}", run.id),
        kind: run.kind as i32,
        source: run.source,
        user: run.user,
        team: run.team,
        state: if silent { State::Interrupted } else { run.state } as i32,
        total_rows: run.counts.total,
        created_rows: run.counts.created,
        updated_rows: run.counts.updated,
        unchanged_rows: run.counts.unchanged,
        failed_rows: run.counts.failed,
        failure: run.failure,
        create_time: Some(clock::to_proto(run.create_time)),
        update_time: Some(clock::to_proto(run.update_time)),
        end_time: run.end_time.map(clock::to_proto),
    }
}
