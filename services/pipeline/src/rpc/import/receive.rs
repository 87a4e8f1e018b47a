//! The first pass: the file comes in pieces, goes to a temporary file, and its whole structure is checked on the way. Nothing is written before it
//! has all come and is whole.
//! Called by the service.

use std::path::Path;
use std::time::Duration;

use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::{import_leads_request, import_opportunities_request};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tonic::{Code, Status, Streaming};

use super::progress::Progress;
use super::settings::{Given, Settings};
use crate::domain::csv::{Fault, Reader, Record};
use crate::domain::import::Columns;

/// Bytes of a file at most.
pub(super) const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Rows of a file at most.
const ROWS: u64 = 1_000_000;
/// Bytes of a piece at most.
const PIECE: usize = 1024 * 1024;
/// How long the next piece is waited for.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the whole file may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A whole file with its columns, to be read from its beginning.
pub(super) struct Spool {
    pub file: File,
    pub columns: Columns,
}

/// The messages of a caller.
pub(super) enum Pieces {
    Leads(Streaming<proto::ImportLeadsRequest>),
    Opportunities(Streaming<proto::ImportOpportunitiesRequest>),
}

/// One of them.
pub(super) enum Part {
    Settings(Box<Given>),
    Data(Vec<u8>),
}

impl Pieces {
    /// The next message; none when the caller has closed its side.
    pub(super) async fn next(&mut self) -> Result<Option<Part>> {
        tokio::time::timeout(SILENCE, self.message())
            .await
            .map_err(|_| late())??
            .map(|part| part.ok_or_else(|| Error::invalid("part", "a message needs settings or data")))
            .transpose()
    }

    async fn message(&mut self) -> std::result::Result<Option<Option<Part>>, Status> {
        use import_leads_request::Part as OfLeads;
        use import_opportunities_request::Part as OfDeals;
        Ok(match self {
            Pieces::Leads(messages) => messages.message().await?.map(|message| {
                message.part.map(|part| match part {
                    OfLeads::Settings(given) => Part::Settings(Box::new(given.into())),
                    OfLeads::Data(bytes) => Part::Data(bytes.into()),
                })
            }),
            Pieces::Opportunities(messages) => messages.message().await?.map(|message| {
                message.part.map(|part| match part {
                    OfDeals::Settings(given) => Part::Settings(Box::new(given.into())),
                    OfDeals::Data(bytes) => Part::Data(bytes.into()),
                })
            }),
        })
    }
}

/// Takes the file.
pub(super) async fn receive(
    folder: &Path,
    pieces: &mut Pieces,
    settings: &Settings,
    progress: &mut Progress,
) -> Result<Spool> {
    let begun = tokio::time::Instant::now();
    let mut file = spool(folder).await?;
    let mut check = Check::new(settings);
    while let Some(part) = pieces.next().await? {
        let Part::Data(bytes) = part else {
            return Err(Error::invalid("settings", "they come once, as the first message"));
        };
        if bytes.len() > PIECE {
            return Err(Error::invalid("data", format!("send at most {PIECE} bytes in a message")));
        }
        if begun.elapsed() > PATIENCE {
            return Err(late());
        }
        progress.received += bytes.len() as u64;
        if progress.received > FILE_BYTES {
            return Err(too_large());
        }
        check.push(&bytes)?;
        progress.rows = check.rows;
        file.write_all(&bytes).await.map_err(no_disk)?;
        progress.received();
    }
    if let Some(size) = settings.size.filter(|size| *size != progress.received) {
        let message = format!(
            "{} bytes came of {size}: the file was cut short or changed, send it again",
            progress.received
        );
        return Err(Error::invalid("settings.size_bytes", message));
    }
    let columns = check.end()?;
    file.flush().await.map_err(no_disk)?;
    file.rewind().await.map_err(no_disk)?;
    progress.all_received().await?;
    Ok(Spool { file, columns })
}

/// A file without a name, only for this process: it is gone when it is closed, also after a kill.
async fn spool(folder: &Path) -> Result<File> {
    let folder = folder.to_owned();
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
    Ok(File::from_std(made.map_err(Error::internal)?.map_err(no_disk)?))
}

/// The structure of the file so far.
struct Check<'a> {
    settings: &'a Settings,
    reader: Reader,
    columns: Option<Columns>,
    rows: u64,
}

impl Check<'_> {
    fn new(settings: &Settings) -> Check<'_> {
        Check { settings, reader: Reader::new(settings.encoding, settings.delimiter), columns: None, rows: 0 }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut heading = None;
        let outcome =
            self.reader.push(bytes, &mut noting(&mut heading, self.columns.is_some(), &mut self.rows));
        self.after(heading, outcome)
    }

    fn end(mut self) -> Result<Columns> {
        let mut heading = None;
        let outcome = self.reader.end(&mut noting(&mut heading, self.columns.is_some(), &mut self.rows));
        self.after(heading, outcome)?;
        self.columns.ok_or_else(|| {
            Error::invalid("data", "line 1: the file is empty: its first line names the columns")
                .with("line", "1")
        })
    }

    fn after(&mut self, heading: Option<Record>, outcome: std::result::Result<(), Fault>) -> Result<()> {
        if let Some(record) = heading {
            let settings = self.settings;
            self.columns = Some(Columns::read(
                settings.scope.kind,
                &record.fields,
                &settings.columns,
                settings.ignore_unknown_columns,
            )?);
        }
        outcome.map_err(|fault| refused(&fault, self.columns.as_ref()))?;
        if self.rows > ROWS {
            let message = format!("the file has more than {ROWS} rows: send it in parts");
            return Err(Error::new(Code::InvalidArgument, "CSV_TOO_MANY_ROWS", message));
        }
        Ok(())
    }
}

/// Keeps the first record and counts the others.
fn noting(heading: &mut Option<Record>, has_columns: bool, rows: &mut u64) -> impl FnMut(Record) {
    move |record| {
        if has_columns || heading.is_some() {
            *rows += 1;
        } else {
            *heading = Some(record);
        }
    }
}

/// A fault of the file as an answer: line and column, the heading where it is known, the byte where it matters.
pub(super) fn refused(fault: &Fault, columns: Option<&Columns>) -> Error {
    let field = columns.and_then(|columns| columns.heading(fault.column)).unwrap_or_default();
    let named = if field.is_empty() { String::new() } else { format!(" ({field:?})") };
    let byte = fault.byte.map(|byte| format!(", byte {byte} of the file")).unwrap_or_default();
    let place = format!("line {}, column {}{named}{byte}", fault.line, fault.column);
    let mut error = Error::new(Code::InvalidArgument, fault.reason, format!("{place}: {}", fault.message))
        .with("line", fault.line.to_string())
        .with("column", fault.column.to_string())
        .with("field", field);
    if let Some(byte) = fault.byte {
        error = error.with("byte", byte.to_string());
    }
    error
}

pub(super) fn too_large() -> Error {
    let message = format!(
        "the file has more than {FILE_BYTES} bytes (256 MiB): send it in parts, each with the heading line"
    );
    Error::new(Code::InvalidArgument, "CSV_TOO_LARGE", message)
}

fn late() -> Error {
    let message = "the file did not come in time: send it again, nothing is created twice";
    Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

pub(super) fn no_disk(cause: std::io::Error) -> Error {
    tracing::warn!(%cause, "an import's temporary file failed");
    Error::unavailable(
        "the server can't keep the file, its disk may be full: nothing of the file is lost on your side, try again later",
    )
}
