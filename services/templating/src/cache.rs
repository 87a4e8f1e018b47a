//! Compiled templates, by the hash of their documents: compiled once in a process, and kept as long as there is room.
//! Called by rpc and the merges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kontor_kit::db::Db;
use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

use crate::domain::template::Format;
use crate::domain::value::Fields;
use crate::domain::{Finding, Limits, Message, Template, message};
use crate::store;

/// Bytes of all templates that are kept, about.
const ROOM: usize = 128 << 20;
/// Templates that are compiled at once: each may take 128 MiB on its way.
const AT_ONCE: usize = 2;

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    db: Db,
    kept: Arc<Mutex<Kept>>,
    slots: Arc<tokio::sync::Semaphore>,
}

#[derive(Default)]
struct Kept {
    templates: HashMap<String, (Ready, u64)>,
    bytes: usize,
    turn: u64,
}

/// A compiled template.
#[derive(Clone)]
pub enum Ready {
    /// Of letters.
    Letter(Arc<Template>),
    /// Of messages.
    Message(Arc<Message>),
}

impl Ready {
    /// Its format.
    pub fn format(&self) -> Format {
        match self {
            Ready::Letter(template) => template.format(),
            Ready::Message(message) => message.format(),
        }
    }

    /// All that is wrong when these fields exist.
    pub fn check(&self, fields: &Fields) -> Vec<Finding> {
        match self {
            Ready::Letter(template) => template.check(fields),
            Ready::Message(message) => message.check(fields),
        }
    }

    /// The template, for letters.
    ///
    /// # Errors
    /// FAILED_PRECONDITION.
    pub fn letter(self) -> Result<Arc<Template>> {
        match self {
            Ready::Letter(template) => Ok(template),
            Ready::Message(_) => Err(Error::precondition(
                "NOT_A_LETTER",
                "this is a template of messages: MessageService makes messages of it, and mailings send them",
            )),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Ready::Letter(template) => template.weight(),
            Ready::Message(message) => message.weight(),
        }
    }
}

/// What compiling gave.
pub type Compiled = std::result::Result<Ready, Vec<Finding>>;

/// The same bytes are another template in each format of messages; packages say what they are.
fn key(format: Option<Format>, sha256: &str) -> String {
    format.map_or_else(|| sha256.to_owned(), |format| format!("{}:{sha256}", format.extension()))
}

impl Cache {
    /// An empty one over the documents of a database.
    pub fn new(db: &Db) -> Cache {
        let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        Cache { db: db.clone(), kept: Arc::default(), slots }
    }

    /// The hash by which a document is kept.
    pub fn hash(data: &[u8]) -> String {
        Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compiles a document, unless it is here. `format` is one of messages; none for letters.
    ///
    /// # Errors
    /// INTERNAL only; findings are an answer.
    pub async fn compile(
        &self,
        format: Option<Format>,
        sha256: &str,
        data: bytes::Bytes,
    ) -> Result<Compiled> {
        let key = key(format, sha256);
        if let Some(found) = self.find(&key) {
            return Ok(Ok(found));
        }
        let _slot = self.slots.acquire().await.map_err(Error::internal)?;
        // Somebody else may have compiled it meanwhile.
        if let Some(found) = self.find(&key) {
            return Ok(Ok(found));
        }
        let compiled = tokio::task::spawn_blocking(move || match format {
            Some(format) => {
                Message::compile(format, &data, &message::limits()).map(Arc::new).map(Ready::Message)
            }
            None => Template::compile(&data, &Limits::default()).map(Arc::new).map(Ready::Letter),
        });
        let compiled = compiled.await.map_err(Error::internal)?;
        if let Ok(template) = &compiled {
            self.keep(&key, template.clone());
        }
        Ok(compiled)
    }

    /// The template of a document that is kept.
    ///
    /// # Errors
    /// NOT_FOUND when the document is gone; FAILED_PRECONDITION when it has findings, which the engine of another version may see.
    pub async fn get(&self, format: Option<Format>, sha256: &str) -> Result<Ready> {
        if let Some(found) = self.find(&key(format, sha256)) {
            return Ok(found);
        }
        let wanted = sha256.to_owned();
        let data = self.db.read(move |conn| store::content::data(conn, &wanted)).await?;
        self.compile(format, sha256, data.into()).await?.map_err(|findings| {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            Error::precondition("TEMPLATE_DRAFT", format!("the template has findings: {first}"))
        })
    }

    fn find(&self, key: &str) -> Option<Ready> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let (template, used) = kept.templates.get_mut(key)?;
        *used = turn;
        Some(template.clone())
    }

    fn keep(&self, key: &str, template: Ready) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let weight = template.weight();
        if weight > ROOM || kept.templates.contains_key(key) {
            return;
        }
        while kept.bytes + weight > ROOM {
            let oldest = kept.templates.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some((gone, _)) = oldest.and_then(|key| kept.templates.remove(&key)) else { break };
            kept.bytes -= gone.weight();
        }
        kept.bytes += weight;
        kept.templates.insert(key.to_owned(), (template, turn));
    }
}
