//! Letters on their way out: one, a joined file, or a zip with a file each that is put together while it is sent.
//! Called by rpc/merge.rs.

use std::pin::Pin;

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id};
use kontor_proto::templating::v1 as proto;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::House;
use crate::domain::merge::Merge;
use crate::domain::package::Archive;
use crate::domain::{Format, merge};
use crate::store;

/// A file that is being sent.
pub type Download = Pin<Box<dyn Stream<Item = std::result::Result<proto::DownloadResponse, Status>> + Send>>;
type Sender = mpsc::Sender<std::result::Result<proto::DownloadResponse, Status>>;

/// Bytes of a message at most.
const PIECE: usize = 1 << 20;
/// Letters and bytes that are read at once for a zip.
const LETTERS: i64 = 200;
const BYTES: i64 = 8 << 20;
/// A zip without zip64 holds no more.
const LARGEST: i64 = 3 << 30;
const MOST: i64 = 65_000;

impl House {
    pub(super) async fn download_letter(&self, caller: Caller, name: &str) -> Result<Download> {
        let (of, number) = id::parse_child("merges", "letters", name, "name")?;
        let merge = self.merge(&caller, &format!("merges/{of}"), "name").await?;
        merge.must_be_done()?;
        let missing = || Error::not_found(name);
        let number: i64 = number.parse().map_err(|_| missing())?;
        let (id, wanted) = (merge.id.clone(), name.to_owned());
        let read = self.db.read(move |conn| {
            let missing = || Error::not_found(&wanted);
            let letter = store::letter::find(conn, &id, number)?.ok_or_else(missing)?;
            let data = store::letter::piece(conn, &id, number)?.ok_or_else(missing)?;
            Ok((letter, data))
        });
        let (letter, data) = read.await?;
        let media_type = media_type(&letter.filename);
        Ok(self.send(letter.filename, media_type, move |sender| async move { pieces(&sender, &data).await }))
    }

    pub(super) async fn download_merge(&self, caller: Caller, name: &str) -> Result<Download> {
        let merge = self.merge(&caller, name, "name").await?;
        merge.must_be_done()?;
        if merge.joined { self.joined(merge).await } else { self.zip(merge) }
    }

    async fn joined(&self, merge: Merge) -> Result<Download> {
        let id = merge.id.clone();
        let first = self.db.read(move |conn| store::letter::piece(conn, &id, 1)).await?;
        let Some(first) = first else {
            let message = "the file is gone: a recipient was erased, or it has no letters";
            return Err(Error::precondition("ERASED", message));
        };
        let extension = if merge.pdf {
            "pdf"
        } else if first.get(30..38) == Some(b"mimetype") {
            Format::Odt.extension()
        } else {
            Format::Docx.extension()
        };
        let filename = plain_name(&merge, extension);
        let (media_type, db) = (media_type(&filename), self.db.clone());
        Ok(self.send(filename, media_type, move |sender| async move {
            let mut number = 1;
            let mut piece = Some(first);
            while let Some(data) = piece {
                pieces(&sender, &data).await?;
                number += 1;
                let id = merge.id.clone();
                piece = db.read(move |conn| store::letter::piece(conn, &id, number)).await?;
            }
            Ok(())
        }))
    }

    fn zip(&self, merge: Merge) -> Result<Download> {
        if merge.size > LARGEST || merge.letters > MOST {
            let message = "so many letters fit in no zip: download them one by one, or make several merges";
            return Err(Error::precondition("TOO_LARGE", message));
        }
        let filename = plain_name(&merge, "zip");
        let db = self.db.clone();
        Ok(self.send(filename, "application/zip", move |sender| async move {
            let (mut archive, mut last) = (Archive::default(), 0);
            loop {
                let (id, from) = (merge.id.clone(), last);
                let some = db.read(move |conn| store::letter::after(conn, &id, from, LETTERS, BYTES)).await?;
                let Some((letter, _)) = some.last() else { break };
                last = letter.number;
                for (letter, data) in &some {
                    archive.store(&letter.filename, data);
                }
                pieces(&sender, archive.drain()).await?;
                archive.clear();
            }
            archive.finish();
            pieces(&sender, archive.drain()).await
        }))
    }

    /// Sends what `work` gives; what is wrong comes as the end of the stream.
    fn send<F>(&self, filename: String, media_type: &str, work: impl FnOnce(Sender) -> F) -> Download
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(4);
        let head =
            proto::DownloadResponse { filename, media_type: media_type.to_owned(), data: Default::default() };
        let work = work(sender.clone());
        self.context.spawn(async move {
            if sender.send(Ok(head)).await.is_err() {
                return;
            }
            if let Err(cause) = work.await {
                let _ = sender.send(Err(cause.into())).await;
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

async fn pieces(sender: &Sender, data: &[u8]) -> Result<()> {
    for piece in data.chunks(PIECE) {
        let data = bytes::Bytes::copy_from_slice(piece);
        let message = proto::DownloadResponse { data, ..Default::default() };
        // Who went away needs no answer.
        sender
            .send(Ok(message))
            .await
            .map_err(|_| Error::new(tonic::Code::Cancelled, "GONE", "nobody listens"))?;
    }
    Ok(())
}

fn plain_name(merge: &Merge, extension: &str) -> String {
    merge::joined_filename(&merge.template_name, extension)
}

fn media_type(filename: &str) -> &'static str {
    match filename.rsplit('.').next() {
        Some("docx") => Format::Docx.media_type(),
        Some("odt") => Format::Odt.media_type(),
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
