//! Paths of the tree of documents, and the names under which templates and letters stand in it.
//! Called by rpc/file_place.rs and the store of locks.

use kontor_kit::{Error, Result};

use super::template::Format;

/// The folder of templates.
pub const TEMPLATES: &str = "templates";
/// The folder of letters.
pub const LETTERS: &str = "letters";

/// Segments of a path at most.
const DEPTH: usize = 20;
/// Bytes of a segment at most.
const SEGMENT: usize = 255;

/// Splits a path.
///
/// # Errors
/// INVALID_ARGUMENT for what is no path.
pub fn segments(path: &str) -> Result<Vec<&str>> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = path.split('/').collect();
    let good = |segment: &&str| {
        !segment.is_empty()
            && segment.len() <= SEGMENT
            && *segment != "."
            && *segment != ".."
            && !segment.chars().any(|it| it.is_control() || matches!(it, '\u{FFFE}' | '\u{FFFF}'))
    };
    if segments.len() > DEPTH || !segments.iter().all(good) {
        return Err(Error::invalid("path", "it is no path of files"));
    }
    Ok(segments)
}

/// The path of the folder above; none for the root.
pub fn parent(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { Some(path.rsplit_once('/').map_or("", |(parent, _)| parent)) }
}

/// The name for people of the template that a file in "templates" is, by its name: "Offer.docx". None for a name that no template has: other
/// endings, and the files that office programs make on the way ("~WRD0001.docx", ".~lock.a.odt#").
pub fn template_name(filename: &str) -> Option<(&str, i64)> {
    if filename.starts_with(['~', '.']) {
        return None;
    }
    let (stem, extension) = filename.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let extension = if extension == "htm" { "html" } else { &extension };
    let format = Format::ALL.into_iter().find(|format| format.extension() == extension)?;
    (!stem.trim().is_empty()).then_some((stem, format.number()))
}

/// The ending of a format's files.
pub fn extension(format: i64) -> &'static str {
    Format::of(format).unwrap_or(Format::Docx).extension()
}

/// A name with an id in parentheses: of two with the same name one, and of folders of partners each.
pub fn with_id(name: &str, id: &str) -> String {
    let clean: String = name
        .chars()
        .map(|it| if it.is_control() || it == '/' || it == '\\' { ' ' } else { it })
        .take(100)
        .collect();
    format!("{} ({id})", clean.trim())
}

/// The id in the last parentheses.
pub fn id_in(name: &str) -> Option<&str> {
    let inner = name.strip_suffix(')')?;
    let (_, id) = inner.rsplit_once(" (")?;
    (!id.is_empty()).then_some(id)
}
