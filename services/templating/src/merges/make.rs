//! The second stage of a merge: letters are made and kept, a few hundred in a step. In a merge that is all or nothing, those behind a failure are
//! only tried. For a joined file all are only tried here, and made in the third stage.
//! Called by the worker, step by step.

use std::sync::Arc;

use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use prost::Message;

use super::{Job, Merges, Step};
use crate::domain::merge::{Row, State, filename};
use crate::domain::{Letter, Record, Rendered, Renderer};
use crate::maker::{self, Data, Maker};
use crate::store;
use crate::store::letter::Letter as Kept;

/// Recipients of a step.
const STEP: i64 = 250;
/// The same when each becomes a PDF.
const PDF_STEP: i64 = 50;
/// Bytes of a step's letters, about: a step of large ones ends sooner.
const BYTES: usize = 16 << 20;

/// What came of the recipients of a step.
#[derive(Default)]
struct Outcome {
    letters: Vec<(Kept, Vec<u8>)>,
    /// Number, state, reason.
    others: Vec<(i64, i64, String)>,
    /// Letters that were made, kept or not.
    made: i64,
    failed: i64,
    skipped: i64,
    /// The last recipient that was worked off.
    last: i64,
}

impl Outcome {
    /// Takes a letter as PDF, or notes that there is none.
    fn take(&mut self, mut letter: Kept, pdf: Option<Vec<u8>>) {
        let Some(pdf) = pdf else {
            self.made -= 1;
            self.failed += 1;
            self.others.push((letter.number, 2, "LibreOffice makes no PDF of it".to_owned()));
            return;
        };
        let stem = letter.filename.rsplit_once('.').map_or("", |(stem, _)| stem);
        letter.filename = format!("{stem}.pdf");
        letter.size = i64::try_from(pdf.len()).unwrap_or(i64::MAX);
        self.letters.push((letter, pdf));
    }
}

pub(super) async fn step(merges: &Merges, job: &mut Job) -> Result<Step> {
    let merge = job.merge.clone();
    let records = i64::try_from(job.maker.template.records()).unwrap_or(1);
    let (id, from) = (merge.id.clone(), merge.done);
    let rows = merges.db.read(move |conn| store::row::after(conn, &id, from, STEP + records)).await?;
    if rows.is_empty() {
        return end(merges, job).await;
    }
    let only_tried = merge.joined || (!merge.skips && merge.failed > 0);
    let maker = job.maker.clone();
    let count = if merge.pdf && !merge.joined { PDF_STEP } else { STEP };
    let made = tokio::task::spawn_blocking(move || make(&maker, &rows, count, only_tried));
    let mut outcome = made.await.map_err(Error::internal)??;
    if merge.pdf && !outcome.letters.is_empty() {
        let extension = job.maker.template.format().extension();
        let (kept, documents): (Vec<_>, Vec<_>) = outcome.letters.drain(..).unzip();
        let made = merges.meanwhile(&merge, merges.office.convert(documents, extension)).await??;
        for (letter, pdf) in kept.into_iter().zip(made) {
            outcome.take(letter, pdf);
        }
    }
    let merge = &mut job.merge;
    merge.done = outcome.last;
    merge.letters += outcome.made;
    merge.failed += outcome.failed;
    merge.skipped += outcome.skipped;
    merge.size += outcome.letters.iter().map(|(letter, _)| letter.size).sum::<i64>();
    let id = merge.id.clone();
    let write = move |tx: &mut kontor_kit::db::Tx<'_>| {
        store::letter::add(tx, &id, &outcome.letters)?;
        for (number, state, reason) in &outcome.others {
            store::row::set_state(tx, &id, *number, *state, reason)?;
        }
        store::row::made(tx, &id, from + 1, outcome.last)
    };
    let ours = merges.advance(State::Making, merge, write).await?;
    Ok(if ours { Step::On } else { Step::End })
}

async fn end(merges: &Merges, job: &mut Job) -> Result<Step> {
    let merge = &mut job.merge;
    let id = merge.id.clone();
    if !merge.skips && merge.failed > 0 {
        let first = merges.db.read(move |conn| store::row::first_failure(conn, &id)).await?;
        let first =
            first.map(|row| format!("; recipient {}: {}", row.number, row.reason)).unwrap_or_default();
        let failure = format!(
            "{} of {} recipients can't get a letter, so nothing was made{first}",
            merge.failed, merge.recipients
        );
        return merges.fail(merge.clone(), failure).await;
    }
    merge.state = if merge.joined && merge.letters > 0 { State::Joining } else { State::Done };
    let (is_done, last) = (merge.state == State::Done, merge.recipients);
    let write = move |tx: &mut kontor_kit::db::Tx<'_>| {
        if is_done { store::row::forget_data(tx, &id, 1, last) } else { Ok(()) }
    };
    let ours = merges.advance(State::Making, merge, write).await?;
    Ok(if ours && !is_done { Step::On } else { Step::End })
}

/// The data of a recipient, as it was kept.
///
/// # Errors
/// Why it can't get a letter.
pub(super) fn data(maker: &Maker, row: &Row) -> std::result::Result<Data, String> {
    let decode = |bytes: &[u8]| proto::Fields::decode(bytes).map_err(|cause| cause.to_string());
    let own = decode(&row.fields)?;
    let card = row.card.as_deref().map(decode).transpose()?;
    let locale = maker::locale("locale", &row.locale).map_err(|cause| cause.message().to_owned())?;
    maker.data(card.as_ref(), &own, locale, "").map_err(|cause| cause.message().to_owned())
}

/// Makes the letters of the first `step` rows; the others are only there for sheets of labels that take several records.
fn make(maker: &Arc<Maker>, rows: &[Row], step: i64, only_tried: bool) -> Result<Outcome> {
    let step = usize::try_from(step).unwrap_or(1).min(rows.len());
    let mut renderer = Renderer::new(&maker.template);
    let mut outcome = Outcome::default();
    let (mut at, mut bytes) = (0, 0);
    while at < step && bytes < BYTES {
        let sheet = Sheet::of(maker, &rows[at..], &mut outcome);
        at += sheet.passed;
        if sheet.records.is_empty() {
            continue;
        }
        let first = &rows[sheet.at[0] + at - sheet.passed];
        let letter = Letter {
            records: &sheet.records,
            locale: sheet.locale,
            now: maker.now,
            number: u64::try_from(first.number).unwrap_or(1),
        };
        match renderer.render(letter) {
            Ok(Rendered::Letter { used }) => {
                // Records that the sheet had no place for come again.
                let used = used.clamp(1, sheet.records.len());
                if used < sheet.records.len() {
                    at = at - sheet.passed + sheet.at[used];
                }
                outcome.made += 1;
                if !only_tried {
                    let data = renderer.bytes().to_vec();
                    bytes += data.len();
                    outcome.letters.push((kept(maker, first, data.len()), data));
                }
            }
            Ok(Rendered::Skipped) => {
                at = at - sheet.passed + sheet.at[0] + 1;
                outcome.skipped += 1;
                outcome.others.push((first.number, 3, String::new()));
            }
            Err(finding) => {
                at = at - sheet.passed + sheet.at[0] + 1;
                outcome.failed += 1;
                outcome.others.push((first.number, 2, finding.to_string()));
            }
        }
    }
    outcome.last = rows[at - 1].number;
    Ok(outcome)
}

fn kept(maker: &Maker, row: &Row, size: usize) -> Kept {
    let extension = maker.template.format().extension();
    Kept {
        number: row.number,
        filename: filename(row.number, &row.display_name, extension),
        partner: row.partner.clone(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
    }
}

/// The records of one letter: one, or as many as a sheet of labels takes.
struct Sheet {
    records: Vec<Record>,
    /// Which rows they are of.
    at: Vec<usize>,
    locale: crate::domain::Locale,
    /// Rows that were looked at.
    passed: usize,
}

impl Sheet {
    /// Notes those that failed when they were looked up or whose data does not fit; they are passed over.
    fn of(maker: &Maker, rows: &[Row], outcome: &mut Outcome) -> Sheet {
        let most = maker.template.records().max(1);
        let mut sheet = Sheet {
            records: Vec::new(),
            at: Vec::new(),
            locale: crate::domain::Locale::english(),
            passed: 0,
        };
        for row in rows {
            if sheet.records.len() == most {
                break;
            }
            sheet.passed += 1;
            if outcome.others.iter().any(|(number, ..)| *number == row.number) {
                continue;
            }
            match row.state {
                2 => {
                    outcome.failed += 1;
                    outcome.others.push((row.number, 2, row.reason.clone()));
                }
                3 => {
                    outcome.skipped += 1;
                    outcome.others.push((row.number, 3, row.reason.clone()));
                }
                _ => match data(maker, row) {
                    Ok(data) => {
                        if sheet.records.is_empty() {
                            sheet.locale = data.locale;
                        }
                        sheet.at.push(sheet.passed - 1);
                        sheet.records.push(data.record);
                    }
                    Err(reason) => {
                        outcome.failed += 1;
                        outcome.others.push((row.number, 2, reason));
                    }
                },
            }
        }
        sheet
    }
}
