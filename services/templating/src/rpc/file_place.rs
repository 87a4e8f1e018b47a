//! What stands at a path of the tree of documents, for a caller: templates, letters, and what is the caller's own.
//! Called by the other files of FileService.

use jiff::Timestamp;
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, clock};
use kontor_proto::templating::v1 as proto;

use crate::domain::stored::StoredTemplate;
use crate::domain::tree::{self, LETTERS, TEMPLATES};
use crate::store;
use crate::store::file::{LetterFile, Node};

/// A place.
pub(super) enum Place {
    /// The root, the folder of templates, the folder of letters, or a partner's: they can't be changed.
    Folder,
    /// A partner's folder.
    Partner(String),
    /// A letter: to be read only.
    Letter(Box<LetterFile>),
    /// A template.
    Template(Box<StoredTemplate>),
    /// A file or folder of the caller's own.
    Own(Node),
}

fn not_found(path: &str) -> Error {
    Error::not_found(format!("the file {path:?}"))
}

/// Nothing can be written there.
pub(super) fn read_only(path: &str) -> Error {
    Error::denied(format!("nothing can be written at {path:?}"))
}

/// The place at a path, as the caller sees it.
///
/// # Errors
/// NOT_FOUND, also for a template that the caller has set aside.
pub(super) fn find(conn: &mut Conn<'_>, caller: &Caller, path: &str, now: i64) -> Result<Place> {
    let place = find_all(conn, caller, path)?;
    if is_aside(conn, caller, &place, now)? { Err(not_found(path)) } else { Ok(place) }
}

/// Whether the caller has set a template aside.
pub(super) fn is_aside(conn: &mut Conn<'_>, caller: &Caller, place: &Place, now: i64) -> Result<bool> {
    let Place::Template(template) = place else { return Ok(false) };
    store::lock::is_aside(conn, &caller.user, &template_place(&template.id), now)
}

/// What locks and properties of a template are kept under.
pub(super) fn template_place(id: &str) -> String {
    format!("t:{id}")
}

/// The place at a path, also when the caller has set aside the template there.
///
/// # Errors
/// NOT_FOUND.
pub(super) fn find_all(conn: &mut Conn<'_>, caller: &Caller, path: &str) -> Result<Place> {
    let segments = tree::segments(path)?;
    match segments.as_slice() {
        [] | [TEMPLATES] | [LETTERS] => Ok(Place::Folder),
        [LETTERS, folder] => partner(conn, caller, folder, path),
        [LETTERS, folder, name] => {
            let Place::Partner(partner) = partner(conn, caller, folder, path)? else {
                return Err(not_found(path));
            };
            let letters = store::file::letters_to(conn, caller, &partner)?;
            let found = letters.into_iter().find(|letter| letter_name(letter) == *name);
            found.map(|letter| Place::Letter(Box::new(letter))).ok_or_else(|| not_found(path))
        }
        [TEMPLATES, name] => {
            if let Some(found) = template(conn, caller, name)? {
                return Ok(Place::Template(Box::new(found)));
            }
            own(conn, caller, path)
        }
        [TEMPLATES, ..] => own(conn, caller, path),
        _ => Err(not_found(path)),
    }
}

fn own(conn: &mut Conn<'_>, caller: &Caller, path: &str) -> Result<Place> {
    let found = store::file::find(conn, &caller.user, path)?;
    found.map(Place::Own).ok_or_else(|| not_found(path))
}

/// The folder of a partner, known by the id in its name.
fn partner(conn: &mut Conn<'_>, caller: &Caller, folder: &str, path: &str) -> Result<Place> {
    let id = tree::id_in(folder).ok_or_else(|| not_found(path))?;
    let partner = format!("partners/{id}");
    if store::file::letters_to(conn, caller, &partner)?.is_empty() {
        return Err(not_found(path));
    }
    Ok(Place::Partner(partner))
}

/// The template that a file's name means.
pub(super) fn template(
    conn: &mut Conn<'_>,
    caller: &Caller,
    filename: &str,
) -> Result<Option<StoredTemplate>> {
    let Some((stem, format)) = tree::template_name(filename) else { return Ok(None) };
    let same = store::template::called(conn, caller, stem, format)?;
    if let Some(first) = same.into_iter().next() {
        return Ok(Some(first));
    }
    // The second of two with the same name has its id behind it.
    let Some(id) = tree::id_in(stem) else { return Ok(None) };
    match store::template::get(conn, caller, id) {
        Ok(found) if tree::with_id(&found.display_name, id) == stem && found.document.format == format => {
            Ok(Some(found))
        }
        Ok(_) => Ok(None),
        Err(cause) if cause.is_not_found() => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// "2026-11-30 Offer 42-7.docx": day, template, the end of the merge's id, number.
fn letter_name(letter: &LetterFile) -> String {
    let day =
        Timestamp::from_microsecond(letter.create_time).map(|time| time.strftime("%Y-%m-%d").to_string());
    let merge = &letter.merge[letter.merge.len().saturating_sub(6)..];
    let extension = letter.filename.rsplit('.').next().unwrap_or("docx");
    format!("{} {} {merge}-{}.{extension}", day.unwrap_or_default(), letter.template, letter.number)
}

fn folder(path: &str) -> proto::File {
    // The same for ever, so that clients need not read it again.
    let time = Some(clock::to_proto(0));
    proto::File {
        path: path.to_owned(),
        folder: true,
        create_time: time,
        update_time: time,
        ..Default::default()
    }
}

/// As the API shows it.
pub(super) fn to_proto(place: &Place, path: &str) -> proto::File {
    match place {
        Place::Folder | Place::Partner(_) => folder(path),
        Place::Letter(letter) => proto::File {
            path: path.to_owned(),
            folder: false,
            size_bytes: letter.size,
            etag: format!("{}-{}", letter.merge, letter.number),
            create_time: Some(clock::to_proto(letter.create_time)),
            update_time: Some(clock::to_proto(letter.create_time)),
        },
        Place::Template(template) => proto::File {
            path: path.to_owned(),
            folder: false,
            size_bytes: template.document.size,
            etag: format!("{}-{}", &template.document.sha256[..16], template.revision),
            create_time: Some(clock::to_proto(template.create_time)),
            update_time: Some(clock::to_proto(template.update_time)),
        },
        Place::Own(node) => proto::File {
            path: path.to_owned(),
            folder: node.folder,
            size_bytes: node.size,
            etag: node.sha256.get(..32).unwrap_or_default().to_owned(),
            create_time: Some(clock::to_proto(node.create_time)),
            update_time: Some(clock::to_proto(node.update_time)),
        },
    }
}

/// What is in a folder.
///
/// # Errors
/// NOT_FOUND.
pub(super) fn list(conn: &mut Conn<'_>, caller: &Caller, path: &str, now: i64) -> Result<Vec<proto::File>> {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    match find_all(conn, caller, path)? {
        Place::Folder if path.is_empty() => Ok(vec![folder(LETTERS), folder(TEMPLATES)]),
        Place::Folder if path == LETTERS => {
            let partners = store::file::partners(conn, caller)?;
            let name = |(partner, name): (String, String)| {
                folder(&inside(&tree::with_id(&name, partner.trim_start_matches("partners/"))))
            };
            Ok(partners.into_iter().map(name).collect())
        }
        Place::Folder => {
            let mut files = templates(conn, caller)?;
            let own = store::file::list(conn, &caller.user, path)?;
            files.extend(own.into_iter().map(|node| (node.path.clone(), Place::Own(node))));
            files.sort_by(|one, other| one.0.cmp(&other.0));
            // A file of the caller's own that has a template's name stands behind it.
            files.dedup_by(|second, first| second.0 == first.0);
            let aside = store::lock::aside(conn, &caller.user, now)?;
            files.retain(|(_, place)| resource(place).is_none_or(|place| !aside.contains(&place)));
            Ok(files.iter().map(|(path, place)| to_proto(place, path)).collect())
        }
        Place::Partner(partner) => {
            let letters = store::file::letters_to(conn, caller, &partner)?;
            let shown = |letter: LetterFile| {
                let path = inside(&letter_name(&letter));
                to_proto(&Place::Letter(Box::new(letter)), &path)
            };
            Ok(letters.into_iter().map(shown).collect())
        }
        Place::Own(node) if node.folder => {
            let own = store::file::list(conn, &caller.user, path)?;
            Ok(own
                .into_iter()
                .map(|node| {
                    let path = node.path.clone();
                    to_proto(&Place::Own(node), &path)
                })
                .collect())
        }
        Place::Own(_) | Place::Letter(_) | Place::Template(_) => Err(not_found(path)),
    }
}

/// All templates that the caller sees, with their paths; the first of those with one name has it plain.
fn templates(conn: &mut Conn<'_>, caller: &Caller) -> Result<Vec<(String, Place)>> {
    let mut found: Vec<(String, Place)> = Vec::new();
    let mut query = Query { page_size: 1_000, ..Query::default() };
    loop {
        let page = store::template::list(conn, caller, &query)?;
        for template in page.rows {
            let extension = tree::extension(template.document.format);
            let plain = format!("{TEMPLATES}/{}.{extension}", template.display_name);
            let taken = found.iter().rev().take(100).any(|(path, _)| *path == plain);
            let path = if taken {
                format!("{TEMPLATES}/{}.{extension}", tree::with_id(&template.display_name, &template.id))
            } else {
                plain
            };
            found.push((path, Place::Template(Box::new(template))));
        }
        query.page_token = page.next_page_token;
        if query.page_token.is_empty() || found.len() >= 8_000 {
            return Ok(found);
        }
    }
}

/// What properties of a place are kept under; none of those that have none.
pub(super) fn resource(place: &Place) -> Option<String> {
    match place {
        Place::Template(template) => Some(template_place(&template.id)),
        Place::Own(node) => Some(format!("f:{}", node.id)),
        Place::Folder | Place::Partner(_) | Place::Letter(_) => None,
    }
}

/// What locks of a path are kept under, whether something stands there or not.
///
/// # Errors
/// PERMISSION_DENIED where nothing can be written.
pub(super) fn lock_place(conn: &mut Conn<'_>, caller: &Caller, path: &str) -> Result<String> {
    let own = || format!("f:{}/{path}", caller.user);
    match find_all(conn, caller, path) {
        Ok(Place::Template(template)) => Ok(template_place(&template.id)),
        Ok(Place::Own(_)) => Ok(own()),
        Ok(_) => Err(read_only(path)),
        Err(cause) if cause.is_not_found() && path.starts_with("templates/") => Ok(own()),
        Err(cause) => Err(cause),
    }
}
