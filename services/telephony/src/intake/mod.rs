//! The way in: items of any connector are folded into calls, one transaction a batch, acknowledged when it is on disk.
//! Called by rpc/ingest.rs and by the keeper of sessions.

pub mod clocks;
pub mod dial;
pub mod hub;
pub mod peers;
pub mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kontor_kit::db::{Db, Tx};
use kontor_kit::resource;
use kontor_kit::{Error, Result, error, id};
use tokio::sync::Notify;

use self::clocks::{Clocks, Measure};
use self::dial::Dials;
use self::hub::Hub;
use self::peers::Peers;
use self::users::{Staff, Users};
use crate::dialler::answered;
use crate::domain::entry::{Entry, Match, state};
use crate::domain::fact::{CallKey, FactKind, Micros};
use crate::domain::number::Party;
use crate::domain::record::{Item, Record};
use crate::domain::skew;
use crate::operators::{self, Involved};
use crate::{events, store};

/// Tries of a batch that another process got in the way of.
const TRIES: u32 = 5;
/// Numbers looked up before one batch is stored; the others are looked up afterwards.
const LOOKUPS: usize = 32;

/// Takes items in.
#[derive(Clone)]
pub struct Intake {
    /// The database.
    pub db: Db,
    /// Partners and opportunities.
    pub peers: Peers,
    /// Who has which extension.
    pub users: Users,
    /// Pops go out here.
    pub hub: Hub,
    /// Wakes the task that closes and links calls.
    pub wake: Arc<Notify>,
    /// Wakes who sends clicks to call.
    pub dials: Dials,
    /// How long to wait after the last news of an ended call, in microseconds.
    pub grace: i64,
    /// How right the clocks of the telephone systems are.
    pub clocks: Arc<Clocks>,
    /// Address by which the installation is reached from outside, or empty.
    pub public_url: Arc<str>,
}

/// What one transaction needs.
struct Work {
    connector: String,
    calls: BTreeMap<String, Vec<Item>>,
    matches: HashMap<String, Match>,
    staff: Arc<HashMap<String, Staff>>,
    grace: i64,
    hub: Hub,
    dials: Dials,
    clocks: Arc<Clocks>,
    /// How right the clock is, when this process knows.
    measure: Option<Measure>,
    /// Id of a post that may come once only.
    nonce: Option<String>,
}

impl Intake {
    /// Stores items of one connector and answers with the id of each call by the telephone system's id.
    /// Taking the same items again changes nothing.
    ///
    /// # Errors
    /// UNAVAILABLE: nothing was stored, send it again; with the reason UNSURE it may have been. INTERNAL.
    pub async fn take(&self, connector: &str, items: Vec<Item>) -> Result<BTreeMap<String, String>> {
        self.take_once(connector, None, items).await
    }

    /// As `take`, for a post whose id (`nonce`) may come once only.
    ///
    /// # Errors
    /// As `take`; UNAUTHENTICATED with the reason REPLAYED.
    pub async fn take_once(
        &self,
        connector: &str,
        nonce: Option<String>,
        items: Vec<Item>,
    ) -> Result<BTreeMap<String, String>> {
        let newest = skew::newest(items.iter());
        let measure = newest.and_then(|time| self.clocks.learn(connector, time, self.db.clock().now()));
        let mut calls: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for item in items {
            calls.entry(item.fact.key.call.clone()).or_default().push(item);
        }
        if calls.is_empty() {
            return Ok(BTreeMap::new());
        }
        let matches = self.look_up(connector, &calls).await?;
        let staff = self.users.all(&calls.values().flatten().flat_map(extensions).collect()).await;
        let work = Arc::new(Work {
            connector: connector.to_owned(),
            calls,
            matches,
            staff,
            grace: self.grace,
            hub: self.hub.clone(),
            dials: self.dials.clone(),
            clocks: self.clocks.clone(),
            measure,
            nonce,
        });
        let taken = self.store(work).await?;
        self.wake.notify_one();
        Ok(taken)
    }

    async fn store(&self, work: Arc<Work>) -> Result<BTreeMap<String, String>> {
        let mut tried = 0;
        loop {
            let job = work.clone();
            let outcome = self.db.write(move |tx| job.run(tx)).await;
            tried += 1;
            match outcome {
                // another process made the same call in the same moment: now it is there
                Err(cause) if is_crossed(&cause) && tried < TRIES => {}
                outcome => return outcome,
            }
        }
    }

    /// Looks up the numbers that are new to their calls. What can't be found out now is found out later.
    async fn look_up(
        &self,
        connector: &str,
        calls: &BTreeMap<String, Vec<Item>>,
    ) -> Result<HashMap<String, Match>> {
        let told: BTreeMap<&String, BTreeSet<&str>> = calls
            .iter()
            .map(|(call, items)| (call, items.iter().flat_map(numbers).collect::<BTreeSet<_>>()))
            .filter(|(_, numbers)| !numbers.is_empty())
            .collect();
        if told.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<String> = told.keys().map(|call| (*call).clone()).collect();
        let connector = connector.to_owned();
        let linked = self.db.read(move |conn| store::call::linked(conn, &connector, &ids)).await?;
        let linked: HashMap<String, String> = linked.into_iter().collect();
        // a call keeps the partner of its number, so it is not looked up at each event
        let new = told
            .iter()
            .filter(|(call, numbers)| linked.get(**call).is_none_or(|e164| !numbers.contains(e164.as_str())));
        let wanted: BTreeSet<&str> = new.flat_map(|(_, numbers)| numbers.iter().copied()).collect();
        let wanted = wanted.into_iter().take(LOOKUPS).map(str::to_owned).collect();
        Ok(self.peers.find_soon(wanted).await)
    }
}

fn is_crossed(cause: &Error) -> bool {
    cause.reason() == error::UNIQUE || matches!(cause.reason(), "ETAG_MISMATCH" | "ALREADY_EXISTS")
}

/// The numbers in E.164 that an item names.
fn numbers(item: &Item) -> impl Iterator<Item = &str> {
    parties(item).into_iter().flatten().filter_map(Party::e164)
}

fn parties(item: &Item) -> [Option<&Party>; 2] {
    let (one, other) = match &item.fact.kind {
        FactKind::Offered { from, to, .. } => (from, to),
        FactKind::LegStarted { party, dialled, .. } => (party, dialled),
        FactKind::Dialled { party, target, .. } => (party, target),
        FactKind::Originated { target, .. } | FactKind::OriginateFailed { target, .. } => (target, &None),
        _ => return [None, None],
    };
    [one.as_ref(), other.as_ref()]
}

/// The extensions that an item names.
fn extensions(item: &Item) -> impl Iterator<Item = &str> {
    parties(item).into_iter().flatten().filter_map(Party::internal).chain(item.extension.as_deref())
}

impl Work {
    fn run(&self, tx: &mut Tx<'_>) -> Result<BTreeMap<String, String>> {
        tx.act_for(&format!("connectors/{}", self.connector));
        if let Some(nonce) = &self.nonce
            && !store::refusal::see(tx, &self.connector, nonce)?
        {
            return Err(Error::refused("REPLAYED", "the same post was here before: it may come once only"));
        }
        store::state::heard(tx, &self.connector)?;
        if let Some(measure) = self.measure.filter(|measure| measure.write) {
            store::state::set_clock(tx, &self.connector, measure.behind)?;
            let (clocks, connector, now) = (self.clocks.clone(), self.connector.clone(), tx.now());
            tx.on_commit(move || clocks.written(&connector, measure.behind, now));
        }
        let mut taken = BTreeMap::new();
        for (external_id, items) in &self.calls {
            taken.insert(external_id.clone(), self.take(tx, external_id, items)?);
        }
        Ok(taken)
    }

    /// Folds the items of one call and saves it when that changed anything.
    fn take(&self, tx: &mut Tx<'_>, external_id: &str, items: &[Item]) -> Result<String> {
        let now = tx.now();
        let found = store::call::find(tx, &self.connector, external_id)?;
        let is_new = found.is_none();
        let key = CallKey { connector: self.connector.clone(), call: external_id.to_owned() };
        let mut call = found.unwrap_or_else(|| Entry::new(id::new(), &self.connector, external_id, None));
        let record = call.record.get_or_insert_with(|| Record::new(key));
        if !record.has_clock() {
            record.set_clock(match self.measure {
                Some(measure) => measure.behind,
                None => store::state::clock(tx, &self.connector)?,
            });
        }
        let changed = items.iter().fold(false, |changed, item| record.learn(item) | changed);
        if !changed && !is_new {
            return Ok(call.id);
        }
        let view = record.view(Micros(now));
        let begun = record.has_begun(&view);
        let wants_operator = record.wants_operator(&view);
        let (mut ringing, talking) = (record.ringing(), record.talking(&view));
        self.give_to(&mut call, view.extension.as_deref());
        call.show(view);
        self.link(&mut call, now);
        if begun {
            events::began(tx, &mut call);
        }
        if wants_operator {
            ringing.extend(answered::connect(tx, &mut call, &self.staff)?);
            let dials = self.dials.clone();
            tx.on_commit(move || dials.wake());
        }
        let said_is_true = events::said_is_true(&call);
        call.plan(now, self.grace, said_is_true);
        if is_new {
            resource::insert(tx, &call)?;
        } else {
            resource::update(tx, &mut call)?;
        }
        if !call.is_ended() {
            self.pop(tx, &call.id, &ringing)?;
        } else if let Some(user) = call.record.as_ref().and_then(Record::connects) {
            operators::missed(tx, &call, user)?;
        }
        operators::follow(tx, &call, &self.involved(&call, &ringing, &talking))?;
        Ok(call.id)
    }

    fn give_to(&self, call: &mut Entry, extension: Option<&str>) {
        if let Some(staff) = extension.and_then(|extension| self.staff.get(extension)) {
            call.user = staff.user.clone();
            call.team = staff.team.clone();
        }
    }

    fn link(&self, call: &mut Entry, now: i64) {
        if !call.wants_link() {
            return;
        }
        match self.matches.get(&call.e164) {
            Some(found) => call.link(found, now),
            None => call.link_time = call.link_time.or(Some(now)),
        }
    }

    /// Whom the call has now. Who calls out is as busy as who is called, from the first ring on.
    fn involved(&self, call: &Entry, ringing: &[String], talking: &[String]) -> Involved {
        let users = |extensions: &[String]| {
            let staff = extensions.iter().filter_map(|extension| self.staff.get(extension));
            staff.map(|staff| staff.user.clone()).collect::<Vec<_>>()
        };
        let mut involved = Involved::default();
        if call.state == state::RINGING {
            involved.ringing = users(ringing);
            involved
                .ringing
                .extend(Some(call.user.clone()).filter(|user| !user.is_empty() && call.is_outbound()));
        } else if call.state == state::ANSWERED {
            involved.talking = users(talking);
            // a dialler's call waits for whom it was given to
            let waits_for = call.record.as_ref().and_then(Record::connects);
            involved.ringing.extend(waits_for.map(str::to_owned));
        }
        involved
    }

    fn pop(&self, tx: &mut Tx<'_>, call: &str, ringing: &[String]) -> Result<()> {
        for staff in ringing.iter().filter_map(|extension| self.staff.get(extension)) {
            if store::pop::add(tx, call, &staff.user)? {
                let (hub, call, user) = (self.hub.clone(), call.to_owned(), staff.user.clone());
                tx.on_commit(move || hub.ring(&call, &user));
            }
        }
        Ok(())
    }
}
