//! Writing in the tree of documents: a document in "templates" is a template, all else is the caller's own.
//! Called by rpc/file.rs.

use bytes::Bytes;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id};
use kontor_proto::templating::v1 as proto;

use super::file_place::{self, Place, find, find_all, read_only};
use super::{House, file_aside};
use crate::cache::Cache;
use crate::domain::Limits;
use crate::domain::declared::Declared;
use crate::domain::stored::{Document, StoredTemplate};
use crate::domain::template::Format;
use crate::domain::tree::{self, TEMPLATES};
use crate::store;

/// Why a file can't be written where it is to stand; none when it can.
pub(super) fn must_have_folder(conn: &mut Conn<'_>, caller: &Caller, path: &str) -> Result<()> {
    let above = tree::parent(path).ok_or_else(|| read_only(path))?;
    match find_all(conn, caller, above)? {
        Place::Folder if above == TEMPLATES => Ok(()),
        Place::Own(node) if node.folder => Ok(()),
        Place::Folder | Place::Partner(_) => Err(read_only(path)),
        _ => Err(Error::not_found(format!("the folder {above:?}"))),
    }
}

/// What stands at a path, if anything does, also a template that the caller has set aside.
pub(super) fn find_if_there(conn: &mut Conn<'_>, caller: &Caller, path: &str) -> Result<Option<Place>> {
    match find_all(conn, caller, path) {
        Ok(place) => Ok(Some(place)),
        Err(cause) if cause.is_not_found() => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Whether these are the bytes of a file.
fn holds(place: &Place, data: &Bytes) -> bool {
    matches!(place, Place::Own(node) if node.sha256 == Cache::hash(data))
}

/// The id of the template that stands at a place; empty when none does.
fn of_template(place: Option<&Place>) -> &str {
    match place {
        Some(Place::Template(template)) => &template.id,
        _ => "",
    }
}

/// The name of the template that a new file at this path would be.
fn becomes(path: &str) -> Option<(&str, i64)> {
    tree::template_name(path.strip_prefix("templates/").filter(|name| !name.contains('/'))?)
}

impl House {
    /// Writes a file.
    pub(super) async fn write_file(
        &self,
        caller: Caller,
        request: proto::WriteFileRequest,
    ) -> Result<proto::File> {
        let path = request.path.clone();
        if request.data.len() > Limits::default().template_bytes {
            return Err(Error::new(tonic::Code::OutOfRange, "TOO_LARGE", "a file has at most 32 MiB"));
        }
        let (reader, wanted, now) = (caller.clone(), path.clone(), self.db.clock().now());
        let read = self.db.read_few(move |conn| {
            must_have_folder(conn, &reader, &wanted)?;
            let present = find_if_there(conn, &reader, &wanted)?;
            let is_seen = match &present {
                Some(place) => !file_place::is_aside(conn, &reader, place, now)?,
                None => false,
            };
            Ok((present, is_seen))
        });
        let (present, is_seen) = read.await?;
        if is_seen && request.create_new {
            return Err(Error::already_exists(format!("the file {path:?}")));
        }
        if !is_seen && !request.create && !request.create_new {
            return Err(Error::not_found(format!("the file {path:?}")));
        }
        match present {
            Some(Place::Template(template)) => {
                let template = self.save(&caller, *template, request.data, is_seen).await?;
                Ok(file_place::to_proto(&Place::Template(Box::new(template)), &path))
            }
            Some(Place::Own(node)) if !node.folder => self.write_own(caller, path, request.data).await,
            Some(_) => Err(read_only(&path)),
            None => self.write_own(caller, path, request.data).await,
        }
    }

    /// A new revision of a template. An empty one is only a client's way to begin a write.
    async fn save(
        &self,
        caller: &Caller,
        template: StoredTemplate,
        data: Bytes,
        is_seen: bool,
    ) -> Result<StoredTemplate> {
        caller.must_write(&template.guard(), &template.full_name())?;
        let caller = caller.clone();
        if data.is_empty() || Cache::hash(&data) == template.document.sha256 {
            if !is_seen {
                let place = file_place::template_place(&template.id);
                self.db.write(move |tx| store::lock::come_back(tx, &caller.user, &place)).await?;
            }
            return Ok(template);
        }
        let document = self.revised(&template, &data).await?;
        let write = self.db.write(move |tx| {
            tx.act_for(&caller.name());
            revise(tx, &caller, &template.id, &document, &data)
        });
        write.await
    }

    /// What is known of a document that is to be a template's next revision.
    async fn revised(&self, template: &StoredTemplate, data: &Bytes) -> Result<Document> {
        let declared = Declared::from_text(&template.fields)?;
        let format = template.document.message_format();
        let document = self.look("data", data, format, &declared).await.map_err(refused)?;
        if document.format != template.document.format {
            return Err(Error::denied("the document has another format than the file's name says"));
        }
        Ok(document)
    }

    /// A file of the caller's own; a document in "templates" becomes a template.
    async fn write_own(&self, caller: Caller, path: String, data: Bytes) -> Result<proto::File> {
        let document = self.document(&path, &data).await?;
        let write = self.db.write(move |tx| {
            tx.act_for(&caller.name());
            if let Some(document) = &document {
                let template = new_template(tx, &caller, &path, document, &data)?;
                return Ok(file_place::to_proto(&Place::Template(Box::new(template)), &path));
            }
            let sha256 = Cache::hash(&data);
            let node = store::file::put(tx, &caller.user, &path, Some((&sha256, &data)))?;
            Ok(file_place::to_proto(&Place::Own(node), &path))
        });
        write.await
    }

    /// What is known of the document that a file would be as a template; none for all other files.
    async fn document(&self, path: &str, data: &Bytes) -> Result<Option<Document>> {
        let Some((_, format)) = becomes(path) else { return Ok(None) };
        // Clients make a file before they fill it.
        if data.is_empty() {
            return Ok(None);
        }
        let wanted = Format::of(format).filter(|format| format.is_message());
        let document = self.look("data", data, wanted, &Declared::default()).await.map_err(refused)?;
        if document.format != format {
            return Err(Error::denied("the document has another format than the file's name says"));
        }
        Ok(Some(document))
    }

    /// Gives a file or a folder another path. Over a template it is that template's next revision, as when an office program saves beside a file and
    /// then puts it in its place; over a file of the caller's own it takes its place. All of it in one transaction. A template that goes to a name that
    /// is only used on the way is set aside.
    pub(super) async fn move_file(&self, caller: Caller, from: String, to: String) -> Result<()> {
        let (reader, source, target) = (caller.clone(), from.clone(), to.clone());
        let asked = self.db.clock().now();
        let read = move |conn: &mut Conn<'_>| {
            let place = find(conn, &reader, &source, asked)?;
            let data = match &place {
                Place::Own(node) if !node.folder => store::file::data(conn, &node.id)?,
                _ => Vec::new(),
            };
            Ok((place, Bytes::from(data), find_if_there(conn, &reader, &target)?))
        };
        let (place, data, present) = self.db.read(read).await?;
        let stays = |format| becomes(&to).is_some_and(|(_, other)| other == format);
        let is_aside = matches!(&place, Place::Template(it) if !stays(it.document.format));
        if is_aside && file_aside::is_on_the_way(&from, &to) {
            return self.set_aside(caller, from, to).await;
        }
        let document = match (&place, &present) {
            (Place::Own(node), Some(Place::Template(template))) if !node.folder => {
                caller.must_write(&template.guard(), &template.full_name())?;
                Some(self.revised(template, &data).await?)
            }
            (Place::Own(node), _) if !node.folder => self.document(&to, &data).await?,
            _ => None,
        };
        let write = self.db.write(move |tx| {
            tx.act_for(&caller.name());
            must_have_folder(tx, &caller, &to)?;
            let asked = tx.now();
            let place = find(tx, &caller, &from, asked)?;
            let now = find_if_there(tx, &caller, &to)?;
            // The document was looked at as it was then, for what stood there then.
            if document.is_some()
                && (!holds(&place, &data) || of_template(now.as_ref()) != of_template(present.as_ref()))
            {
                return Err(Error::etag_mismatch(format!("the file {to:?}")));
            }
            match (now, &place, &document) {
                (None, ..) => {}
                (Some(Place::Template(template)), Place::Own(node), Some(document)) => {
                    revise(tx, &caller, &template.id, document, &data)?;
                    return store::file::remove(tx, node);
                }
                (Some(Place::Own(old)), Place::Own(node), _) if !old.folder && !node.folder => {
                    store::file::remove(tx, &old)?;
                }
                (Some(Place::Own(_)), ..) => return Err(Error::already_exists(format!("the file {to:?}"))),
                (Some(_), ..) => return Err(read_only(&to)),
            }
            match place {
                Place::Template(template) => {
                    // Out of "templates", or to a name that no template has, it would be none any more.
                    let fits = becomes(&to).filter(|(_, format)| *format == template.document.format);
                    let (name, _) = fits.ok_or_else(|| read_only(&to))?;
                    let mut row = store::template::hold(tx, &caller, &template.id, "")?;
                    row.display_name = name.to_owned();
                    row.check()?;
                    row.update_time = tx.now();
                    // Locks do not go with what is moved (RFC 4918 section 7.6).
                    store::lock::drop_all(tx, &file_place::template_place(&row.id))?;
                    resource::update(tx, &mut row)
                }
                Place::Own(node) => match &document {
                    Some(document) => {
                        new_template(tx, &caller, &to, document, &data)?;
                        store::file::remove(tx, &node)
                    }
                    None if to.starts_with(&format!("{from}/")) => Err(read_only(&to)),
                    None => store::file::rename(tx, &caller.user, &node, &to),
                },
                _ => Err(read_only(&from)),
            }
        });
        write.await
    }

    /// Copies a file.
    pub(super) async fn copy_file(&self, caller: Caller, from: String, to: String) -> Result<()> {
        let (reader, source, now) = (caller.clone(), from.clone(), self.db.clock().now());
        let (data, properties) = self
            .db
            .read(move |conn| {
                let place = find(conn, &reader, &source, now)?;
                Ok((content(conn, &place, &source)?, file_place::resource(&place)))
            })
            .await?;
        let request =
            proto::WriteFileRequest { path: to.clone(), data: data.into(), create: true, create_new: false };
        self.write_file(caller.clone(), request).await?;
        let Some(properties) = properties else { return Ok(()) };
        let write = self.db.write(move |tx| {
            let Some(new) = file_place::resource(&find_all(tx, &caller, &to)?) else { return Ok(()) };
            store::file::copy_properties(tx, &properties, &new)
        });
        write.await
    }

    /// Removes a file or an empty folder.
    pub(super) async fn remove_file(&self, caller: Caller, path: String) -> Result<()> {
        let write = self.db.write(move |tx| {
            tx.act_for(&caller.name());
            let now = tx.now();
            match find(tx, &caller, &path, now)? {
                Place::Template(template) => {
                    let row = store::template::hold(tx, &caller, &template.id, "")?;
                    if store::merge::uses(tx, &row.id)? {
                        return Err(Error::denied("a merge of this template runs"));
                    }
                    store::template::drop_revisions(tx, &row.id, i64::MAX)?;
                    let place = file_place::template_place(&row.id);
                    store::file::drop_properties(tx, &place)?;
                    store::lock::drop_all(tx, &place)?;
                    resource::delete(tx, &row)
                }
                Place::Own(node) => {
                    if node.folder && !store::file::list(tx, &caller.user, &path)?.is_empty() {
                        return Err(Error::denied("the folder is not empty"));
                    }
                    store::file::remove(tx, &node)
                }
                _ => Err(read_only(&path)),
            }
        });
        write.await
    }

    /// Makes a folder.
    pub(super) async fn make_folder(&self, caller: Caller, path: String) -> Result<proto::File> {
        let write = self.db.write(move |tx| {
            must_have_folder(tx, &caller, &path)?;
            if find_if_there(tx, &caller, &path)?.is_some() {
                return Err(Error::already_exists(format!("the file {path:?}")));
            }
            let node = store::file::put(tx, &caller.user, &path, None)?;
            Ok(file_place::to_proto(&Place::Own(node), &path))
        });
        write.await
    }
}

/// The bytes of what stands at a place.
///
/// # Errors
/// NOT_FOUND for a folder.
pub(super) fn content(conn: &mut Conn<'_>, place: &Place, path: &str) -> Result<Vec<u8>> {
    let missing = || Error::not_found(format!("the file {path:?}"));
    match place {
        Place::Template(template) => store::content::data(conn, &template.document.sha256),
        Place::Letter(letter) => {
            store::letter::piece(conn, &letter.merge, letter.number)?.ok_or_else(missing)
        }
        Place::Own(node) if !node.folder => store::file::data(conn, &node.id),
        _ => Err(missing()),
    }
}

/// A template's next revision, where it is seen again. What it says already is none.
fn revise(
    tx: &mut Tx<'_>,
    caller: &Caller,
    template: &str,
    document: &Document,
    data: &[u8],
) -> Result<StoredTemplate> {
    let mut row = store::template::hold(tx, caller, template, "")?;
    store::lock::come_back(tx, &caller.user, &file_place::template_place(&row.id))?;
    if row.document.sha256 == document.sha256 {
        return Ok(row);
    }
    row.document = document.clone();
    row.revision += 1;
    row.update_time = tx.now();
    resource::update(tx, &mut row)?;
    store::template::add_revision(tx, &row, &caller.name(), data)?;
    Ok(row)
}

/// A new template of a file, in place of a file of the caller's own that may stand there, with its properties and locks.
fn new_template(
    tx: &mut Tx<'_>,
    caller: &Caller,
    path: &str,
    document: &Document,
    data: &[u8],
) -> Result<StoredTemplate> {
    let (name, _) = becomes(path).ok_or_else(|| read_only(path))?;
    let now = tx.now();
    let template = StoredTemplate {
        id: id::new(),
        version: 1,
        display_name: name.to_owned(),
        description: String::new(),
        team: String::new(),
        owner: caller.name(),
        fields: String::new(),
        document: document.clone(),
        revision: 1,
        create_time: now,
        update_time: now,
    };
    template.check()?;
    resource::insert(tx, &template)?;
    store::template::add_revision(tx, &template, &caller.name(), data)?;
    let place = file_place::template_place(template.id());
    if let Some(node) = store::file::find(tx, &caller.user, path)? {
        store::file::copy_properties(tx, &format!("f:{}", node.id), &place)?;
        store::file::remove(tx, &node)?;
    }
    store::lock::carry(tx, &format!("f:{}/{path}", caller.user), &place)?;
    Ok(template)
}

/// A document that is refused can't be written.
fn refused(cause: Error) -> Error {
    if cause.code() == tonic::Code::InvalidArgument { Error::denied(cause.message()) } else { cause }
}
