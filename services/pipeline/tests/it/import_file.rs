//! Files to import, and how a caller sends them.
//! Called by imports.rs and import_faults.rs.

use bytes::Bytes;
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_leads_request::Part;
use kontor_proto::pipeline::v1::import_service_client::ImportServiceClient;
use tonic::{Status, Streaming};

use crate::world::World;

pub type Answer = proto::ImportLeadsResponse;

/// A file as a spreadsheet would write it.
pub struct File(String);

impl File {
    pub fn of(headings: &[&str]) -> File {
        File(String::new()).row(headings)
    }

    pub fn row(mut self, fields: &[&str]) -> File {
        let quoted = |field: &&str| {
            let needs = field.contains([',', '"', '\n', '\r']);
            if needs { format!("\"{}\"", field.replace('"', "\"\"")) } else { (*field).to_owned() }
        };
        let fields: Vec<String> = fields.iter().map(quoted).collect();
        self.0.push_str(&fields.join(","));
        self.0.push_str("\r\n");
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// The line on which the next row begins.
    fn next_line(&self) -> i64 {
        i64::try_from(self.0.matches('\n').count()).unwrap() + 1
    }
}

/// A file of so many different rows, without external ids.
pub fn numbered(rows: usize) -> Vec<u8> {
    let mut file = File::of(&["title", "email", "phone"]);
    for number in 0..rows {
        file =
            file.row(&[&format!("Lead {number}"), &format!("lead{number}@x.com"), &format!("04{number:08}")]);
    }
    file.bytes()
}

/// A bad row and what must be said of it.
#[derive(Debug)]
pub struct Wrong {
    pub kind: usize,
    pub line: i64,
    pub field: &'static str,
    pub reason: &'static str,
    pub message: &'static str,
}

/// A file with so many rows of which some, spread over it, are bad in fourteen ways. Some good ones have line breaks, so lines are not rows.
pub fn bad_rows(rows: usize, bad: usize) -> (Vec<u8>, Vec<Wrong>) {
    let headings = [
        "external_id",
        "title",
        "contact_name",
        "E-mail",
        "phone",
        "region",
        "assignee",
        "team",
        "tags",
        "attributes.industry",
        "description",
    ];
    let headings = headings.map(|heading| if heading == "E-mail" { "email" } else { heading });
    let mut file = File::of(&headings);
    let mut wrong = Vec::new();
    let long = "x".repeat(501);
    let many: Vec<String> = (0..51).map(|number| format!("t{number}")).collect();
    let many = many.join(";");
    let text = "y".repeat(100_001);
    for number in 0..rows {
        let line = file.next_line();
        let id = format!("id-{number}");
        let title = format!("Lead {number}");
        let description = if number % 10 == 0 { "one\r\ntwo \"quoted\"" } else { "" };
        let mut row = vec![
            &*id,
            &*title,
            "Anna, of Acme",
            "a@x.com",
            "0471 12 34 56",
            "BE",
            "",
            "sales",
            "hot",
            "building",
            description,
        ];
        if number % (rows / bad) == 13 && wrong.len() < bad {
            let kind = wrong.len() % 14;
            let (field, reason, message) = match kind {
                0 => {
                    row[1] = " ";
                    ("title", "INVALID_FIELD", "it is missing")
                }
                1 => {
                    row[3] = "nobody at all";
                    ("email", "INVALID_FIELD", "\"nobody at all\" is no e-mail address")
                }
                2 => {
                    row[4] = &long[..65];
                    ("phone", "INVALID_FIELD", "at most 64 characters")
                }
                3 => {
                    row[5] = "Belgium";
                    ("region", "INVALID_FIELD", "no country code")
                }
                4 => {
                    row[6] = "zoe";
                    ("assignee", "INVALID_FIELD", "users/zoe does not exist")
                }
                5 => {
                    row[7] = "teams/moon";
                    ("team", "INVALID_FIELD", "teams/moon does not exist")
                }
                6 => {
                    row.pop();
                    ("", "COLUMNS", "10 fields where the heading has 11")
                }
                7 => {
                    row.push("more");
                    ("", "COLUMNS", "12 fields where the heading has 11")
                }
                8 => {
                    row[8] = &many;
                    ("tags", "INVALID_FIELD", "at most 50 tags")
                }
                9 => {
                    row[9] = &long[..201];
                    ("attributes.industry", "INVALID_FIELD", "at most 200 characters")
                }
                10 => {
                    row[0] = "id-0";
                    ("external_id", "REPEATED", "line 2 has the same external_id")
                }
                11 => {
                    row[1] = &long;
                    ("title", "INVALID_FIELD", "at most 500 characters")
                }
                12 => {
                    row[2] = "two\nlines";
                    ("contact_name", "INVALID_FIELD", "on one line")
                }
                _ => {
                    row[10] = &text;
                    ("description", "INVALID_FIELD", "at most 100000 characters")
                }
            };
            wrong.push(Wrong { kind, line, field, reason, message });
        }
        file = file.row(&row);
    }
    (file.bytes(), wrong)
}

pub fn settings(source: &str) -> proto::LeadImport {
    proto::LeadImport { source: source.to_owned(), ..Default::default() }
}

/// The messages that send a file.
pub fn messages(settings: proto::LeadImport, file: &[u8]) -> Vec<proto::ImportLeadsRequest> {
    let pieces = file.chunks(100_000).map(|piece| Part::Data(Bytes::copy_from_slice(piece)));
    let parts = std::iter::once(Part::Settings(settings)).chain(pieces);
    parts.map(|part| proto::ImportLeadsRequest { part: Some(part) }).collect()
}

/// Begins an import.
pub async fn start(
    link: &Link,
    caller: &Caller,
    settings: proto::LeadImport,
    file: &[u8],
) -> Result<Streaming<Answer>, Status> {
    let requests = tokio_stream::iter(messages(settings, file));
    let answer = ImportServiceClient::new(link.clone()).import_leads(caller.request(requests)).await?;
    Ok(answer.into_inner())
}

/// Runs one to its end and returns all that it said.
pub async fn import_over(
    link: &Link,
    caller: &Caller,
    settings: proto::LeadImport,
    file: &[u8],
) -> Result<Vec<Answer>, Status> {
    let mut stream = start(link, caller, settings, file).await?;
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await? {
        answers.push(answer);
    }
    Ok(answers)
}

pub async fn import(
    world: &World,
    caller: &Caller,
    settings: proto::LeadImport,
    file: &[u8],
) -> Result<Vec<Answer>, Status> {
    import_over(&world.link, caller, settings, file).await
}

/// The last word of a run that was done.
pub fn last(answers: &[Answer]) -> &Answer {
    let last = answers.last().expect("an answer");
    assert_eq!(last.phase(), proto::ImportPhase::Done);
    last
}

/// All leads that a caller sees.
pub async fn leads(world: &World, caller: &Caller) -> Vec<proto::Lead> {
    let mut all = Vec::new();
    let mut request = proto::ListLeadsRequest { page_size: 1_000, ..Default::default() };
    loop {
        let page =
            world.leads.clone().list_leads(caller.request(request.clone())).await.unwrap().into_inner();
        all.extend(page.leads);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}
