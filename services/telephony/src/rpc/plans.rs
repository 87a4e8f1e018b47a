//! Lists with their time zones, kept for a moment: what each take would read anew. A lease checks in its own statement that the list has not changed.
//! Called by rpc/dispatch.rs; told of changes by the files that make them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kontor_kit::Result;
use kontor_kit::db::Db;

use crate::store::lease::Plan;

/// How old one may get: another process may have brought numbers of a new time zone.
const AGE: Duration = Duration::from_secs(1);
/// Lists that are kept.
const LISTS: usize = 1_000;

/// When it was read, and the plan.
type Known = (Instant, Arc<Plan>);

/// The plans. Cheap to clone.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<HashMap<String, Known>>>);

impl Plans {
    /// The plan of a list, and whether it was read just now.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn get(&self, db: &Db, list: &str) -> Result<(Arc<Plan>, bool)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(list).cloned();
        match known {
            Some((read, plan)) if read.elapsed() < AGE => Ok((plan, false)),
            _ => Ok((self.read(db, list).await?, true)),
        }
    }

    /// Reads the plan of a list anew.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn read(&self, db: &Db, list: &str) -> Result<Arc<Plan>> {
        // before the reading: what changes in the middle counts as not read
        let read = Instant::now();
        let id = list.to_owned();
        let plan = Arc::new(db.read_few(move |conn| Plan::read(conn, &id)).await?);
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= LISTS {
            plans.clear();
        }
        plans.insert(list.to_owned(), (read, plan.clone()));
        Ok(plan)
    }

    /// Forgets the plan of a list that has changed.
    pub fn forget(&self, list: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(list);
    }
}
