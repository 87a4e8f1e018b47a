//! dav-server's lock system over templating's FileService: locks stand in the database, so every process and every restart knows them.
//! Called by dav-server, with a new one for each request.

use std::time::{Duration, SystemTime};

use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use futures_util::FutureExt;
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_client::FileServiceClient;
use xmltree::{Element, XMLNode};

use super::ROOT;
use super::system::path_of;

/// The locks that a caller sees.
#[derive(Clone)]
pub(super) struct Locks {
    pub(super) client: FileServiceClient<Link>,
    pub(super) caller: Caller,
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Locks")
    }
}

/// What a client says of a lock's owner, as it is kept: its text, with "h" before an address.
fn owner_text(owner: &Element) -> Vec<u8> {
    let text = |element: &Element| element.get_text().map(|text| text.trim().to_owned()).unwrap_or_default();
    let href = owner.children.iter().find_map(|child| child.as_element().filter(|it| it.name == "href"));
    let kept = match href {
        Some(href) => format!("h{}", text(href)),
        None => format!("t{}", text(owner)),
    };
    kept.chars().take(1_000).collect::<String>().into_bytes()
}

fn owner_element(kept: &[u8]) -> Option<Box<Element>> {
    let kept = std::str::from_utf8(kept).ok().filter(|kept| kept.len() > 1)?;
    let (kind, text) = kept.split_at(1);
    let element = |name: &str, child: XMLNode| {
        let mut element = Element::new(name);
        element.prefix = Some("D".to_owned());
        element.children.push(child);
        element
    };
    let text = XMLNode::Text(text.to_owned());
    let child = if kind == "h" { XMLNode::Element(element("href", text)) } else { text };
    Some(Box::new(element("owner", child)))
}

/// A lock as dav-server has it.
fn lock_of(lock: proto::FileLock) -> DavLock {
    let encode = |segment: &str| crate::dav::path::encode(segment).into_owned();
    let path = lock.path.split('/').map(encode).collect::<Vec<_>>().join("/");
    let mut path = DavPath::new(&format!("{ROOT}/{path}")).unwrap_or_else(|_| root());
    let _ = path.set_prefix(ROOT);
    let timeout = Duration::from_secs(u64::try_from(lock.timeout_seconds).unwrap_or(0));
    DavLock {
        token: lock.token,
        path: Box::new(path),
        principal: Some(lock.user),
        owner: owner_element(&lock.owner),
        timeout_at: Some(SystemTime::now() + timeout),
        timeout: Some(timeout),
        shared: lock.shared,
        deep: lock.deep,
    }
}

fn root() -> DavPath {
    DavPath::new("/").expect("a slash is a path")
}

/// What stands against a request that the service refuses: nothing can be locked there, or nobody knows.
fn nobody(path: &DavPath) -> DavLock {
    DavLock {
        token: String::new(),
        path: Box::new(path.clone()),
        principal: None,
        owner: None,
        timeout_at: None,
        timeout: None,
        shared: false,
        deep: false,
    }
}

fn seconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(i32::MAX, |timeout| i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX))
}

impl DavLockSystem for Locks {
    fn lock(
        &'_ self,
        path: &DavPath,
        _: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let (refused, wanted) = (nobody(path), path_of(path));
        let owner = owner.map(owner_text).unwrap_or_default().into();
        async move {
            let Ok(path) = wanted else { return Err(refused) };
            let timeout_seconds = if timeout.is_none() { 0 } else { seconds(timeout) };
            let request = proto::LockFileRequest { path, owner, shared, deep, timeout_seconds };
            match self.client.clone().lock_file(self.caller.request(request)).await {
                Ok(answer) => {
                    let proto::LockFileResponse { lock, conflict } = answer.into_inner();
                    let lock = lock.map(lock_of).ok_or(refused)?;
                    if conflict { Err(lock) } else { Ok(lock) }
                }
                Err(_) => Err(refused),
            }
        }
        .boxed()
    }

    fn unlock(&'_ self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let (path, token) = (path_of(path), token.to_owned());
        async move {
            let request = proto::UnlockFileRequest { path: path.map_err(|_| ())?, token };
            self.client.clone().unlock_file(self.caller.request(request)).await.map_err(|_| ())?;
            Ok(())
        }
        .boxed()
    }

    fn refresh(
        &'_ self,
        path: &DavPath,
        token: &str,
        timeout: Option<Duration>,
    ) -> LsFuture<'_, Result<DavLock, ()>> {
        let (path, token) = (path_of(path), token.to_owned());
        async move {
            let timeout_seconds = seconds(timeout);
            let request = proto::RefreshLockRequest { path: path.map_err(|_| ())?, token, timeout_seconds };
            let lock =
                self.client.clone().refresh_lock(self.caller.request(request)).await.map_err(|_| ())?;
            Ok(lock_of(lock.into_inner()))
        }
        .boxed()
    }

    fn check(
        &'_ self,
        path: &DavPath,
        _: Option<&str>,
        ignore_principal: bool,
        deep: bool,
        submitted_tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let (refused, wanted) = (nobody(path), path_of(path));
        let tokens = submitted_tokens.to_vec();
        async move {
            let Ok(path) = wanted else { return Err(refused) };
            let request = proto::CheckLocksRequest { path, tokens, any_user: ignore_principal, deep };
            match self.client.clone().check_locks(self.caller.request(request)).await {
                Ok(answer) => answer.into_inner().conflict.map_or(Ok(()), |lock| Err(lock_of(lock))),
                // Nothing is written when nobody knows whether it may be.
                Err(_) => Err(refused),
            }
        }
        .boxed()
    }

    fn discover(&'_ self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        let path = path_of(path);
        async move {
            let Ok(path) = path else { return Vec::new() };
            let request = proto::ListLocksRequest { path };
            let answer = self.client.clone().list_locks(self.caller.request(request)).await;
            answer
                .map(|found| found.into_inner().locks.into_iter().map(lock_of).collect())
                .unwrap_or_default()
        }
        .boxed()
    }

    fn delete(&'_ self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        let path = path_of(path);
        async move {
            let request = proto::DropLocksRequest { path: path.map_err(|_| ())? };
            self.client.clone().drop_locks(self.caller.request(request)).await.map_err(|_| ())?;
            Ok(())
        }
        .boxed()
    }
}
