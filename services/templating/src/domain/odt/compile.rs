//! Compiling an ODT: content and styles become programs, the manifest stands ready, all else is copied as it is packed.
//! Called by `Template::compile`.

use std::collections::{HashMap, HashSet};

use super::fields;
use super::join::{self, Joint, MANIFEST, is_declaration, with_attribute};
use super::text::{Text, find, leaves, paragraphs};
use crate::domain::finding::{Finding, Place, Problem};
use crate::domain::limits::Limits;
use crate::domain::markup::{Emitter, Tags, lift};
use crate::domain::package::{Method, Package, Ready, Skeleton};
use crate::domain::program::{Op, Program};
use crate::domain::template::{Compiled, Extra, Part, Role};
use crate::domain::xml::{Document, Id};

const CONTENT: &str = "content.xml";
const STYLES: &str = "styles.xml";
const KIND: &str = "application/vnd.oasis.opendocument.text";
const NAMESPACES: [(&str, &str); 4] = [
    ("xmlns:office", "urn:oasis:names:tc:opendocument:xmlns:office:1.0"),
    ("xmlns:text", "urn:oasis:names:tc:opendocument:xmlns:text:1.0"),
    ("xmlns:table", "urn:oasis:names:tc:opendocument:xmlns:table:1.0"),
    ("xmlns:draw", "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"),
];

/// What the parts of a template share.
struct Shared {
    places: Vec<Place>,
    findings: Vec<Finding>,
    marks: u32,
}

/// Compiles a package. All that is wrong is found at once.
pub(crate) fn compile(package: &Package<'_>, limits: &Limits) -> Result<Compiled, Vec<Finding>> {
    let mut shared = Shared { places: Vec::new(), findings: Vec::new(), marks: 0 };
    let compiled = compile_with(package, limits, &mut shared).map_err(|finding| vec![finding])?;
    if shared.findings.is_empty() { Ok(compiled) } else { Err(shared.findings) }
}

fn at(part: &str) -> impl Fn(Problem) -> Finding {
    move |problem| Finding::in_part(part, problem)
}

fn compile_with(package: &Package<'_>, limits: &Limits, shared: &mut Shared) -> Result<Compiled, Finding> {
    let mut left = limits.nodes;
    refuse(package, limits)?;
    let mut read = |name: &str| -> Result<Document, Finding> {
        let entry = package
            .entry(name)
            .ok_or_else(|| Finding::in_part(name, Problem::Package("the file is missing".into())))?;
        let bytes = package.read(entry, limits.part_bytes).map_err(at(name))?;
        Document::parse(bytes, limits, &mut left).map_err(at(name))
    };
    let mut manifest = read(MANIFEST)?;
    check_manifest(&mut manifest)?;
    let mut content = read(CONTENT)?;
    check_root(&content, CONTENT)?;
    let styles = if package.entry(STYLES).is_some() { Some(read(STYLES)?) } else { None };
    let mut parts = Vec::new();
    let (program, refused) = part(CONTENT, &mut content, styles.as_ref(), limits, shared)?;
    parts.push(new_part(CONTENT, program, Role::Main));
    let mut styles_differ = false;
    if let Some(mut styles) = styles {
        check_root(&styles, STYLES)?;
        let (program, _) = part(STYLES, &mut styles, None, limits, shared)?;
        styles_differ = !program.is_same_for_all();
        if styles_differ {
            parts.push(new_part(STYLES, program, Role::Header));
        }
    }
    let refusal = join::refusal(&content, styles_differ).or(refused);
    let text = manifest.to_text();
    let head = text.trim_end().strip_suffix("</manifest:manifest>").unwrap_or(&text).to_owned();
    let joint = Joint { manifest_head: head, manifest: Ready::pack(MANIFEST, text.as_bytes()), refusal };
    let skeleton = skeleton(package, &parts)?;
    let places = std::mem::take(&mut shared.places);
    Ok(Compiled { parts, skeleton, singles: Vec::new(), places, extra: Extra::Office(joint) })
}

fn new_part(name: &str, program: Program, role: Role) -> Part {
    Part { name: name.to_owned(), program, role, relations: None, ready: None, header: None }
}

fn refuse(package: &Package<'_>, limits: &Limits) -> Result<(), Finding> {
    for entry in package.entries() {
        let is_macro = (entry.name.starts_with("Basic/") || entry.name.starts_with("Scripts/"))
            && !entry.name.ends_with('/');
        if is_macro {
            return Err(Finding::in_part(
                &entry.name,
                Problem::Refused("the template has macros; take them out".into()),
            ));
        }
    }
    let kind = package
        .entry("mimetype")
        .ok_or_else(|| Finding::in_part("mimetype", Problem::Package("the file is missing".into())))?;
    let text = package.read(kind, 200.min(limits.part_bytes)).map_err(at("mimetype"))?;
    let text = String::from_utf8_lossy(&text);
    if !matches!(text.trim().strip_prefix(KIND), Some("" | "-template")) {
        let why = format!("it is no text document of LibreOffice but {:?}", text.trim());
        return Err(Finding::in_part("mimetype", Problem::Package(why)));
    }
    Ok(())
}

/// Refuses encryption; a template becomes a document.
fn check_manifest(manifest: &mut Document) -> Result<(), Finding> {
    let root = manifest.root();
    if manifest.name(root) != "manifest:manifest" {
        return Err(Finding::in_part(MANIFEST, Problem::Package("it is no manifest".into())));
    }
    for id in manifest.walk(root) {
        if manifest.name(id) == "manifest:encryption-data" {
            let why = "the template is encrypted; save it without a password";
            return Err(Finding::in_part(MANIFEST, Problem::Refused(why.into())));
        }
        let path = manifest.attribute(id, "manifest:full-path").unwrap_or_default();
        if path == "/" {
            let tag = with_attribute(manifest.begin_tag(id), "manifest:media-type", KIND);
            manifest.set_begin_tag(id, tag);
        }
        if path.starts_with("META-INF/") && path.contains("signatures") {
            manifest.remove(id);
        }
    }
    if manifest.is_self_closed(root) {
        return Err(Finding::in_part(MANIFEST, Problem::Package("the manifest is empty".into())));
    }
    Ok(())
}

fn check_root(document: &Document, name: &str) -> Result<(), Finding> {
    let root = document.root();
    // Styles may do without tables and drawings.
    let fits = |(attribute, space): &(&str, &str)| {
        document.attribute(root, attribute).is_none_or(|found| found == *space)
    };
    if !document.name(root).starts_with("office:document") || !NAMESPACES.iter().all(fits) {
        let why = "it is not written as LibreOffice does; open it there and save it as .odt";
        return Err(Finding::in_part(name, Problem::Refused(why.into())));
    }
    let scripts = document.child(root, "office:scripts");
    if scripts.is_some_and(|scripts| {
        document
            .walk(scripts)
            .iter()
            .any(|id| matches!(document.name(*id), "office:script" | "script:event-listener"))
    }) {
        return Err(Finding::in_part(
            name,
            Problem::Refused("the template has macros; take them out".into()),
        ));
    }
    Ok(())
}

/// Finds the tags of a part and makes its program; also says why its letters cannot be joined.
fn part(
    name: &str,
    document: &mut Document,
    styles: Option<&Document>,
    limits: &Limits,
    shared: &mut Shared,
) -> Result<(Program, Option<Finding>), Finding> {
    let mut tags = Tags {
        part: name.into(),
        list: Vec::new(),
        places: &mut shared.places,
        findings: &mut shared.findings,
        limits,
    };
    let all = paragraphs(document);
    let numbers: HashMap<Id, u32> = all.iter().zip(1..).map(|(id, number)| (*id, number)).collect();
    fields::convert(document, &mut tags, &numbers);
    for id in all {
        let leaves = leaves(document, id);
        tags.scan(document, &leaves, numbers[&id]);
    }
    let mut text = Text { links: HashMap::new(), pictures: HashMap::new(), begin: None, in_picture: false };
    find(document, &mut tags, &numbers, &mut text);
    let lifted = lift(document, &mut tags, &text);
    let body =
        document.child(document.root(), "office:body").and_then(|body| document.child(body, "office:text"));
    if name == CONTENT {
        let Some(body) = body else {
            return Err(Finding::in_part(name, Problem::Package("no text is in it".into())));
        };
        text.begin = Some(join::prepare(document, styles, body, &lifted.removed));
    }
    let mut emitter = Emitter::new(document, &mut tags, &lifted.removed, text, &mut shared.marks);
    Ok((emit(&mut emitter, body, &lifted.removed), None))
}

fn emit(emitter: &mut Emitter<'_, '_, Text>, body: Option<Id>, removed: &HashSet<Id>) -> Program {
    let document = emitter.document;
    let mut program = Program::default();
    let Some(body) = body else {
        emitter.nodes(&document.top);
        program.body = emitter.builder.take();
        program.pool = std::mem::take(&mut emitter.builder).into_pool();
        return program;
    };
    // Down to the text, each element is opened and what stands before the next is written.
    let mut path = vec![body];
    while let Some(parent) = document.parent(path[path.len() - 1]) {
        path.push(parent);
    }
    path.reverse();
    let at = document.top.iter().position(|id| *id == path[0]).unwrap_or(0);
    emitter.nodes(&document.top[..at]);
    for pair in path.windows(2) {
        emitter.builder.text(document.begin_tag(pair[0]));
        let at = document.position(pair[1]);
        emitter.nodes(&document.children(pair[0])[..at]);
    }
    emitter.builder.text(document.begin_tag(body));
    let children = document.children(body);
    let begin =
        children.iter().take_while(|id| is_declaration(document.name(**id)) && !removed.contains(id)).count();
    emitter.nodes(&children[..begin]);
    program.head = emitter.builder.take();
    if emitter.hooks.begin.as_ref().is_some_and(|begin| begin.paragraph.is_none()) {
        emitter.builder.begin();
        emitter.builder.text(&join::empty_paragraph());
        let others = emitter.builder.end();
        emitter.builder.push(Op::Following { first: Vec::new(), others });
    }
    emitter.nodes(&children[begin..]);
    program.body = emitter.builder.take();
    emitter.end_tag(body);
    for pair in path.windows(2).rev() {
        let at = document.position(pair[1]);
        emitter.nodes(&document.children(pair[0])[at + 1..]);
        emitter.end_tag(pair[0]);
    }
    emitter.nodes(&document.top[at + 1..]);
    program.tail = emitter.builder.take();
    program.pool = std::mem::take(&mut emitter.builder).into_pool();
    program
}

/// The files that are copied. The `mimetype` comes first and is not packed.
fn skeleton(package: &Package<'_>, parts: &[Part]) -> Result<Skeleton, Finding> {
    let mut skeleton = Skeleton::default();
    skeleton.store("mimetype", KIND.as_bytes());
    for entry in package.entries() {
        let is_done = entry.name == "mimetype"
            || entry.name == MANIFEST
            || parts.iter().any(|part| part.name == entry.name);
        // A signature would not fit to the letter, and folders are no files.
        let is_signature = entry.name.starts_with("META-INF/") && entry.name.contains("signatures");
        if is_done
            || is_signature
            || (entry.name.ends_with('/') && entry.size == 0 && entry.method == Method::Stored)
        {
            continue;
        }
        package.verify(entry).map_err(at(&entry.name))?;
        skeleton.copy(package, entry);
    }
    Ok(skeleton)
}
