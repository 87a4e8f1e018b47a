//! What a service's tests ask of its audit: all entries about a subject, whether the chain is whole, and which tables its SQL writes.
//! Called by the tests of row H4.

use std::collections::BTreeSet;
use std::path::Path;

use kontor_kit::link::Link;
use kontor_proto::r#type::v1::{
    AuditEntry, ListAuditEntriesRequest, ListAuditEntriesResponse, VerifyAuditRequest, VerifyAuditResponse,
};
use tonic::client::Grpc;
use tonic::{Request, Status};

use crate::admin;

/// A service's AuditService, by its package: the methods have the same messages everywhere.
#[derive(Clone)]
pub struct Audit {
    link: Link,
    package: &'static str,
}

impl Audit {
    /// That of the package `kontor.{package}.v1`.
    pub fn new(link: &Link, package: &'static str) -> Audit {
        Audit { link: link.clone(), package }
    }

    fn path(&self, method: &str) -> http::uri::PathAndQuery {
        let path = format!("/kontor.{}.v1.AuditService/{method}", self.package);
        http::uri::PathAndQuery::try_from(path).expect("a path")
    }

    /// A page, as any caller gets it.
    ///
    /// # Errors
    /// Those of the method.
    ///
    /// # Panics
    /// When the service is gone.
    pub async fn list(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<ListAuditEntriesResponse, Status> {
        let mut client = Grpc::new(self.link.clone());
        client.ready().await.expect("the service is there");
        let codec = tonic_prost::ProstCodec::default();
        let answer = client.unary(request, self.path("ListAuditEntries"), codec).await?;
        Ok(answer.into_inner())
    }

    /// What administrators read about a subject, oldest first.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn of(&self, subject: &str) -> Vec<AuditEntry> {
        let request =
            ListAuditEntriesRequest { subject: subject.to_owned(), page_size: 1_000, ..Default::default() };
        let mut entries = self.list(admin().request(request)).await.expect("listed").entries;
        entries.reverse();
        entries
    }

    /// Checks the whole chain and returns its last word.
    ///
    /// # Panics
    /// When it is damaged.
    pub async fn whole(&self) -> VerifyAuditResponse {
        let mut client = Grpc::new(self.link.clone());
        client.ready().await.expect("the service is there");
        let codec = tonic_prost::ProstCodec::default();
        let request = admin().request(VerifyAuditRequest::default());
        let answer = client.server_streaming(request, self.path("VerifyAudit"), codec).await;
        let mut answers = answer.expect("the check begins").into_inner();
        let mut last: Option<VerifyAuditResponse> = None;
        while let Some(answer) = answers.message().await.expect("no error") {
            last = Some(answer);
        }
        let last = last.expect("an answer");
        assert!(last.done && last.damage.is_none(), "{last:?}");
        last
    }
}

/// One line an entry, for comparing: "UPDATE anna by UpdateLead: title Roof -> Wall; tags -> a".
pub fn line(entry: &AuditEntry) -> String {
    let who = match entry.actor.as_str() {
        "" => "Kontor",
        actor => actor.rsplit('/').next().unwrap_or(actor),
    };
    let cause = match entry.cause.split_once(' ') {
        Some(("event", _)) => "an event",
        _ => entry.cause.rsplit('/').next().unwrap_or_default(),
    };
    let mut line =
        format!("{} {who} by {cause}:", entry.action().as_str_name().trim_start_matches("AUDIT_ACTION_"));
    let fields = entry.fields.iter().map(|field| {
        let text = |value: Option<&kontor_proto::r#type::v1::AuditValue>| {
            value.map(|value| format!("{} ", value.text)).unwrap_or_default()
        };
        let (old, new) = (text(field.old_value.as_ref()), text(field.new_value.as_ref()));
        format!(" {} {old}-> {new}", field.field).trim_end().to_owned()
    });
    line.push_str(&fields.collect::<Vec<_>>().join(";"));
    line
}

/// Tables that the SQL in a crate's `src` writes to.
///
/// # Panics
/// When the folder can't be read.
pub fn written_tables(crate_folder: &str) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    look(&Path::new(crate_folder).join("src"), &mut tables);
    tables
}

fn look(folder: &Path, tables: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            look(&path, tables);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("a text");
            for before in ["INSERT INTO ", "UPDATE ", "DELETE FROM ", "rows::insert(tx, \""] {
                for (at, _) in text.match_indices(before) {
                    let rest = &text[at + before.len()..];
                    let end = rest.find(|it: char| !it.is_ascii_lowercase() && it != '_').unwrap_or(0);
                    // "FOR UPDATE", "DO UPDATE SET" and sentences have no table behind them.
                    let is_sql = before != "UPDATE " || rest[end..].trim_start().starts_with("SET ");
                    if end > 0 && is_sql {
                        tables.insert(rest[..end].to_owned());
                    }
                }
            }
        }
    }
}

/// Checks that somebody decided for each table whether the audit tells of it: `known` names every table that the SQL of a crate writes, with how it is
/// audited or why it is not. `kit::resource` audits by itself and is not seen here.
///
/// # Panics
/// When a table is not decided on, or is not written any more.
pub fn every_table_is_decided_on(crate_folder: &str, known: &[(&str, &str)]) {
    let written = written_tables(crate_folder);
    let known: BTreeSet<String> = known.iter().map(|(table, _)| (*table).to_owned()).collect();
    let new: Vec<_> = written.difference(&known).collect();
    assert!(new.is_empty(), "decide how {new:?} are audited, or why not (docs/audit.md)");
    let gone: Vec<_> = known.difference(&written).collect();
    assert!(gone.is_empty(), "{gone:?} are not written by SQL here");
}
