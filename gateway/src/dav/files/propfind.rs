//! PROPFIND of documents. Our own, for dav-server writes properties with the prefixes of the request, which LibreOffice cannot read, answers no 404 for
//! what is not there (RFC 4918 section 9.1), and etags without quotes.
//! Called by the documents.

use axum::body::Body;
use dav_server::davpath::DavPath;
use http::{HeaderMap, Response};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_client::FileServiceClient;
use tonic::Status;
use xmltree::{Element, EmitterConfig};

use super::ROOT;
use super::system::path_of;
use crate::dav::error::Failure;
use crate::dav::headers;
use crate::dav::path::{Kind, encode, principal};
use crate::dav::properties::{Wanted, common, object};
use crate::dav::stream;
use crate::dav::xml::{Name, Space, Writer, request};

/// The live properties; all of them stand in `allprop`, but the last one, which is not of RFC 4918.
const LIVE: [&str; 9] = [
    "resourcetype",
    "creationdate",
    "getlastmodified",
    "getetag",
    "getcontenttype",
    "getcontentlength",
    "supportedlock",
    "lockdiscovery",
    "current-user-principal",
];
/// How many of `LIVE` are in `allprop` (RFC 4918 section 14.2).
const SHOWN: usize = 8;

/// Answers a PROPFIND whose Depth is 0 or 1.
pub(super) async fn run(
    client: &FileServiceClient<Link>,
    caller: &Caller,
    (path, members): (&str, bool),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response<Body>, Failure> {
    let wanted = request::propfind(body).map_err(|error| Failure::of_xml(&error, Kind::Calendar))?;
    let preferences = headers::preferences(headers);
    let mut below = DavPath::new(path).map_err(|_| Failure::not_found())?;
    below.set_prefix(ROOT).map_err(|_| Failure::not_found())?;
    let below = path_of(&below).map_err(|_| Failure::not_found())?;
    let mut find = Find { client: client.clone(), caller, wanted, minimal: preferences.minimal };
    let failure = |status: Status| Failure::of_status(&status, Kind::Calendar, path);
    let request = proto::StatFileRequest { path: below.clone() };
    let own = find.client.stat_file(caller.request(request)).await.map_err(failure)?.into_inner();
    let mut files = vec![own];
    if members && files[0].folder {
        let request = proto::ListFilesRequest { path: below };
        let found = find.client.list_files(caller.request(request)).await.map_err(failure)?;
        files.extend(found.into_inner().files);
    }
    let mut out = stream::begin();
    for (at, file) in files.iter().enumerate() {
        let begin = out.len();
        match find.response(&mut out, file).await {
            // It went since the list was read.
            Err(status) if at > 0 && status.code() == tonic::Code::NotFound => out.truncate(begin),
            outcome => outcome.map_err(failure)?,
        }
    }
    Ok(stream::finished(out, headers::Preferences { no_root: false, ..preferences }))
}

/// Where a file is, percent-encoded; a folder with a slash at its end.
fn href(file: &proto::File) -> String {
    let segments = file.path.split('/').filter(|segment| !segment.is_empty());
    let mut href = segments.fold(ROOT.to_owned(), |href, segment| href + "/" + &encode(segment));
    if file.folder {
        href.push('/');
    }
    href
}

fn live(local: &str) -> Name {
    Name { space: Space::Dav, local: local.to_owned() }
}

/// One PROPFIND.
struct Find<'a> {
    client: FileServiceClient<Link>,
    caller: &'a Caller,
    wanted: Wanted,
    minimal: bool,
}

impl Find<'_> {
    async fn response(&mut self, out: &mut Writer, file: &proto::File) -> Result<(), Status> {
        let names = self.names(file);
        let is_live = |name: &Name| name.space == Space::Dav && LIVE.contains(&&*name.local);
        let asks_dead = self.wanted == Wanted::Names || self.wants_all() || !names.iter().all(is_live);
        let dead = if asks_dead { self.dead(file).await? } else { Vec::new() };
        out.raw("<D:response>");
        out.href(&href(file));
        let begin = out.len();
        out.raw("<D:propstat><D:prop>");
        let empty = out.len();
        let mut absent = Vec::new();
        for name in &names {
            match dead.iter().find(|it| it.name == *name) {
                _ if self.wanted == Wanted::Names => out.empty(name),
                Some(dead) => out.ready(&dead.xml),
                None if is_live(name) && self.write(out, file, &name.local).await? => {}
                None => absent.push(name),
            }
        }
        if self.wants_all() {
            let more = dead.iter().filter(|dead| !names.contains(&dead.name));
            more.for_each(|dead| out.ready(&dead.xml));
        } else if self.wanted == Wanted::Names {
            dead.iter().for_each(|dead| out.empty(&dead.name));
        }
        if out.len() > empty || absent.is_empty() || self.minimal {
            out.raw("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
        } else {
            out.truncate(begin);
        }
        if !absent.is_empty() && !self.minimal {
            out.raw("<D:propstat><D:prop>");
            absent.iter().for_each(|name| out.empty(name));
            out.raw("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>");
        }
        out.raw("</D:response>\n");
        Ok(())
    }

    fn wants_all(&self) -> bool {
        matches!(self.wanted, Wanted::All(_))
    }

    /// The properties that are looked for by name, each once.
    fn names(&self, file: &proto::File) -> Vec<Name> {
        let has = |local: &&str| !file.folder || !matches!(*local, "getetag" | "getcontentlength");
        let mut names: Vec<Name> = match &self.wanted {
            Wanted::Names => return LIVE.iter().copied().filter(has).map(live).collect(),
            Wanted::All(_) => LIVE[..SHOWN].iter().copied().filter(has).map(live).collect(),
            Wanted::These(_) => Vec::new(),
        };
        if let Wanted::All(more) | Wanted::These(more) = &self.wanted {
            for property in more {
                let name = property.name();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    async fn dead(&mut self, file: &proto::File) -> Result<Vec<Dead>, Status> {
        let request = proto::ListPropertiesRequest { path: file.path.clone() };
        let found = self.client.list_properties(self.caller.request(request)).await?.into_inner();
        Ok(found.properties.iter().filter_map(Dead::of).collect())
    }

    /// Writes a live property. False when the file has no such one.
    async fn write(&mut self, out: &mut Writer, file: &proto::File, local: &str) -> Result<bool, Status> {
        let locks = if local == "lockdiscovery" { self.locks(file).await? } else { Vec::new() };
        let begin = out.len();
        let name = live(local);
        out.open(&name);
        let is_there = match local {
            "resourcetype" => {
                out.raw(if file.folder { "<D:collection/>" } else { "" });
                true
            }
            "creationdate" => common::created(file.create_time.as_ref(), out),
            "getlastmodified" => {
                out.text(&object::date(file.update_time.as_ref().map_or(0, |time| time.seconds)));
                true
            }
            "getetag" if !file.etag.is_empty() => {
                out.text(&format!("\"{}\"", file.etag));
                true
            }
            "getcontenttype" => {
                out.text(media_type(file));
                true
            }
            "getcontentlength" if !file.folder => {
                out.number(file.size_bytes);
                true
            }
            "supportedlock" => {
                lock_entry("<D:exclusive/>", out);
                lock_entry("<D:shared/>", out);
                true
            }
            "lockdiscovery" => {
                locks.iter().for_each(|lock| active_lock(lock, out));
                true
            }
            "current-user-principal" => {
                out.href(&principal(&self.caller.user));
                true
            }
            _ => false,
        };
        if is_there {
            out.close(&name);
        } else {
            out.truncate(begin);
        }
        Ok(is_there)
    }

    async fn locks(&mut self, file: &proto::File) -> Result<Vec<proto::FileLock>, Status> {
        let request = proto::ListLocksRequest { path: file.path.clone() };
        Ok(self.client.list_locks(self.caller.request(request)).await?.into_inner().locks)
    }
}

fn media_type(file: &proto::File) -> &'static str {
    if file.folder {
        return "httpd/unix-directory";
    }
    let ending = file.path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    ending
        .and_then(|(_, ending)| mime_guess::from_ext(ending).first_raw())
        .unwrap_or("application/octet-stream")
}

/// A kind of lock that can be taken (RFC 4918 section 15.10).
fn lock_entry(scope: &'static str, out: &mut Writer) {
    out.raw("<D:lockentry><D:lockscope>");
    out.raw(scope);
    out.raw("</D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>");
}

/// A lock that stands (RFC 4918 section 14.1).
fn active_lock(lock: &proto::FileLock, out: &mut Writer) {
    out.raw("<D:activelock><D:lockscope>");
    out.raw(if lock.shared { "<D:shared/>" } else { "<D:exclusive/>" });
    out.raw("</D:lockscope><D:locktype><D:write/></D:locktype><D:depth>");
    out.raw(if lock.deep { "infinity" } else { "0" });
    out.raw("</D:depth>");
    // As locks.rs keeps it: "h" before an address, "t" before a text.
    if let Some((kind, text)) =
        std::str::from_utf8(&lock.owner).ok().and_then(|kept| kept.split_at_checked(1))
    {
        out.raw("<D:owner>");
        if kind == "h" {
            out.href(text)
        } else {
            out.text(text)
        }
        out.raw("</D:owner>");
    }
    out.raw("<D:timeout>Second-");
    out.number(lock.timeout_seconds);
    out.raw("</D:timeout><D:locktoken>");
    out.href(&lock.token);
    out.raw("</D:locktoken><D:lockroot>");
    out.href(&href(&proto::File { path: lock.path.clone(), ..Default::default() }));
    out.raw("</D:lockroot></D:activelock>");
}

/// A property that a client gave, with its element as it goes out.
struct Dead {
    name: Name,
    xml: Vec<u8>,
}

impl Dead {
    /// None when what is kept is no element.
    fn of(kept: &proto::FileProperty) -> Option<Dead> {
        let name = kept.name.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (space, local) = name.unwrap_or(("", &kept.name));
        let config = EmitterConfig::new().write_document_declaration(false);
        let mut xml = Vec::new();
        // It brings the prefixes that it uses.
        Element::parse(&kept.xml[..]).ok()?.write_with_config(&mut xml, config).ok()?;
        Some(Dead { name: Name { space: Space::of(space), local: local.to_owned() }, xml })
    }
}
