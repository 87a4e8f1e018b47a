//! Puts partners on a campaign's list: looks up their main telephones, writes down which number is offered, offers it, and writes what telephony made of it.
//! Called by campaigns/mod.rs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, clock};
use kontor_proto::telephony::v1 as telephony;
use kontor_proto::telephony::v1::import_call_list_entries_request::Part;
use roaring::RoaringBitmap;

use super::{BATCH, LOOK, Progress, REST, Worker};
use crate::domain::campaign::{Campaign, Fate, Phone, main_number};
use crate::store;
use crate::store::campaign::Seen;
use crate::store::campaign_move::Move;

/// Partners that are looked up at once.
const AT_ONCE: usize = 16;
/// Longest display name that telephony takes, in characters.
const NAME: usize = 200;

impl Worker {
    /// Takes partners up that the campaign has not seen.
    pub(super) async fn add(&self, campaign: &Campaign, progress: &mut Progress, ords: &[u32]) -> Result<()> {
        let (id, wanted) = (campaign.id.clone(), ords.to_vec());
        let read = move |conn: &mut Conn<'_>| {
            let names = store::partner::names(conn, &wanted)?;
            let mut all = Vec::with_capacity(names.len());
            for (ord, name) in wanted.iter().zip(names) {
                let known = store::campaign_move::of_family(conn, &id, &name)?;
                all.push((*ord, name, known));
            }
            Ok(all)
        };
        let (mut settled, mut moves, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (ord, name, known) in self.db.read(read).await? {
            match known {
                // It went into this one, and was called then. What waits of it is this one's now.
                Some((gone, was, number)) => moves.push(Move {
                    ord: gone,
                    was,
                    becomes: if was == Fate::Added { Fate::Left } else { was },
                    number,
                    survivor: ord,
                    gives: Some(was),
                }),
                None => new.push((ord, name)),
            }
        }
        if campaign.mailing.is_empty() {
            settled.extend(self.numbers(new).await?);
        } else {
            // Mail looks for the address, and again when it sends.
            settled.extend(new.into_iter().map(|(ord, _)| (ord, Fate::Pending, String::new())));
        }
        self.hand(campaign, progress, moves).await?;
        self.put(campaign, progress, settled).await?;
        self.offer_pending(campaign, progress).await
    }

    /// The numbers that partners are called on.
    async fn numbers(&self, partners: Vec<(u32, String)>) -> Result<Vec<(u32, Fate, String)>> {
        stream::iter(partners)
            .map(|(ord, name)| async move {
                let phones = self.sources.phones(&name).await?;
                let phones: Vec<Phone> =
                    phones.into_iter().map(|it| Phone { e164: it.e164, types: it.types }).collect();
                Ok(match main_number(&phones) {
                    Some(number) => (ord, Fate::Pending, number.to_owned()),
                    None => (ord, Fate::WithoutNumber, String::new()),
                })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Partners that had no number and have one now, or whose number may be called now. Telephony says whether it may: its word may be newer than what was heard here.
    pub(super) async fn add_numbers_that_came(
        &self,
        campaign: &Campaign,
        progress: &mut Progress,
        wanted: &RoaringBitmap,
    ) -> Result<()> {
        let without = progress.of(Fate::WithoutNumber) | progress.of(Fate::DoNotCall);
        if without.is_empty() || progress.look.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        let (begun, id, after) = (Instant::now(), campaign.id.clone(), progress.looked);
        let limit = i64::try_from(BATCH).map_err(Error::internal)?;
        let read = move |conn: &mut Conn<'_>| {
            let ords = store::campaign::with_number_now(conn, &id, after, limit)?;
            let names = store::partner::names(conn, &ords)?;
            Ok(ords.into_iter().zip(names).collect::<Vec<_>>())
        };
        let found = self.db.read(read).await?;
        // Many that stay where they are, for they left or telephony still says no, must not hide those behind them: each look goes on behind the last one.
        progress.looked = (found.len() >= BATCH).then(|| found.last().map(|(ord, _)| *ord)).flatten();
        progress.look = Some(Instant::now() + LOOK.max(begun.elapsed() * REST));
        let found: Vec<_> = found.into_iter().filter(|(ord, _)| wanted.contains(*ord)).collect();
        let mut all = self.numbers(found).await?;
        all.retain(|(_, fate, _)| *fate == Fate::Pending);
        self.put(campaign, progress, all).await?;
        self.offer_pending(campaign, progress).await
    }

    /// Offers what is written down; after a crash once more.
    pub(super) async fn offer_pending(&self, campaign: &Campaign, progress: &mut Progress) -> Result<()> {
        while !progress.of(Fate::Pending).is_empty() {
            let id = campaign.id.clone();
            let limit = i64::try_from(BATCH).map_err(Error::internal)?;
            let read = move |conn: &mut Conn<'_>| {
                store::campaign::partners(conn, &id, Some(Fate::Pending), -1, limit)
            };
            let pending = self.db.read(read).await?;
            if pending.is_empty() {
                // Erased meanwhile.
                for ord in progress.of(Fate::Pending) {
                    progress.forget(ord);
                }
                return Ok(());
            }
            let fates = if campaign.mailing.is_empty() {
                self.offer(campaign, &pending).await?
            } else {
                self.offer_to_mail(campaign, &pending).await?
            };
            self.put(campaign, progress, fates).await?;
        }
        Ok(())
    }

    async fn offer(&self, campaign: &Campaign, pending: &[Seen]) -> Result<Vec<(u32, Fate, String)>> {
        let settings = telephony::CallListImport {
            parent: campaign.call_list.clone(),
            max_reports: i32::try_from(BATCH).map_err(Error::internal)?,
            ..Default::default()
        };
        let row = |(at, seen): (usize, &Seen)| telephony::CallListRow {
            line: at as i64 + 1,
            number: seen.number.clone(),
            display_name: seen.display_name.chars().take(NAME).collect(),
            partner: seen.partner.clone(),
            priority: campaign.priority,
            ..Default::default()
        };
        let rows = telephony::CallListRows { rows: pending.iter().enumerate().map(row).collect() };
        let parts = [Part::Settings(settings), Part::Rows(rows)];
        let messages =
            stream::iter(parts.map(|part| telephony::ImportCallListEntriesRequest { part: Some(part) }));
        let mut client = self.sources.call_lists()?;
        let answers = client.import_call_list_entries(Caller::system().request(messages)).await;
        let mut answers = answers?.into_inner();
        let (mut errors, mut doubles, mut is_done) = (HashMap::new(), HashMap::new(), false);
        while let Some(answer) = answers.message().await? {
            errors.extend(answer.errors.into_iter().map(|error| (error.line, error.reason)));
            doubles.extend(answer.doubles.into_iter().map(|double| (double.line, double.entry)));
            is_done |= answer.done;
        }
        if !is_done {
            return Err(Error::unavailable("telephony broke off: it is asked again"));
        }
        let mut fates = Vec::with_capacity(pending.len());
        for (at, seen) in pending.iter().enumerate() {
            let line = at as i64 + 1;
            let fate = match (errors.get(&line).map(String::as_str), doubles.get(&line)) {
                (Some("DO_NOT_CALL"), _) => Fate::DoNotCall,
                (Some(_), _) => Fate::Refused,
                (None, Some(entry)) => self.whose(campaign, seen, entry).await?,
                (None, None) => Fate::Added,
            };
            fates.push((seen.ord, fate, seen.number.clone()));
        }
        Ok(fates)
    }

    /// Of an entry that was there: it is the campaign's own when it was made for this partner since the campaign is, and the process ended before it wrote that.
    async fn whose(&self, campaign: &Campaign, seen: &Seen, entry: &str) -> Result<Fate> {
        let request = telephony::GetCallListEntryRequest { name: entry.to_owned() };
        let mut client = self.sources.call_lists()?;
        let entry = client.get_call_list_entry(Caller::system().request(request)).await?.into_inner();
        let made = entry.create_time.as_ref().map_or(0, clock::from_proto);
        // The clocks of two processes differ a little.
        let since = seen.time - i64::try_from(Duration::from_secs(5).as_micros()).unwrap_or(0);
        let is_own = entry.partner == seen.partner && made >= since.max(campaign.create_time);
        Ok(if is_own { Fate::Added } else { Fate::Listed })
    }
}
