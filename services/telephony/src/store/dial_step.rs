//! What comes after somebody answered a dialler, on its way to the telephone system: to be connected to an operator, or to be hung up. Each goes out once at most.
//! Written by dialler/answered.rs; taken and put back by connectors/dialler.rs.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Result, args};

/// One step of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Id of the call.
    pub call: String,
    /// Id of the connector.
    pub connector: String,
    /// The telephone system's id of the call, which is that of its first leg.
    pub external_id: String,
    /// When it is too late: whoever waits was hung up by the dial plan.
    pub until: i64,
    /// The dial plan context of the extension.
    pub context: String,
    /// The operator's extension; empty to hang up.
    pub exten: String,
}

const COLUMNS: &str = "call, connector, external_id, until_time, context, exten";

fn step(row: &Row<'_>) -> Result<Step> {
    Ok(Step {
        call: row.string(0)?,
        connector: row.string(1)?,
        external_id: row.string(2)?,
        until: row.int(3)?,
        context: row.string(4)?,
        exten: row.string(5)?,
    })
}

/// Adds one that waits.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, step: &Step) -> Result<()> {
    let sql = "INSERT INTO dial_step (call, connector, external_id, until_time, context, exten) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (call) DO NOTHING";
    let args = args![&step.call, &step.connector, &step.external_id, step.until, &step.context, &step.exten];
    tx.execute(sql, args)?;
    Ok(())
}

/// Whether any waits for this connector.
///
/// # Errors
/// Those of the database.
pub fn waits(conn: &mut Conn<'_>, connector: &str) -> Result<bool> {
    Ok(conn
        .one("SELECT 1 FROM dial_step WHERE connector = $1 LIMIT 1", args![connector], |_| Ok(()))?
        .is_some())
}

/// Takes those that wait if `owner` holds the connector's session now; those that are too late go away. Whoever gets one is the only one, and gets it once.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, connector: &str, owner: &str) -> Result<Vec<Step>> {
    if !super::state::holds(tx, connector, owner)? {
        return Ok(Vec::new());
    }
    let now = tx.now();
    let sql = format!("DELETE FROM dial_step WHERE connector = $1 RETURNING {COLUMNS}");
    let mut taken = tx.all(&sql, args![connector], step)?;
    taken.retain(|step| step.until > now);
    Ok(taken)
}
