//! FileService: the tree of documents for the gateway's WebDAV. Places stand in file_place.rs, writing in file_write.rs, locks in lock.rs.
//! Called by the gateway only.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_server::FileService;
use tonic::{Request, Response};

use super::file_place::{self, find, resource};
use super::file_write::content;
use super::{Answer, House};
use crate::store;

/// The service.
pub struct Files(pub(super) House);

/// Bytes of a property at most.
const PROPERTY: usize = 64 * 1024;

#[tonic::async_trait]
impl FileService for Files {
    async fn stat_file(&self, request: Request<proto::StatFileRequest>) -> Answer<proto::File> {
        let caller = Caller::of(&request)?;
        let (path, now) = (request.into_inner().path, self.0.db.clock().now());
        let read = self.0.db.read_few(move |conn| {
            let place = find(conn, &caller, &path, now)?;
            Ok(file_place::to_proto(&place, &path))
        });
        Ok(Response::new(read.await?))
    }

    async fn list_files(
        &self,
        request: Request<proto::ListFilesRequest>,
    ) -> Answer<proto::ListFilesResponse> {
        let caller = Caller::of(&request)?;
        let (path, now) = (request.into_inner().path, self.0.db.clock().now());
        let files = self.0.db.read(move |conn| file_place::list(conn, &caller, &path, now)).await?;
        Ok(Response::new(proto::ListFilesResponse { files }))
    }

    async fn read_file(&self, request: Request<proto::ReadFileRequest>) -> Answer<proto::ReadFileResponse> {
        let caller = Caller::of(&request)?;
        let (path, now) = (request.into_inner().path, self.0.db.clock().now());
        let read = self.0.db.read(move |conn| {
            let place = find(conn, &caller, &path, now)?;
            let data = content(conn, &place, &path)?.into();
            Ok(proto::ReadFileResponse { file: Some(file_place::to_proto(&place, &path)), data })
        });
        Ok(Response::new(read.await?))
    }

    async fn write_file(&self, request: Request<proto::WriteFileRequest>) -> Answer<proto::File> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.write_file(caller, request.into_inner()).await?))
    }

    async fn make_folder(&self, request: Request<proto::MakeFolderRequest>) -> Answer<proto::File> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.make_folder(caller, request.into_inner().path).await?))
    }

    async fn remove_file(&self, request: Request<proto::RemoveFileRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.remove_file(caller, request.into_inner().path).await?))
    }

    async fn move_file(&self, request: Request<proto::MoveFileRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let proto::MoveFileRequest { path, destination } = request.into_inner();
        Ok(Response::new(self.0.move_file(caller, path, destination).await?))
    }

    async fn copy_file(&self, request: Request<proto::CopyFileRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let proto::CopyFileRequest { path, destination } = request.into_inner();
        Ok(Response::new(self.0.copy_file(caller, path, destination).await?))
    }

    async fn list_properties(
        &self,
        request: Request<proto::ListPropertiesRequest>,
    ) -> Answer<proto::ListPropertiesResponse> {
        let caller = Caller::of(&request)?;
        let (path, now) = (request.into_inner().path, self.0.db.clock().now());
        let read = self.0.db.read_few(move |conn| {
            let place = find(conn, &caller, &path, now)?;
            resource(&place).map_or(Ok(Vec::new()), |of| store::file::properties(conn, &of))
        });
        let property = |(name, prefix, xml): store::file::Property| proto::FileProperty {
            name,
            prefix,
            xml: xml.into(),
        };
        let properties = read.await?.into_iter().map(property).collect();
        Ok(Response::new(proto::ListPropertiesResponse { properties }))
    }

    async fn change_properties(&self, request: Request<proto::ChangePropertiesRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let set: Result<Vec<store::file::Property>> = request
            .set
            .iter()
            .map(|property| {
                if property.xml.len() > PROPERTY || property.name.len() > 1_000 || property.prefix.len() > 100
                {
                    return Err(Error::invalid("set", format!("a property has at most {PROPERTY} bytes")));
                }
                Ok((property.name.clone(), property.prefix.clone(), property.xml.to_vec()))
            })
            .collect();
        let set = set?;
        let write = self.0.db.write(move |tx| {
            let now = tx.now();
            let place = find(tx, &caller, &request.path, now)?;
            if let file_place::Place::Template(template) = &place {
                caller.must_write(&template.guard(), &template.full_name())?;
            }
            let of = resource(&place).ok_or_else(|| file_place::read_only(&request.path))?;
            store::file::change_properties(tx, &of, &set, &request.remove)
        });
        write.await?;
        Ok(Response::new(()))
    }

    async fn lock_file(&self, request: Request<proto::LockFileRequest>) -> Answer<proto::LockFileResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.lock(caller, request.into_inner()).await?))
    }

    async fn unlock_file(&self, request: Request<proto::UnlockFileRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.unlock(caller, request.into_inner()).await?))
    }

    async fn refresh_lock(&self, request: Request<proto::RefreshLockRequest>) -> Answer<proto::FileLock> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.refresh(caller, request.into_inner()).await?))
    }

    async fn check_locks(
        &self,
        request: Request<proto::CheckLocksRequest>,
    ) -> Answer<proto::CheckLocksResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.check_locks(caller, request.into_inner()).await?))
    }

    async fn list_locks(
        &self,
        request: Request<proto::ListLocksRequest>,
    ) -> Answer<proto::ListLocksResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.locks(caller, request.into_inner().path).await?))
    }

    async fn drop_locks(&self, request: Request<proto::DropLocksRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.drop_locks(caller, request.into_inner().path).await?))
    }
}
