//! `kontor import`: sends a file of leads or opportunities to the running server and shows the progress, on a terminal as a bar; and lists past imports.
//! Called by `main.rs`.

mod report;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use kontor_kit::{Error, Result, clock};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_service_client::ImportServiceClient;
use kontor_proto::pipeline::v1::{import_leads_request, import_opportunities_request};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::server::{Server, refused};
use report::{Report, aligned, plain};

/// Bytes of a message.
const PIECE: usize = 256 * 1024;
/// Errors that are asked for when they are kept.
const KEPT: i32 = 100_000;

/// What to import, or to list.
#[derive(Subcommand)]
pub enum Command {
    /// Import leads from a CSV file. Sent again, it goes on where it was cut off, and creates nothing twice.
    Leads(Leads),
    /// Import opportunities from a CSV file. Sent again, it goes on where it was cut off, and creates nothing twice.
    Opportunities(Opportunities),
    /// List the imports that were begun, newest first.
    List(List),
}

/// A file of leads.
#[derive(Args)]
pub struct Leads {
    /// CSV file with a heading line. Columns: title, contact_name, company_name, email, phone, region, source, description, assignee, team, tags,
    /// external_id, attributes.KEY.
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// ISO 3166 country for national telephone numbers of rows that do not say one.
    #[arg(long, value_name = "CC", default_value = "", hide_default_value = true)]
    region: String,
}

/// A file of opportunities.
#[derive(Args)]
pub struct Opportunities {
    /// CSV file with a heading line. Columns: title, partner, pipeline, stage, amount, currency, recurring_amount, recurring_months, probability,
    /// expected_close_date, source, description, assignee, team, tags, external_id, attributes.KEY.
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// Pipeline of rows that do not say one [default: the default pipeline].
    #[arg(long, value_name = "PIPELINE", default_value = "", hide_default_value = true)]
    pipeline: String,
    /// ISO 4217 currency of amounts whose row does not say one; such rows are refused without it.
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    currency: String,
}

/// Which imports to list.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    server: Server,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    limit: i32,
}

/// How a file is read, whatever its rows become.
#[derive(Args)]
struct How {
    /// Where the rows come from: "fair-2026". The same file of the same source creates nothing the second time.
    #[arg(long, value_name = "NAME")]
    source: String,
    #[command(flatten)]
    server: Server,
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
    /// Whose the records are where a row does not say: "anna".
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    assignee: String,
    /// Whose team's the records are where a row does not say: "sales" [default: your first team].
    #[arg(long, value_name = "TEAM", default_value = "", hide_default_value = true)]
    team: String,
    /// Tag of every record. May be given often.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
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

/// Imports a file, or lists imports. The exit code is 1 when rows were refused, and 130 after Ctrl-C.
///
/// # Errors
/// Those of the file, of the way to the server, and of the import as a whole.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Leads(given) => leads(given).await,
        Command::Opportunities(given) => opportunities(given).await,
        Command::List(given) => list(given).await,
    }
}

async fn leads(given: Leads) -> Result<ExitCode> {
    use import_leads_request::Part;
    send(&given.file, &given.how, async |mut client: Client, how: &How, source: Source| {
        let first = Part::Settings(lead_settings(how, &given, source.size));
        let request = source.request(move |piece| proto::ImportLeadsRequest {
            part: Some(piece.map_or_else(|| first.clone(), |bytes| Part::Data(bytes.into()))),
        });
        let answers = client.import_leads(request).await?.into_inner();
        Ok(Box::pin(answers) as Answers)
    })
    .await
}

async fn opportunities(given: Opportunities) -> Result<ExitCode> {
    use import_opportunities_request::Part;
    send(&given.file, &given.how, async |mut client: Client, how: &How, source: Source| {
        let first = Part::Settings(opportunity_settings(how, &given, source.size));
        let request = source.request(move |piece| proto::ImportOpportunitiesRequest {
            part: Some(piece.map_or_else(|| first.clone(), |bytes| Part::Data(bytes.into()))),
        });
        let answers = client.import_opportunities(request).await?.into_inner();
        Ok(Box::pin(answers.map(|answer| answer.map(same))) as Answers)
    })
    .await
}

type Client = ImportServiceClient<Channel>;
type Answers = Pin<Box<dyn Stream<Item = std::result::Result<proto::ImportLeadsResponse, Status>> + Send>>;

/// A file on its way to the server.
struct Source {
    size: u64,
    token: MetadataValue<Ascii>,
    /// Nothing at first, which stands for the settings; then its bytes.
    pieces: mpsc::Receiver<Option<Vec<u8>>>,
}

impl Source {
    fn request<M: Send + 'static>(
        self,
        message: impl FnMut(Option<Vec<u8>>) -> M + Send + 'static,
    ) -> Request<impl Stream<Item = M> + Send + 'static> {
        let mut request = Request::new(ReceiverStream::new(self.pieces).map(message));
        request.metadata_mut().insert("authorization", self.token);
        request
    }
}

/// Sends a file and shows what comes of it. `ask` begins the call.
async fn send(
    path: &Path,
    how: &How,
    ask: impl AsyncFnOnce(Client, &How, Source) -> std::result::Result<Answers, Status>,
) -> Result<ExitCode> {
    let token = how.server.token()?;
    let file = tokio::fs::File::open(path).await.map_err(|cause| unreadable(path, &cause))?;
    let size = file.metadata().await.map_err(|cause| unreadable(path, &cause))?.len();
    let mut report = Report::new(how)?;
    let client = ImportServiceClient::new(how.server.channel().await?);
    let (sender, pieces) = mpsc::channel(4);
    let reading = tokio::spawn(read(file, sender));
    // One for all waits: a signal between two of them must not be lost.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let answers = tokio::select! {
        answers = ask(client, how, Source { size, token, pieces }) => answers.map_err(refused)?,
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
        return Err(unreadable(path, &cause));
    }
    match outcome? {
        End::Done => report.finish(),
        End::Interrupted => Ok(report.interrupted()),
    }
}

enum End {
    Done,
    Interrupted,
}

async fn follow(mut answers: Answers, report: &mut Report) -> Result<End> {
    loop {
        match answers.next().await {
            Some(Ok(answer)) => {
                let done = answer.phase() == proto::ImportPhase::Done;
                report.take(answer)?;
                if done {
                    return Ok(End::Done);
                }
            }
            None => {
                report.clear();
                let message = "the connection ended before the import was done: run the same command again to go on, nothing is created twice";
                return Err(Error::unavailable(message));
            }
            Some(Err(status)) => {
                report.clear();
                return Err(refused(status));
            }
        }
    }
}

/// Reads the file, at the pace at which the server takes it.
async fn read(mut file: tokio::fs::File, pieces: mpsc::Sender<Option<Vec<u8>>>) -> std::io::Result<()> {
    let mut next = Some(None);
    while let Some(piece) = next {
        // The server may have ended it: then its answer says why.
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
        let mut piece = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut piece).await?;
        next = (!piece.is_empty()).then_some(Some(piece));
    }
    Ok(())
}

fn lead_settings(how: &How, given: &Leads, size: u64) -> proto::LeadImport {
    proto::LeadImport {
        source: how.source.clone(),
        delimiter: how.delimiter(),
        encoding: how.encoding(),
        columns: how.columns.iter().cloned().collect(),
        ignore_unknown_columns: how.ignore_unknown_columns,
        validate_only: how.check,
        assignee: full("users", &how.assignee),
        team: full("teams", &how.team),
        tags: how.tags.clone(),
        region: given.region.clone(),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        max_errors: how.max_errors(),
    }
}

fn opportunity_settings(how: &How, given: &Opportunities, size: u64) -> proto::OpportunityImport {
    proto::OpportunityImport {
        source: how.source.clone(),
        delimiter: how.delimiter(),
        encoding: how.encoding(),
        columns: how.columns.iter().cloned().collect(),
        ignore_unknown_columns: how.ignore_unknown_columns,
        validate_only: how.check,
        assignee: full("users", &how.assignee),
        team: full("teams", &how.team),
        tags: how.tags.clone(),
        pipeline: full("pipelines", &given.pipeline),
        currency_code: given.currency.clone(),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        max_errors: how.max_errors(),
    }
}

impl How {
    fn delimiter(&self) -> String {
        if self.delimiter == "tab" { "\t".to_owned() } else { self.delimiter.clone() }
    }

    fn encoding(&self) -> i32 {
        let encoding = match self.encoding {
            Encoding::Utf8 => proto::TextEncoding::Utf8,
            Encoding::Utf16 => proto::TextEncoding::Utf16,
            Encoding::Windows1252 => proto::TextEncoding::Windows1252,
        };
        encoding.into()
    }

    fn max_errors(&self) -> i32 {
        if self.errors.is_some() { KEPT } else { 0 }
    }
}

/// "sales" is "teams/sales".
fn full(collection: &str, name: &str) -> String {
    if name.is_empty() || name.contains('/') { name.to_owned() } else { format!("{collection}/{name}") }
}

/// The two answers have the same fields.
fn same(answer: proto::ImportOpportunitiesResponse) -> proto::ImportLeadsResponse {
    proto::ImportLeadsResponse {
        phase: answer.phase,
        received_bytes: answer.received_bytes,
        total_rows: answer.total_rows,
        done_rows: answer.done_rows,
        created_rows: answer.created_rows,
        updated_rows: answer.updated_rows,
        unchanged_rows: answer.unchanged_rows,
        failed_rows: answer.failed_rows,
        errors: answer.errors,
        unreported_errors: answer.unreported_errors,
        import: answer.import,
    }
}

async fn list(given: List) -> Result<ExitCode> {
    let request =
        given.server.request(proto::ListImportsRequest { page_size: given.limit, ..Default::default() })?;
    let mut client = ImportServiceClient::new(given.server.channel().await?);
    let imports = client.list_imports(request).await.map_err(refused)?.into_inner().imports;
    let head = ["begun", "of", "source", "by", "state", "rows", "created", "updated", "unchanged", "failed"];
    let rows: Vec<Vec<String>> = imports.iter().map(past).collect();
    print!("{}", aligned(&head, &rows));
    Ok(ExitCode::SUCCESS)
}

fn past(import: &proto::Import) -> Vec<String> {
    let begun = import.create_time.as_ref().map(clock::from_proto);
    let begun = begun.and_then(|time| jiff::Timestamp::from_microsecond(time).ok());
    let word = |text: &str, prefix: &str| text.strip_prefix(prefix).unwrap_or(text).to_lowercase();
    let user = import.user.strip_prefix("users/").unwrap_or(&import.user);
    vec![
        begun.map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default(),
        word(import.kind().as_str_name(), "IMPORT_KIND_"),
        plain(&import.source),
        plain(user),
        word(import.state().as_str_name(), "IMPORT_STATE_"),
        import.total_rows.to_string(),
        import.created_rows.to_string(),
        import.updated_rows.to_string(),
        import.unchanged_rows.to_string(),
        import.failed_rows.to_string(),
    ]
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("file", format!("can't read {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_mapped_by_the_last_equals_sign() {
        assert_eq!(column("E-Mail=email").unwrap(), ("E-Mail".to_owned(), "email".to_owned()));
        assert_eq!(column("a=b=title").unwrap().0, "a=b");
        assert!(column("email").is_err());
    }
}
