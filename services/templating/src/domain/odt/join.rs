//! What a joined ODT needs: each letter begins on a new page, and the manifest names the pictures of all.
//! Prepared when a template is compiled; used by the renderer and the joiner.

use std::collections::HashSet;

use super::text::{is_apart, is_paragraph};
use crate::domain::finding::{Finding, Problem};
use crate::domain::package::{Archive, Ready};
use crate::domain::xml::{Document, Id, Node, attribute_span, push_escaped};

/// The style of a letter's first paragraph in a joined file.
const STYLE: &str = "KontorNextLetter";

/// What only ODT has.
#[derive(Debug)]
pub(crate) struct Joint {
    pub(super) manifest_head: String,
    pub(super) manifest: Ready,
    /// Why letters of this template cannot be joined.
    pub(super) refusal: Option<Finding>,
}

impl Joint {
    /// Whether letters of the template can be joined.
    pub(crate) fn joins(&self) -> Result<(), Finding> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    /// Adds the manifest, with the pictures that letters brought.
    pub(crate) fn add_manifest<'p>(
        &self,
        archive: &mut Archive,
        pictures: impl Iterator<Item = (&'p str, &'static str)>,
    ) {
        let mut text = String::new();
        for (path, kind) in pictures {
            if text.is_empty() {
                text.push_str(&self.manifest_head);
            }
            text.push_str(&format!(
                "<manifest:file-entry manifest:full-path=\"{path}\" manifest:media-type=\"{kind}\"/>"
            ));
        }
        if text.is_empty() {
            return archive.copy(&self.manifest);
        }
        text.push_str("</manifest:manifest>");
        archive.add(MANIFEST, text.as_bytes());
    }
}

/// The path of the manifest.
pub(super) const MANIFEST: &str = "META-INF/manifest.xml";

/// How a letter behind the first begins.
pub(super) struct Begin {
    /// The paragraph that gets another style; without one an empty paragraph stands before the letter.
    pub(super) paragraph: Option<Id>,
    /// The style's name.
    pub(super) style: &'static str,
}

/// What stands before a letter that does not begin with a paragraph.
pub(super) fn empty_paragraph() -> String {
    format!("<text:p text:style-name=\"{STYLE}\"/>")
}

/// Prepares the content: finds the first paragraph and adds the style.
pub(super) fn prepare(
    content: &mut Document,
    styles: Option<&Document>,
    body: Id,
    removed: &HashSet<Id>,
) -> Begin {
    let paragraph = first_paragraph(content, body, removed);
    let own = paragraph.and_then(|id| content.attribute(id, "text:style-name")).unwrap_or_default();
    let root = content.root();
    let automatic = match content.child(root, "office:automatic-styles") {
        Some(automatic) => automatic,
        None => {
            let made = content.make_element("<office:automatic-styles>", Vec::new());
            let at = content.child(root, "office:body").map_or(0, |body| content.position(body));
            content.insert(root, at, made);
            made
        }
    };
    if content.is_self_closed(automatic) {
        let tag = content.begin_tag(automatic).trim_end_matches("/>").to_owned() + ">";
        content.set_begin_tag(automatic, tag);
    }
    let style = content.children(automatic).iter().copied().find(|id| {
        content.name(*id) == "style:style"
            && content.attribute(*id, "style:name").as_deref() == Some(&own)
            && content.attribute(*id, "style:family").as_deref() == Some("paragraph")
    });
    let page =
        style.and_then(|id| content.attribute(id, "style:master-page-name")).filter(|name| !name.is_empty());
    let page = page.or_else(|| styles.and_then(first_page)).unwrap_or_else(|| "Standard".into());
    let counts = has_page_numbers(content) || styles.is_some_and(has_page_numbers);
    let made = next_style(content, style, &own, &page, counts);
    let at = content.children(automatic).len();
    content.insert(automatic, at, made);
    Begin { paragraph, style: STYLE }
}

/// The first paragraph that every letter has and that begins it.
fn first_paragraph(document: &Document, body: Id, removed: &HashSet<Id>) -> Option<Id> {
    for id in document.children(body) {
        match document.node(*id) {
            Node::Element(_) if removed.contains(id) => {}
            Node::Element(_) => match document.name(*id) {
                name if is_paragraph(name) => return Some(*id),
                "text:list" | "text:list-item" | "text:section" => {
                    return first_paragraph(document, *id, removed);
                }
                name if is_declaration(name) => {}
                _ => return None,
            },
            Node::Tag(_) => return None,
            _ => {}
        }
    }
    None
}

/// What stands before the text itself and once in a file.
pub(super) fn is_declaration(name: &str) -> bool {
    is_apart(name)
        || name.ends_with("-decls")
        || matches!(name, "office:event-listeners" | "text:page-sequence")
}

fn first_page(styles: &Document) -> Option<String> {
    let masters = styles.child(styles.root(), "office:master-styles")?;
    let page = styles.child(masters, "style:master-page")?;
    styles.attribute(page, "style:name")
}

fn has_page_numbers(document: &Document) -> bool {
    document.walk(document.root()).into_iter().any(|id| document.name(id) == "text:page-number")
}

/// The first paragraph's style, with a page of its own.
fn next_style(document: &mut Document, style: Option<Id>, own: &str, page: &str, counts: bool) -> Id {
    let number = if counts { "1" } else { "auto" };
    let page = escaped(page);
    let Some(style) = style else {
        let properties = document.make_element(
            format!("<style:paragraph-properties style:page-number=\"{number}\"/>"),
            Vec::new(),
        );
        // A paragraph without a style of its own has none to go back to.
        let parent = if own.is_empty() {
            String::new()
        } else {
            format!(" style:parent-style-name=\"{}\"", escaped(own))
        };
        let tag = format!(
            "<style:style style:name=\"{STYLE}\" style:family=\"paragraph\"{parent} style:master-page-name=\"{page}\">"
        );
        return document.make_element(tag, vec![properties]);
    };
    let copy = document.copy(style);
    let mut tag = document.begin_tag(copy).to_owned();
    for (name, value) in [("style:name", STYLE), ("style:master-page-name", page.as_str())] {
        tag = with_attribute(&tag, name, value);
    }
    if let Some(head) = tag.strip_suffix("/>") {
        tag = format!("{head}>");
    }
    document.set_begin_tag(copy, tag);
    match document.child(copy, "style:paragraph-properties") {
        Some(properties) => {
            let tag = with_attribute(document.begin_tag(properties), "style:page-number", number);
            document.set_begin_tag(properties, tag);
        }
        None => {
            let properties = document.make_element(
                format!("<style:paragraph-properties style:page-number=\"{number}\"/>"),
                Vec::new(),
            );
            document.insert(copy, 0, properties);
        }
    }
    copy
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    push_escaped(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// A begin tag with an attribute set.
pub(super) fn with_attribute(tag: &str, name: &str, value: &str) -> String {
    match attribute_span(tag, name) {
        Some((begin, end)) => format!("{}{value}{}", &tag[..begin], &tag[end..]),
        None => {
            let end = tag.find([' ', '>', '/']).unwrap_or(tag.len());
            format!("{} {name}=\"{value}\"{}", &tag[..end], &tag[end..])
        }
    }
}

/// Why letters of a template cannot be joined.
pub(super) fn refusal(content: &Document, styles_differ: bool) -> Option<Finding> {
    let wrong = |part: &str, why: &str| Some(Finding::in_part(part, Problem::Refused(why.into())));
    if styles_differ {
        return wrong(
            "styles.xml",
            "headers and footers with fields cannot be joined in one ODT; make one file for each letter, or a DOCX",
        );
    }
    let is_on_page = |id: &Id| document_anchor(content, *id).as_deref() == Some("page");
    if content.walk(content.root()).iter().any(is_on_page) {
        return wrong(
            "content.xml",
            "a frame that is anchored to a page cannot be joined; anchor it to a paragraph",
        );
    }
    None
}

fn document_anchor(document: &Document, id: Id) -> Option<String> {
    document.attribute(id, "text:anchor-type")
}
