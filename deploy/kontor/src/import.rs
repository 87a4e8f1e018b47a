//! `kontor import leads`: sends a file to the running server and shows the progress, on a terminal as a bar.
//! Called by `main.rs`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_leads_request::Part;
use kontor_proto::pipeline::v1::import_service_client::ImportServiceClient;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// Bytes of a message.
const PIECE: usize = 256 * 1024;
/// Errors that are shown; `--errors` keeps all.
const SHOWN: usize = 20;
/// Errors that are asked for when they are kept.
const KEPT: i32 = 100_000;
/// Bytes received between two lines about it, where there is no bar.
const STEP: i64 = 16 * 1024 * 1024;
/// Variable with the app password.
const TOKEN: &str = "KONTOR_TOKEN";
/// What a shell says of a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What to import and how.
#[derive(Args)]
pub struct Leads {
    /// CSV file with a heading line. Columns: title, contact_name, company_name, email, phone, region, source, description, assignee, team, tags,
    /// external_id, attributes.KEY.
    file: PathBuf,
    /// Where the rows come from: "fair-2026". The same file of the same source creates nothing the second time.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Address of the running server.
    #[arg(long, value_name = "URL", env = "KONTOR_SERVER", default_value = "http://127.0.0.1:8420")]
    server: String,
    /// File with an app password (`kontor token add`); without it the variable KONTOR_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What parts the fields: "," ";" "|" or "tab" [default: found from the heading line].
    #[arg(long, value_name = "C", default_value = "", hide_default_value = true)]
    delimiter: String,
    /// Encoding of the file.
    #[arg(long, default_value = "utf-8")]
    encoding: Encoding,
    /// Which field a column is, by its heading; "-" leaves it out. May be given often.
    #[arg(long = "column", value_name = "HEADING=FIELD", value_parser = column)]
    columns: Vec<(String, String)>,
    /// Leave out columns whose heading is no field.
    #[arg(long)]
    ignore_unknown_columns: bool,
    /// Whose the leads are where a row does not say: "anna".
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    assignee: String,
    /// Whose team's the leads are where a row does not say: "sales" [default: your first team].
    #[arg(long, value_name = "TEAM", default_value = "", hide_default_value = true)]
    team: String,
    /// Tag of every lead. May be given often.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// ISO 3166 country for national telephone numbers of rows that do not say one.
    #[arg(long, value_name = "CC", default_value = "", hide_default_value = true)]
    region: String,
    /// Check the file and say what would happen; write nothing.
    #[arg(long)]
    check: bool,
    /// Keep the errors of rows in this file, as CSV.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Encoding {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "utf-16")]
    Utf16,
    #[value(name = "windows-1252")]
    Windows1252,
}

fn column(text: &str) -> std::result::Result<(String, String), String> {
    let (heading, field) = text.rsplit_once('=').ok_or("write HEADING=FIELD, as in \"E-Mail=email\"")?;
    Ok((heading.to_owned(), field.to_owned()))
}

/// Imports a file. The exit code is 1 when rows were refused, and 130 after Ctrl-C.
///
/// # Errors
/// Those of the file, of the way to the server, and of the import as a whole.
pub async fn leads(given: Leads) -> Result<ExitCode> {
    let token = token(given.token_file.as_deref())?;
    let file = tokio::fs::File::open(&given.file).await.map_err(|cause| unreadable(&given.file, &cause))?;
    let size = file.metadata().await.map_err(|cause| unreadable(&given.file, &cause))?.len();
    let mut report = Report::new(given.errors.as_deref())?;
    let mut client = ImportServiceClient::new(channel(&given.server).await?);
    let (pieces, receiver) = mpsc::channel(4);
    let first = Part::Settings(settings(&given, size));
    let reading = tokio::spawn(read(file, first, pieces));
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", token);
    // One for all waits: a signal between two of them must not be lost.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let answers = tokio::select! {
        answers = client.import_leads(request) => answers.map_err(refused)?.into_inner(),
        _ = &mut interrupt => return Ok(report.interrupted()),
    };
    let outcome = tokio::select! {
        outcome = follow(answers, &mut report) => outcome,
        // Dropping the stream tells the server, which stops between two batches.
        _ = &mut interrupt => Ok(End::Interrupted),
    };
    if reading.is_finished()
        && let Ok(Err(cause)) = reading.await
    {
        report.clear();
        return Err(unreadable(&given.file, &cause));
    }
    match outcome? {
        End::Done => report.finish(given.check),
        End::Interrupted => Ok(report.interrupted()),
    }
}

enum End {
    Done,
    Interrupted,
}

async fn follow(mut answers: Streaming<proto::ImportLeadsResponse>, report: &mut Report) -> Result<End> {
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                let done = answer.phase() == proto::ImportPhase::Done;
                report.take(answer)?;
                if done {
                    return Ok(End::Done);
                }
            }
            Ok(None) => {
                report.clear();
                let message = "the connection ended before the import was done: run the same command again to go on, nothing is created twice";
                return Err(Error::unavailable(message));
            }
            Err(status) => {
                report.clear();
                return Err(refused(status));
            }
        }
    }
}

/// Sends the file, at the pace at which the server takes it.
async fn read(
    mut file: tokio::fs::File,
    first: Part,
    pieces: mpsc::Sender<proto::ImportLeadsRequest>,
) -> std::io::Result<()> {
    let mut next = Some(first);
    while let Some(part) = next {
        // The server may have ended it: then its answer says why.
        if pieces.send(proto::ImportLeadsRequest { part: Some(part) }).await.is_err() {
            return Ok(());
        }
        let mut piece = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut piece).await?;
        next = (!piece.is_empty()).then(|| Part::Data(piece.into()));
    }
    Ok(())
}

fn settings(given: &Leads, size: u64) -> proto::LeadImport {
    let full = |collection: &str, name: &str| {
        if name.is_empty() || name.contains('/') { name.to_owned() } else { format!("{collection}/{name}") }
    };
    let encoding = match given.encoding {
        Encoding::Utf8 => proto::TextEncoding::Utf8,
        Encoding::Utf16 => proto::TextEncoding::Utf16,
        Encoding::Windows1252 => proto::TextEncoding::Windows1252,
    };
    proto::LeadImport {
        source: given.source.clone(),
        delimiter: if given.delimiter == "tab" { "\t".to_owned() } else { given.delimiter.clone() },
        encoding: encoding.into(),
        columns: given.columns.iter().cloned().collect::<BTreeMap<_, _>>(),
        ignore_unknown_columns: given.ignore_unknown_columns,
        validate_only: given.check,
        assignee: full("users", &given.assignee),
        team: full("teams", &given.team),
        tags: given.tags.clone(),
        region: given.region.clone(),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        max_errors: if given.errors.is_some() { KEPT } else { 0 },
    }
}

/// The app password as a header. It is never an argument: those are seen by everybody on the machine.
pub(crate) fn token(file: Option<&Path>) -> Result<MetadataValue<Ascii>> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|cause| unreadable(path, &cause))?,
        None => std::env::var(TOKEN).map_err(|_| {
            Error::invalid("token", format!("set {TOKEN} or name a --token-file: `kontor token add USER --name import` makes an app password"))
        })?,
    };
    let header = format!("Bearer {}", text.trim()).parse::<MetadataValue<Ascii>>();
    let mut header = header.map_err(|_| Error::invalid("token", "it is no app password"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A connection to the running server.
pub(crate) async fn channel(server: &str) -> Result<Channel> {
    if !server.starts_with("http://") {
        let message = format!(
            "{server:?}: use an address like http://127.0.0.1:8420; Kontor itself speaks plain HTTP, so run the command on its machine or through a tunnel (ssh -L)"
        );
        return Err(Error::invalid("server", message));
    }
    let endpoint =
        Endpoint::from_shared(server.to_owned()).map_err(|cause| Error::invalid("server", cause))?;
    let endpoint = endpoint.connect_timeout(std::time::Duration::from_secs(10));
    endpoint.connect().await.map_err(|cause| {
        tracing::debug!(?cause, "no connection");
        Error::unavailable(format!("{server} can't be reached: is `kontor serve` running there?"))
    })
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("file", format!("can't read {}: {cause}", path.display()))
}

/// What the server said, with what to do when it does not know the app password.
pub(crate) fn refused(status: Status) -> Error {
    match status.code() {
        Code::Unauthenticated => Error::unauthenticated(format!(
            "{}: the app password in {TOKEN} or --token-file is not known there",
            status.message()
        )),
        _ => status.into(),
    }
}

/// What people see of it.
struct Report {
    last: proto::ImportLeadsResponse,
    errors: Option<(PathBuf, std::io::BufWriter<std::fs::File>)>,
    first: Vec<proto::ImportError>,
    bar: bool,
    /// Phase and part of it that was last told, where there is no bar.
    told: Option<(i32, i64)>,
}

impl Report {
    fn new(errors: Option<&Path>) -> Result<Report> {
        let errors = match errors {
            None => None,
            Some(path) => {
                let file = std::fs::File::create(path).map_err(|cause| unwritable(path, &cause))?;
                let mut file = std::io::BufWriter::new(file);
                file.write_all(b"line,column,field,reason,message\r\n")
                    .map_err(|cause| unwritable(path, &cause))?;
                Some((path.to_owned(), file))
            }
        };
        let bar = std::io::stderr().is_terminal();
        Ok(Report { last: proto::ImportLeadsResponse::default(), errors, first: Vec::new(), bar, told: None })
    }

    fn take(&mut self, mut answer: proto::ImportLeadsResponse) -> Result<()> {
        for error in std::mem::take(&mut answer.errors) {
            if let Some((path, file)) = &mut self.errors {
                let line = format!(
                    "{},{},{},{},{}\r\n",
                    error.line,
                    error.column,
                    quoted(&error.field),
                    quoted(&error.reason),
                    quoted(&error.message)
                );
                file.write_all(line.as_bytes()).map_err(|cause| unwritable(path, &cause))?;
            }
            if self.first.len() < SHOWN {
                self.first.push(error);
            }
        }
        self.last = answer;
        self.show();
        Ok(())
    }

    fn show(&mut self) {
        let last = &self.last;
        let line = if last.phase() == proto::ImportPhase::Receiving {
            format!("checking: {} KiB, {} rows", last.received_bytes / 1024, last.total_rows)
        } else {
            format!("{} of {} rows: {}", last.done_rows, last.total_rows, counts(last))
        };
        if self.bar {
            let filled = usize::try_from(20 * last.done_rows / last.total_rows.max(1)).unwrap_or(0).min(20);
            // Over what stands there, and the rest of that line is cleared.
            eprint!("\r[{}{}] {line}\x1b[K", "#".repeat(filled), "-".repeat(20 - filled));
            return;
        }
        let part = if last.phase() == proto::ImportPhase::Receiving {
            last.received_bytes / STEP
        } else {
            10 * last.done_rows / last.total_rows.max(1)
        };
        let now = Some((last.phase, part));
        // The last message only says that all is done, and the summary says it too.
        if self.told != now && last.phase() != proto::ImportPhase::Done {
            self.told = now;
            eprintln!("{line}");
        }
    }

    /// Makes room on the terminal for what comes.
    fn clear(&self) {
        if self.bar && self.last.phase != 0 {
            eprintln!();
        }
    }

    fn interrupted(&self) -> ExitCode {
        self.clear();
        eprintln!(
            "stopped after {} rows ({}); what is written stays. Run the same command again to go on: nothing is created twice",
            self.last.done_rows,
            counts(&self.last)
        );
        ExitCode::from(INTERRUPTED)
    }

    fn finish(mut self, check: bool) -> Result<ExitCode> {
        self.clear();
        if let Some((path, file)) = &mut self.errors {
            file.flush().map_err(|cause| unwritable(path, &cause))?;
        }
        let word = if check { "nothing was written; it would be " } else { "" };
        println!("{} rows: {word}{}", self.last.total_rows, counts(&self.last));
        let failed = self.last.failed_rows;
        if failed == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        print!("{}", table(&self.first));
        let more = failed - i64::try_from(self.first.len()).unwrap_or(0);
        if more > 0 {
            println!("and {more} more");
        }
        match &self.errors {
            Some((path, _)) => println!("all of them stand in {}", path.display()),
            None if more > 0 => println!("--errors FILE keeps them all"),
            None => {}
        }
        if self.errors.is_some() && self.last.unreported_errors > 0 {
            println!("but {}, which were only counted", self.last.unreported_errors);
        }
        Ok(ExitCode::FAILURE)
    }
}

fn counts(of: &proto::ImportLeadsResponse) -> String {
    format!(
        "{} created, {} updated, {} unchanged, {} failed",
        of.created_rows, of.updated_rows, of.unchanged_rows, of.failed_rows
    )
}

fn table(errors: &[proto::ImportError]) -> String {
    let row = |error: &proto::ImportError| {
        [error.line.to_string(), plain(&error.field), error.reason.clone(), plain(&error.message)]
    };
    let head = ["line", "field", "reason", "message"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(errors.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[number, field, reason, message]: &[String; 4]| {
        let [a, b, c] = widths;
        format!("{number:>a$}  {field:<b$}  {reason:<c$}  {message}\n")
    };
    rows.iter().map(line).collect()
}

/// Text of a file on a terminal: nothing in it may move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("errors", format!("can't write {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_a_table_that_fits_and_moves_no_cursor() {
        let error = |line, field: &str, message: &str| proto::ImportError {
            line,
            field: field.to_owned(),
            reason: "INVALID_FIELD".to_owned(),
            message: message.to_owned(),
            ..Default::default()
        };
        let text = table(&[error(7, "email", "wrong\x1b[2J"), error(1_000, "a", "b")]);
        let wanted = "line  field  reason         message\n   7  email  INVALID_FIELD  wrong [2J\n1000  a      INVALID_FIELD  b\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_column_is_mapped_by_the_last_equals_sign() {
        assert_eq!(column("E-Mail=email").unwrap(), ("E-Mail".to_owned(), "email".to_owned()));
        assert_eq!(column("a=b=title").unwrap().0, "a=b");
        assert!(column("email").is_err());
    }
}
