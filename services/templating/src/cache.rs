//! Compiled templates, by the hash of their documents: compiled once in a process, and kept as long as there is room.
//! Called by rpc and the merges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kontor_kit::db::Db;
use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

use crate::domain::{Finding, Limits, Template};
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
    templates: HashMap<String, (Arc<Template>, u64)>,
    bytes: usize,
    turn: u64,
}

/// What compiling gave.
pub type Compiled = std::result::Result<Arc<Template>, Vec<Finding>>;

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

    /// Compiles a document, unless it is here.
    ///
    /// # Errors
    /// INTERNAL only; findings are an answer.
    pub async fn compile(&self, sha256: &str, data: bytes::Bytes) -> Result<Compiled> {
        if let Some(found) = self.find(sha256) {
            return Ok(Ok(found));
        }
        let _slot = self.slots.acquire().await.map_err(Error::internal)?;
        let compiled = tokio::task::spawn_blocking(move || Template::compile(&data, &Limits::default()));
        let compiled = compiled.await.map_err(Error::internal)?.map(Arc::new);
        if let Ok(template) = &compiled {
            self.keep(sha256, template.clone());
        }
        Ok(compiled)
    }

    /// The template of a document that is kept.
    ///
    /// # Errors
    /// NOT_FOUND when the document is gone; FAILED_PRECONDITION when it has findings, which the engine of another version may see.
    pub async fn get(&self, sha256: &str) -> Result<Arc<Template>> {
        if let Some(found) = self.find(sha256) {
            return Ok(found);
        }
        let wanted = sha256.to_owned();
        let data = self.db.read(move |conn| store::content::data(conn, &wanted)).await?;
        self.compile(sha256, data.into()).await?.map_err(|findings| {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            Error::precondition("TEMPLATE_DRAFT", format!("the template has findings: {first}"))
        })
    }

    fn find(&self, sha256: &str) -> Option<Arc<Template>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let (template, used) = kept.templates.get_mut(sha256)?;
        *used = turn;
        Some(template.clone())
    }

    fn keep(&self, sha256: &str, template: Arc<Template>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let weight = template.weight();
        if weight > ROOM || kept.templates.contains_key(sha256) {
            return;
        }
        while kept.bytes + weight > ROOM {
            let oldest = kept.templates.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some((gone, _)) = oldest.and_then(|key| kept.templates.remove(&key)) else { break };
            kept.bytes -= gone.weight();
        }
        kept.bytes += weight;
        kept.templates.insert(sha256.to_owned(), (template, turn));
    }
}
