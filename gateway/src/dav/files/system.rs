//! dav-server's file system over templating's FileService, for one caller at a time.
//! Called by dav-server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavMetaData, DavProp, FsError, FsFuture, FsResult, FsStream, GuardedFileSystem,
    OpenOptions, ReadDirMeta,
};
use futures_util::FutureExt;
use futures_util::stream;
use http::StatusCode;
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_client::FileServiceClient;
use tonic::{Code, Status};

use super::document::Document;

/// The tree.
#[derive(Clone)]
pub(super) struct Tree {
    pub client: FileServiceClient<Link>,
    /// A file goes over what stands at its destination: the service puts it there at once, where dav-server would remove that first.
    pub replaces: bool,
}

/// What a service's answer is to dav-server.
pub(super) fn refused(status: Status) -> FsError {
    match status.code() {
        Code::NotFound => FsError::NotFound,
        Code::AlreadyExists => FsError::Exists,
        Code::ResourceExhausted => FsError::InsufficientStorage,
        Code::OutOfRange => FsError::TooLarge,
        Code::PermissionDenied | Code::FailedPrecondition | Code::InvalidArgument | Code::Aborted => {
            FsError::Forbidden
        }
        _ => {
            tracing::warn!(cause = %status.message(), "documents can't be reached");
            FsError::GeneralFailure
        }
    }
}

/// A path as the service has it.
pub(super) fn path_of(path: &DavPath) -> FsResult<String> {
    let text = std::str::from_utf8(path.as_bytes()).map_err(|_| FsError::NotFound)?;
    Ok(text.trim_matches('/').to_owned())
}

/// What is known of a file.
#[derive(Clone, Debug)]
pub(super) struct Meta(pub(super) proto::File);

fn time(time: Option<&prost_types::Timestamp>) -> FsResult<SystemTime> {
    let time = time.ok_or(FsError::NotImplemented)?;
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    let nanos = u32::try_from(time.nanos).unwrap_or(0);
    Ok(UNIX_EPOCH + Duration::new(seconds, nanos))
}

impl DavMetaData for Meta {
    fn len(&self) -> u64 {
        u64::try_from(self.0.size_bytes).unwrap_or(0)
    }

    fn modified(&self) -> FsResult<SystemTime> {
        time(self.0.update_time.as_ref())
    }

    fn created(&self) -> FsResult<SystemTime> {
        time(self.0.create_time.as_ref())
    }

    fn is_dir(&self) -> bool {
        self.0.folder
    }

    fn etag(&self) -> Option<String> {
        (!self.0.etag.is_empty()).then(|| self.0.etag.clone())
    }
}

struct Entry(proto::File);

impl DavDirEntry for Entry {
    fn name(&self) -> Vec<u8> {
        self.0.path.rsplit('/').next().unwrap_or_default().as_bytes().to_vec()
    }

    fn metadata(&'_ self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let meta: Box<dyn DavMetaData> = Box::new(Meta(self.0.clone()));
        std::future::ready(Ok(meta)).boxed()
    }
}

/// Namespace and name as one text.
fn key(property: &DavProp) -> String {
    format!("{{{}}}{}", property.namespace.as_deref().unwrap_or_default(), property.name)
}

fn property(property: proto::FileProperty, with_content: bool) -> DavProp {
    let (namespace, name) =
        property.name.strip_prefix('{').and_then(|rest| rest.split_once('}')).unwrap_or(("", &property.name));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DavProp {
        name: name.to_owned(),
        prefix: some(&property.prefix),
        namespace: some(namespace),
        xml: with_content.then(|| property.xml.to_vec()),
    }
}

impl Tree {
    pub async fn stat(&self, caller: &Caller, path: &DavPath) -> FsResult<proto::File> {
        let request = proto::StatFileRequest { path: path_of(path)? };
        let answer = self.client.clone().stat_file(caller.request(request)).await;
        Ok(answer.map_err(refused)?.into_inner())
    }

    async fn properties(&self, caller: &Caller, path: &DavPath) -> FsResult<Vec<proto::FileProperty>> {
        let request = proto::ListPropertiesRequest { path: path_of(path)? };
        let answer = self.client.clone().list_properties(caller.request(request)).await;
        Ok(answer.map_err(refused)?.into_inner().properties)
    }
}

impl GuardedFileSystem<Caller> for Tree {
    fn open<'a>(
        &'a self,
        path: &'a DavPath,
        options: OpenOptions,
        caller: &'a Caller,
    ) -> FsFuture<'a, Box<dyn DavFile>> {
        async move {
            let file = Document::open(self.client.clone(), caller.clone(), path_of(path)?, &options).await?;
            let file: Box<dyn DavFile> = Box::new(file);
            Ok(file)
        }
        .boxed()
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        caller: &'a Caller,
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        async move {
            let request = proto::ListFilesRequest { path: path_of(path)? };
            let answer = self.client.clone().list_files(caller.request(request)).await;
            let files = answer.map_err(refused)?.into_inner().files;
            let entries = files.into_iter().map(|file| {
                let entry: Box<dyn DavDirEntry> = Box::new(Entry(file));
                Ok(entry)
            });
            let entries: FsStream<Box<dyn DavDirEntry>> = Box::pin(stream::iter(entries.collect::<Vec<_>>()));
            Ok(entries)
        }
        .boxed()
    }

    fn metadata<'a>(&'a self, path: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, Box<dyn DavMetaData>> {
        async move {
            let meta: Box<dyn DavMetaData> = Box::new(Meta(self.stat(caller, path).await?));
            Ok(meta)
        }
        .boxed()
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, ()> {
        async move {
            let request = proto::MakeFolderRequest { path: path_of(path)? };
            self.client.clone().make_folder(caller.request(request)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, ()> {
        async move {
            let request = proto::RemoveFileRequest { path: path_of(path)? };
            self.client.clone().remove_file(caller.request(request)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, ()> {
        async move {
            if self.replaces {
                return Ok(());
            }
            let request = proto::RemoveFileRequest { path: path_of(path)? };
            self.client.clone().remove_file(caller.request(request)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, ()> {
        async move {
            let request = proto::MoveFileRequest { path: path_of(from)?, destination: path_of(to)? };
            self.client.clone().move_file(caller.request(request)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, caller: &'a Caller) -> FsFuture<'a, ()> {
        async move {
            let request = proto::CopyFileRequest { path: path_of(from)?, destination: path_of(to)? };
            self.client.clone().copy_file(caller.request(request)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn have_props<'a>(
        &'a self,
        _: &'a DavPath,
        _: &'a Caller,
    ) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        std::future::ready(true).boxed()
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        patch: Vec<(bool, DavProp)>,
        caller: &'a Caller,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        async move {
            // The last word about a property counts.
            let mut request = proto::ChangePropertiesRequest { path: path_of(path)?, ..Default::default() };
            for (set, property) in &patch {
                let name = key(property);
                request.set.retain(|known| known.name != name);
                request.remove.retain(|known| *known != name);
                if *set {
                    let xml = property.xml.clone().unwrap_or_default().into();
                    let prefix = property.prefix.clone().unwrap_or_default();
                    request.set.push(proto::FileProperty { name, xml, prefix });
                } else {
                    request.remove.push(name);
                }
            }
            let outcome = self.client.clone().change_properties(caller.request(request)).await;
            let status = match outcome.map_err(refused) {
                Ok(_) => StatusCode::OK,
                Err(FsError::Forbidden) => StatusCode::FORBIDDEN,
                Err(FsError::InsufficientStorage) => StatusCode::INSUFFICIENT_STORAGE,
                Err(cause) => return Err(cause),
            };
            Ok(patch.into_iter().map(|(_, property)| (status, DavProp { xml: None, ..property })).collect())
        }
        .boxed()
    }

    fn get_props<'a>(
        &'a self,
        path: &'a DavPath,
        do_content: bool,
        caller: &'a Caller,
    ) -> FsFuture<'a, Vec<DavProp>> {
        async move {
            let found = self.properties(caller, path).await?;
            Ok(found.into_iter().map(|found| property(found, do_content)).collect())
        }
        .boxed()
    }

    fn get_prop<'a>(
        &'a self,
        path: &'a DavPath,
        wanted: DavProp,
        caller: &'a Caller,
    ) -> FsFuture<'a, Vec<u8>> {
        async move {
            let name = key(&wanted);
            let found = self.properties(caller, path).await?.into_iter().find(|found| found.name == name);
            found.map(|found| found.xml.to_vec()).ok_or(FsError::NotFound)
        }
        .boxed()
    }
}
