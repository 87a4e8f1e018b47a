//! The third stage of a merge with one file: all letters are made anew, into one file that is kept in pieces as it grows. Should the process end, the
//! stage begins anew: the same data give the same file.
//! Called by the worker.

use std::io::{self, Write};
use std::sync::Arc;

use kontor_kit::{Error, Result};
use tokio::sync::mpsc;

use super::{Job, Merges, Step, make};
use crate::domain::merge::{Row, State};
use crate::domain::{JoinError, Joiner, Letter, Rendered};
use crate::maker::Maker;
use crate::store;

/// Bytes of a piece.
pub const PIECE: usize = 1 << 20;
/// Bytes of a joined document of which a PDF is made, at most.
const PDF_OF: usize = 128 << 20;
/// Recipients that are read at once.
const STEP: i64 = 500;

pub(super) async fn run(merges: &Merges, job: &mut Job) -> Result<Step> {
    let id = job.merge.id.clone();
    while merges.drop_letters(&id).await? {}
    let (rows, wanted) = mpsc::channel::<Row>(1_000);
    let (pieces, mut made) = mpsc::channel::<Vec<u8>>(4);
    let maker = job.maker.clone();
    let joining = tokio::task::spawn_blocking(move || join(&maker, wanted, pieces));
    let feeding = feed(merges, id.clone(), rows);
    let to_pdf = job.merge.pdf;
    let mut whole = Vec::new();
    let keeping = async {
        let (mut number, mut size) = (0, 0);
        while let Some(piece) = made.recv().await {
            if to_pdf {
                if whole.len() > PDF_OF {
                    let message = "the joined document is too large for a PDF: make several merges";
                    return Err(Error::precondition("TOO_LARGE", message));
                }
                whole.extend_from_slice(&piece);
                continue;
            }
            number += 1;
            size += i64::try_from(piece.len()).unwrap_or(0);
            let id = id.clone();
            let merge = job.merge.clone();
            let write =
                move |tx: &mut kontor_kit::db::Tx<'_>| store::letter::add_piece(tx, &id, number, &piece);
            if !merges.advance(State::Joining, &merge, write).await? {
                return Ok(None);
            }
        }
        Ok::<_, Error>(Some(size))
    };
    let (fed, kept) = tokio::join!(feeding, keeping);
    // Dropped, so that a joiner that has nowhere to write ends.
    drop(made);
    let joined = joining.await.map_err(Error::internal)?;
    let Some(mut size) = kept? else { return Ok(Step::End) };
    fed?;
    joined?;
    if to_pdf {
        let extension = job.maker.template.format().extension();
        let converting = merges.office.convert(vec![whole], extension);
        let pdf = merges.meanwhile(&job.merge, converting).await??.pop().flatten();
        let pdf =
            pdf.ok_or_else(|| Error::precondition("LETTER", "LibreOffice makes no PDF of the joined file"))?;
        size = i64::try_from(pdf.len()).unwrap_or(i64::MAX);
        for (number, piece) in (1..).zip(pdf.chunks(PIECE)) {
            let (id, piece) = (id.clone(), piece.to_vec());
            let write =
                move |tx: &mut kontor_kit::db::Tx<'_>| store::letter::add_piece(tx, &id, number, &piece);
            if !merges.advance(State::Joining, &job.merge, write).await? {
                return Ok(Step::End);
            }
        }
    }
    let merge = &mut job.merge;
    (merge.size, merge.state) = (size, State::Done);
    let (id, last) = (merge.id.clone(), merge.recipients);
    merges.advance(State::Joining, merge, move |tx| store::row::forget_data(tx, &id, 1, last)).await?;
    Ok(Step::End)
}

/// Reads the recipients in their order.
async fn feed(merges: &Merges, id: String, rows: mpsc::Sender<Row>) -> Result<()> {
    let mut from = 0;
    loop {
        let of = id.clone();
        let some = merges.db.read(move |conn| store::row::after(conn, &of, from, STEP)).await?;
        let Some(last) = some.last() else { return Ok(()) };
        from = last.number;
        for row in some {
            if rows.send(row).await.is_err() {
                // The joiner has ended, and says why.
                return Ok(());
            }
        }
    }
}

/// Gives what is written away in pieces.
struct Pieces {
    out: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..take]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.out.blocking_send(piece).map_err(|_| io::Error::other("nobody takes the file any more"))
    }
}

fn join(maker: &Arc<Maker>, mut rows: mpsc::Receiver<Row>, out: mpsc::Sender<Vec<u8>>) -> Result<()> {
    let wrong = |cause: JoinError| match cause {
        JoinError::Finding(finding) => Error::precondition("LETTER", finding.to_string()),
        JoinError::Io(cause) => Error::unavailable(cause.to_string()),
    };
    let pieces = Pieces { out, piece: Vec::new() };
    let mut joiner = Joiner::new(&maker.template, pieces).map_err(wrong)?;
    let most = maker.template.records().max(1);
    let mut waiting = std::collections::VecDeque::new();
    loop {
        while waiting.len() < most {
            let Some(row) = rows.blocking_recv() else { break };
            // Those that failed or were left out before.
            if row.state != 1 {
                continue;
            }
            let data = make::data(maker, &row).map_err(|reason| {
                Error::precondition("LETTER", format!("recipient {}: {reason}", row.number))
            })?;
            waiting.push_back((row.number, data));
        }
        let Some((number, first)) = waiting.front() else { break };
        let records: Vec<_> = waiting.iter().map(|(_, data)| data.record.clone()).collect();
        let letter = Letter {
            records: &records,
            locale: first.locale,
            now: maker.now,
            number: u64::try_from(*number).unwrap_or(1),
        };
        let used = match joiner.add(letter).map_err(wrong)? {
            Rendered::Letter { used } => used.clamp(1, waiting.len()),
            Rendered::Skipped => 1,
        };
        waiting.drain(..used);
    }
    let mut pieces = joiner.finish().map_err(wrong)?;
    pieces.flush().map_err(|cause| Error::unavailable(cause.to_string()))
}
