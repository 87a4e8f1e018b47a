//! An open document: read whole when it is opened, written whole when it is flushed.
//! Made by system.rs.

use std::io::SeekFrom;

use bytes::{Buf, Bytes, BytesMut};
use dav_server::fs::{DavFile, DavMetaData, FsError, FsFuture, FsResult, OpenOptions};
use futures_util::FutureExt;
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_client::FileServiceClient;

use super::DOCUMENT;
use super::system::{Meta, refused};

pub(super) struct Document {
    client: FileServiceClient<Link>,
    caller: Caller,
    path: String,
    file: proto::File,
    data: BytesMut,
    at: usize,
    create: bool,
    create_new: bool,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Document").field("size", &self.data.len()).finish_non_exhaustive()
    }
}

impl Document {
    /// Opens one. A lock makes what is not there yet; a write makes it when all has come.
    pub(super) async fn open(
        mut client: FileServiceClient<Link>,
        caller: Caller,
        path: String,
        options: &OpenOptions,
    ) -> FsResult<Document> {
        let request = proto::StatFileRequest { path: path.clone() };
        let there = match client.stat_file(caller.request(request)).await.map_err(refused) {
            Ok(file) => Some(file.into_inner()),
            Err(FsError::NotFound) => None,
            Err(cause) => return Err(cause),
        };
        if there.as_ref().is_some_and(|file| file.folder) || (there.is_some() && options.create_new) {
            return Err(if options.write { FsError::Exists } else { FsError::Forbidden });
        }
        let mut document = Document {
            client,
            caller,
            path,
            file: proto::File::default(),
            data: BytesMut::new(),
            at: 0,
            create: options.create,
            create_new: options.create_new,
        };
        match there {
            None if !options.create && !options.create_new => return Err(FsError::NotFound),
            None if !options.truncate => document.write().await?,
            None => {
                // Whether it can be made is told before its bytes come.
                let above = document.path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
                let request = proto::StatFileRequest { path: above };
                let above = document.client.stat_file(document.caller.request(request)).await;
                if !above.map_err(refused)?.into_inner().folder {
                    return Err(FsError::NotFound);
                }
            }
            Some(file) => {
                document.file = file;
                if !options.truncate {
                    document.read().await?;
                }
            }
        }
        Ok(document)
    }

    async fn read(&mut self) -> FsResult<()> {
        let request = proto::ReadFileRequest { path: self.path.clone() };
        let answer = self.client.read_file(self.caller.request(request)).await;
        let answer = answer.map_err(refused)?.into_inner();
        self.data = BytesMut::from(&answer.data[..]);
        self.file = answer.file.unwrap_or_default();
        Ok(())
    }

    async fn write(&mut self) -> FsResult<()> {
        let request = proto::WriteFileRequest {
            path: self.path.clone(),
            data: Bytes::copy_from_slice(&self.data),
            create: self.create,
            create_new: self.create_new,
        };
        let written = self.client.write_file(self.caller.request(request)).await;
        self.file = written.map_err(refused)?.into_inner();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> FsResult<()> {
        let end = self.at + bytes.len();
        if end > DOCUMENT {
            return Err(FsError::TooLarge);
        }
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[self.at..end].copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

impl DavFile for Document {
    fn metadata(&'_ mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let meta: Box<dyn DavMetaData> = Box::new(Meta(self.file.clone()));
        std::future::ready(Ok(meta)).boxed()
    }

    fn write_buf(&'_ mut self, mut buf: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let bytes = buf.copy_to_bytes(buf.remaining());
        self.write_bytes(bytes)
    }

    fn write_bytes(&'_ mut self, bytes: Bytes) -> FsFuture<'_, ()> {
        std::future::ready(self.put(&bytes)).boxed()
    }

    fn read_bytes(&'_ mut self, count: usize) -> FsFuture<'_, Bytes> {
        let end = self.at.saturating_add(count).min(self.data.len());
        let bytes = Bytes::copy_from_slice(self.data.get(self.at..end).unwrap_or_default());
        self.at = end.max(self.at);
        std::future::ready(Ok(bytes)).boxed()
    }

    fn seek(&'_ mut self, pos: SeekFrom) -> FsFuture<'_, u64> {
        let to = match pos {
            SeekFrom::Start(at) => i64::try_from(at).unwrap_or(i64::MAX),
            SeekFrom::Current(by) => i64::try_from(self.at).unwrap_or(i64::MAX).saturating_add(by),
            SeekFrom::End(by) => i64::try_from(self.data.len()).unwrap_or(i64::MAX).saturating_add(by),
        };
        let found = usize::try_from(to).ok().filter(|to| *to <= DOCUMENT).ok_or(FsError::GeneralFailure);
        let found = found.map(|to| {
            self.at = to;
            to as u64
        });
        std::future::ready(found).boxed()
    }

    fn flush(&'_ mut self) -> FsFuture<'_, ()> {
        self.write().boxed()
    }
}
