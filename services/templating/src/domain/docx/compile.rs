//! Compiling a DOCX: its parts are found by their types, each becomes a program or stays as it is packed.
//! Called by `Template::compile`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::fields;
use super::lists::Lists;
use super::pictures;
use super::relations::{END, Relations};
use super::section;
use super::word::{Word, ending_with_paragraph, leaves};
use crate::domain::finding::{Finding, Place, Problem};
use crate::domain::limits::Limits;
use crate::domain::markup::{Emitter, Tags, lift};
use crate::domain::package::{Package, Ready, Skeleton};
use crate::domain::program::Program;
use crate::domain::template::{Compiled, Extra, Header, Part, PartRelations, Role};
use crate::domain::xml::{Document, Id, Node};

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.";
const TYPES: &str = "[Content_Types].xml";
const TRANSITIONAL: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// The work on one template.
struct Compiler<'p, 'b> {
    package: &'p Package<'b>,
    limits: &'p Limits,
    left: usize,
    places: Vec<Place>,
    findings: Vec<Finding>,
    marks: u32,
    has_pictures: bool,
    /// Files that are not copied as they are.
    done: HashSet<String>,
}

/// A part that was read and not emitted yet.
struct Read {
    name: String,
    kind: String,
    document: Document,
    relations: Relations,
    has_relations: bool,
}

/// Compiles a package. All that is wrong is found at once.
pub(crate) fn compile(package: &Package<'_>, limits: &Limits) -> Result<Compiled, Vec<Finding>> {
    let mut compiler = Compiler {
        package,
        limits,
        left: limits.nodes,
        places: Vec::new(),
        findings: Vec::new(),
        marks: 0,
        has_pictures: false,
        done: HashSet::new(),
    };
    let compiled = compiler.compile().map_err(|finding| vec![finding])?;
    if compiler.findings.is_empty() { Ok(compiled) } else { Err(compiler.findings) }
}

fn at(part: &str) -> impl Fn(Problem) -> Finding {
    move |problem| Finding::in_part(part, problem)
}

/// Where the relations of a part stand.
fn relations_of(part: &str) -> String {
    let (folder, name) = part.rsplit_once('/').map_or(("", part), |(folder, name)| (folder, name));
    if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") }
}

impl Compiler<'_, '_> {
    fn read(&mut self, name: &str) -> Result<Vec<u8>, Finding> {
        let entry = self
            .package
            .entry(name)
            .ok_or_else(|| Finding::in_part(name, Problem::Package("the file is missing".into())))?;
        self.done.insert(name.to_owned());
        self.package.read(entry, self.limits.part_bytes).map_err(at(name))
    }

    fn parse(&mut self, name: &str) -> Result<Document, Finding> {
        let bytes = self.read(name)?;
        Document::parse(bytes, self.limits, &mut self.left).map_err(at(name))
    }

    fn compile(&mut self) -> Result<Compiled, Finding> {
        self.refuse()?;
        let mut types = self.parse(TYPES)?;
        let kinds = part_kinds(&mut types)?;
        let main =
            kinds.iter().find(|(_, kind)| kind.as_str() == "document.main").map(|(name, _)| name.clone());
        let main = main
            .ok_or_else(|| Finding::in_part(TYPES, Problem::Package("no Word document is in it".into())))?;
        let mut reads = Vec::new();
        for (name, kind) in &kinds {
            if matches!(kind.as_str(), "document.main" | "header" | "footer" | "footnotes" | "endnotes") {
                let read = self.read_part(name, kind)?;
                reads.push(read);
            }
        }
        // The letter's own text first, then what stands around it.
        reads.sort_by_key(|read| (read.name != main, read.name.clone()));
        let lists = self.lists(&kinds)?;
        let counted = lists.as_ref().map(Lists::counted).unwrap_or_default();
        let mut parts = Vec::new();
        let mut headers = HashMap::new();
        let main_targets = reads.first().map(|read| read.relations.targets.clone()).unwrap_or_default();
        // Headers come before the main part, which must know which of them differ between letters.
        for read in reads.iter_mut().skip(1) {
            let part = self.part(read, &HashMap::new(), &counted)?;
            self.sort_part(part, &read.kind, &main_targets, &mut parts, &mut headers);
        }
        let Some(main_read) = reads.first_mut() else {
            return Err(Finding::in_part(&main, Problem::Package("the file is missing".into())));
        };
        let main_part = self.part(main_read, &headers, &counted)?;
        parts.insert(0, main_part);
        let settings = self.settings(&kinds)?;
        let types_text = self.types(&mut types);
        self.assemble(parts, settings, types_text, lists, !headers.is_empty())
    }

    fn refuse(&self) -> Result<(), Finding> {
        for entry in self.package.entries() {
            let name = entry.name.to_lowercase();
            if name.ends_with("vbaproject.bin") || name.ends_with("vbadata.xml") {
                let why = "the template has macros; save it without them as .docx";
                return Err(Finding::in_part(&entry.name, Problem::Refused(why.into())));
            }
            if name.starts_with("_xmlsignatures/") {
                let why =
                    "the template is signed, and a letter made of it would not be; take the signature out";
                return Err(Finding::in_part(&entry.name, Problem::Refused(why.into())));
            }
        }
        Ok(())
    }

    fn read_part(&mut self, name: &str, kind: &str) -> Result<Read, Finding> {
        let document = self.parse(name)?;
        let root = document.root();
        let space = document.attribute(root, "xmlns:w");
        if space.as_deref() != Some(TRANSITIONAL) || !document.name(root).starts_with("w:") {
            let why = "it is not written as Word and LibreOffice do; open it there and save it as .docx (not Strict Open XML)";
            return Err(Finding::in_part(name, Problem::Refused(why.into())));
        }
        let path = relations_of(name);
        let has_relations = self.package.entry(&path).is_some();
        let relations = if has_relations {
            let bytes = self.read(&path)?;
            Relations::parse(bytes, self.limits, &mut self.left).map_err(at(&path))?
        } else {
            Relations::none()
        };
        Ok(Read { name: name.to_owned(), kind: kind.to_owned(), document, relations, has_relations })
    }

    fn lists(&mut self, kinds: &BTreeMap<String, String>) -> Result<Option<Lists>, Finding> {
        let Some((name, _)) = kinds.iter().find(|(_, kind)| kind.as_str() == "numbering") else {
            return Ok(None);
        };
        let Some(entry) = self.package.entry(name) else { return Ok(None) };
        let bytes = self.package.read(entry, self.limits.part_bytes).map_err(at(name))?;
        // Lists without numbers are no lists that could begin anew.
        let lists = Lists::parse(name, bytes, self.limits, &mut self.left).ok();
        Ok(lists.filter(|lists| !lists.counted().is_empty()))
    }

    /// Finds the tags of a part and makes its program.
    fn part(
        &mut self,
        read: &mut Read,
        headers: &HashMap<String, u32>,
        lists: &HashSet<u32>,
    ) -> Result<Part, Finding> {
        let is_main = read.kind == "document.main";
        let document = &mut read.document;
        let mut numbers = HashMap::new();
        for id in document.walk(document.root()) {
            if document.name(id) == "w:p" {
                numbers.insert(id, numbers.len() as u32 + 1);
            }
        }
        let mut tags = Tags {
            part: read.name.as_str().into(),
            list: Vec::new(),
            places: &mut self.places,
            findings: &mut self.findings,
            limits: self.limits,
        };
        fields::convert(document, &mut tags, &numbers);
        let mut paragraphs: Vec<(u32, Id)> = numbers.iter().map(|(id, number)| (*number, *id)).collect();
        paragraphs.sort_unstable();
        for (number, id) in paragraphs {
            let (text, instructions) = leaves(document, id);
            for leaves in [text, instructions] {
                tags.scan(document, &leaves, number);
            }
        }
        let pictures = pictures::find(document, &mut tags, &numbers);
        self.has_pictures |= !pictures.is_empty();
        let link_places = read
            .relations
            .links
            .keys()
            .map(|id| (id.clone(), tags.place(&format!("link {id}"), 0)))
            .collect();
        let word = Word {
            links: &read.relations.links,
            link_places,
            pictures,
            headers,
            lists,
            section_end: None,
            picture_box: None,
        };
        let lifted = lift(document, &mut tags, &word);
        let removed = lifted.removed;
        let body = document.child(document.root(), "w:body").filter(|_| is_main);
        let mut word = word;
        if let Some(body) = body {
            if document.child(body, "w:sectPr").is_none() {
                let end = document.children(body).len();
                let section = document.make_element("<w:sectPr>", Vec::new());
                document.insert(body, end, section);
            }
            section::prepare(document, body);
            word.section_end = last_paragraph(document, body, &removed, &tags);
        }
        let mut emitter = Emitter::new(document, &mut tags, &removed, word, &mut self.marks);
        let program = emit(&mut emitter, body);
        let relations =
            PartRelations::new(&relations_of(&read.name), &read.relations.head, END, read.has_relations);
        let role = match read.kind.as_str() {
            "document.main" => Role::Main,
            "footnotes" | "endnotes" => Role::Notes,
            _ => Role::Header,
        };
        Ok(Part {
            name: read.name.clone(),
            program,
            role,
            relations: Some(relations),
            ready: None,
            header: None,
        })
    }

    /// Decides what becomes of a part besides the main one.
    fn sort_part(
        &mut self,
        mut part: Part,
        kind: &str,
        targets: &HashMap<String, String>,
        parts: &mut Vec<Part>,
        headers: &mut HashMap<String, u32>,
    ) {
        let is_same = part.program.is_same_for_all();
        if part.role == Role::Notes {
            if is_same && let Some(entry) = self.package.entry(&part.name) {
                part.ready = Some(Ready::copy(self.package, entry));
            }
            return parts.push(part);
        }
        if is_same {
            // The file is copied as it is packed, and its relations with it.
            self.done.remove(&part.name);
            self.done.remove(&relations_of(&part.name));
            return;
        }
        let number = parts.len() as u32;
        let file = part.name.rsplit('/').next().unwrap_or_default();
        for (relation, target) in targets {
            if target.rsplit('/').next() == Some(file) {
                headers.insert(relation.clone(), number);
            }
        }
        part.header = Some(Header { number, is_footer: kind == "footer" });
        parts.push(part);
    }

    /// Word's own mail merge would ask for its data source when a letter is opened.
    fn settings(&mut self, kinds: &BTreeMap<String, String>) -> Result<Vec<Ready>, Finding> {
        let mut found = Vec::new();
        let Some((name, _)) = kinds.iter().find(|(_, kind)| kind.as_str() == "settings") else {
            return Ok(found);
        };
        let mut document = self.parse(name)?;
        let root = document.root();
        let Some(merge) = document.child(root, "w:mailMerge") else {
            self.done.remove(name);
            return Ok(found);
        };
        document.remove(merge);
        found.push(Ready::pack(name, document.to_text().as_bytes()));
        let path = relations_of(name);
        if self.package.entry(&path).is_some() {
            let mut relations = self.parse(&path)?;
            let root = relations.root();
            for id in relations.children(root).to_vec() {
                let kind = relations.attribute(id, "Type").unwrap_or_default();
                if kind.ends_with("/mailMergeSource")
                    || kind.ends_with("/mailMergeHeaderSource")
                    || kind.ends_with("/recipientData")
                {
                    relations.remove(id);
                }
            }
            found.push(Ready::pack(&path, relations.to_text().as_bytes()));
        }
        Ok(found)
    }

    /// The types of all parts, with those of pictures that letters may bring.
    fn types(&self, types: &mut Document) -> String {
        let root = types.root();
        let known: HashSet<String> = types
            .children(root)
            .iter()
            .filter_map(|id| types.attribute(*id, "Extension"))
            .map(|name| name.to_lowercase())
            .collect();
        if self.has_pictures {
            for (extension, kind) in [("png", "image/png"), ("jpeg", "image/jpeg"), ("gif", "image/gif")] {
                if !known.contains(extension) {
                    let tag = format!("<Default Extension=\"{extension}\" ContentType=\"{kind}\"/>");
                    let element = types.make_element(tag, Vec::new());
                    types.insert(root, 0, element);
                }
            }
        }
        types.to_text()
    }

    fn assemble(
        &mut self,
        mut parts: Vec<Part>,
        settings: Vec<Ready>,
        types: String,
        lists: Option<Lists>,
        has_headers: bool,
    ) -> Result<Compiled, Finding> {
        let mut skeleton = Skeleton::default();
        let mut singles = Vec::new();
        let types_ready = Ready::pack(TYPES, types.as_bytes());
        if has_headers {
            singles.push(types_ready)
        } else {
            skeleton.add(&types_ready)
        }
        for entry in self.package.entries() {
            let is_list = lists.as_ref().is_some_and(|lists| lists.name == entry.name);
            if self.done.contains(&entry.name) && !is_list {
                continue;
            }
            self.package.verify(entry).map_err(at(&entry.name))?;
            if is_list {
                singles.push(Ready::copy(self.package, entry));
            } else {
                skeleton.copy(self.package, entry);
            }
        }
        for ready in &settings {
            skeleton.add(ready);
        }
        parts.sort_by_key(|part| part.role != Role::Main);
        let types_head = types.trim_end().strip_suffix("</Types>").unwrap_or(&types).to_owned();
        let extra = Extra::Word { lists, types: types_head, types_name: TYPES };
        Ok(Compiled { parts, skeleton, singles, places: std::mem::take(&mut self.places), extra })
    }
}

/// The kinds of parts by their paths. A template's type becomes a document's.
fn part_kinds(types: &mut Document) -> Result<BTreeMap<String, String>, Finding> {
    let root = types.root();
    let mut found = BTreeMap::new();
    if types.name(root) != "Types" {
        return Err(Finding::in_part(
            TYPES,
            Problem::Package("the list of types has a prefix of its own".into()),
        ));
    }
    for id in types.children(root).to_vec() {
        let Some(kind) = types.attribute(id, "ContentType") else { continue };
        if kind.contains("macroEnabled") || kind.contains("vbaProject") {
            let why = "the template has macros; save it without them as .docx";
            return Err(Finding::in_part(TYPES, Problem::Refused(why.into())));
        }
        let (Some(name), Some(kind)) = (types.attribute(id, "PartName"), kind.strip_prefix(WORD)) else {
            continue;
        };
        let mut kind = kind.trim_end_matches("+xml").to_owned();
        if kind == "template.main" {
            let tag = types.begin_tag(id).replacen("template.main", "document.main", 1);
            types.set_begin_tag(id, tag);
            kind = "document.main".into();
        }
        found.insert(name.trim_start_matches('/').to_owned(), kind);
    }
    Ok(found)
}

/// The paragraph in which a letter's last section may end: the last thing of the body, outside of blocks, without a section of its own.
fn last_paragraph(document: &Document, body: Id, removed: &HashSet<Id>, tags: &Tags<'_>) -> Option<Id> {
    let mut depth = 0;
    let mut last = None;
    for id in document.children(body) {
        match document.node(*id) {
            Node::Tag(number) => {
                depth += tags.depth_step(*number);
                last = None;
            }
            Node::Element(_) if document.name(*id) == "w:p" && !removed.contains(id) => {
                last = Some(*id).filter(|_| depth == 0)
            }
            Node::Element(_)
                if !matches!(document.name(*id), "w:sectPr" | "w:bookmarkEnd" | "w:bookmarkStart") =>
            {
                last = None
            }
            _ => {}
        }
    }
    let has_section = |id: Id| {
        document.child(id, "w:pPr").is_some_and(|properties| document.child(properties, "w:sectPr").is_some())
    };
    last.filter(|id| !has_section(*id))
}

fn emit(emitter: &mut Emitter<'_, '_, Word<'_>>, body: Option<Id>) -> Program {
    let document = emitter.document;
    let root = document.root();
    let mut program = Program::default();
    let before: Vec<Id> = document.top.iter().copied().take_while(|id| *id != root).collect();
    let behind: Vec<Id> = document.top.iter().copied().skip_while(|id| *id != root).skip(1).collect();
    emitter.nodes(&before);
    emitter.builder.text(document.begin_tag(root));
    match (body, document.name(root)) {
        (Some(body), _) => {
            let children = document.children(root);
            let at = document.position(body);
            emitter.nodes(&children[..at]);
            emitter.builder.text(document.begin_tag(body));
            program.head = emitter.builder.take();
            let inner = document.children(body);
            let end = inner.iter().rposition(|id| document.name(*id) == "w:sectPr").unwrap_or(inner.len());
            emitter.nodes(&inner[..end]);
            program.body = emitter.builder.take();
            emitter.nodes(&inner[end..]);
            program.section = emitter.builder.take();
            emitter.end_tag(body);
            emitter.nodes(&children[at + 1..]);
        }
        (None, "w:footnotes" | "w:endnotes") => {
            let children = document.children(root);
            let is_kept = |id: &&Id| document.attribute(**id, "w:type").is_some_and(|kind| kind != "normal");
            let kept: Vec<Id> = children.iter().filter(is_kept).copied().collect();
            let notes: Vec<Id> = children.iter().filter(|id| !is_kept(id)).copied().collect();
            emitter.nodes(&kept);
            program.head = emitter.builder.take();
            emitter.nodes(&notes);
            program.body = emitter.builder.take();
        }
        (None, _) => {
            program.head = emitter.builder.take();
            ending_with_paragraph(emitter, root);
            program.body = emitter.builder.take();
        }
    }
    emitter.end_tag(root);
    emitter.nodes(&behind);
    program.tail = emitter.builder.take();
    program.pool = std::mem::take(&mut emitter.builder).into_pool();
    program
}
