//! Many letters in one file: the template's files once, each letter a section of its own with its own lists, notes and headers. The
//! file is written as it grows; only what is small or must come last is kept in memory.
//! Called by merge jobs that make a joined file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::render::{Rendered, add_pictures, media_folder, relations_text};
use crate::domain::docx::{RELATIONS_END, push_relation};
use crate::domain::finding::{Finding, Problem};
use crate::domain::package::{Archive, Ready, Spool};
use crate::domain::program::{File, Letter, Machine, Mode, Op, Relation, header_id};
use crate::domain::template::{Extra, Part, Role, Template};

/// What can go wrong while a joined file is written.
#[derive(Debug)]
pub enum JoinError {
    /// A letter or the template is wrong.
    Finding(Finding),
    /// The file could not be written.
    Io(io::Error),
}

impl From<Finding> for JoinError {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}
impl From<io::Error> for JoinError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl std::fmt::Display for JoinError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finding(finding) => write!(out, "{finding}"),
            Self::Io(error) => write!(out, "{error}"),
        }
    }
}
impl std::error::Error for JoinError {}

/// The size of a package without zip64, with room for what comes last.
const LARGEST: u64 = 3 << 30;
/// What may be kept in memory for the end: headers, notes, relations.
const KEPT: usize = 64 << 20;
/// Files in a package without zip64.
const MOST_FILES: u32 = 65_000;

/// A joined file that is being written.
pub struct Joiner<'t, W: Write> {
    template: &'t Template,
    out: W,
    archive: Archive,
    file: File,
    main: &'t Part,
    /// The last letter: its body, where its section may end, and its section.
    pending: Option<Pending>,
    notes: Vec<Notes>,
    /// Headers of letters behind the first, with their relations.
    kept: Vec<Ready>,
    kept_bytes: usize,
    main_relations: Vec<u8>,
    types: String,
}

/// Footnotes or endnotes of all letters so far.
struct Notes {
    part: usize,
    spool: Spool,
    relations: Vec<u8>,
}

#[derive(Default)]
struct Pending {
    body: Vec<u8>,
    section_at: Option<usize>,
    section: Vec<u8>,
}

impl<'t, W: Write> Joiner<'t, W> {
    /// Begins a joined file. A template that cannot be joined says why.
    pub fn new(template: &'t Template, out: W) -> Result<Self, JoinError> {
        template.joins()?;
        let compiled = &template.compiled;
        let Some(main) = compiled.parts.iter().find(|part| part.role == Role::Main) else {
            return Err(Finding::in_part("", Problem::Package("the letter's text is missing".into())).into());
        };
        let mut archive = Archive::default();
        archive.begin(&compiled.skeleton);
        let mut file = File::new(Vec::new(), media_folder(&compiled.extra));
        let mut types = String::new();
        if let Extra::Word { lists, types: head, .. } = &compiled.extra {
            file.next_list = lists.as_ref().map_or(0, |lists| lists.free);
            types.clone_from(head);
        }
        let notes = compiled
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.role == Role::Notes)
            .map(|(at, part)| Notes { part: at, spool: Spool::new(&part.name, 1), relations: Vec::new() })
            .collect();
        archive.open(&main.name);
        let main_relations =
            main.relations.as_ref().map(|relations| relations.head.clone().into_bytes()).unwrap_or_default();
        Ok(Self {
            template,
            out,
            archive,
            file,
            main,
            pending: None,
            notes,
            kept: Vec::new(),
            kept_bytes: 0,
            main_relations,
            types,
        })
    }

    /// How many letters it holds.
    pub fn letters(&self) -> u32 {
        self.file.before
    }

    /// Adds a letter. One that is wrong changes nothing in the file.
    pub fn add(&mut self, letter: Letter<'_>) -> Result<Rendered, JoinError> {
        let template = self.template;
        if self.archive.written() > LARGEST || self.kept_bytes > KEPT || self.kept.len() as u32 > MOST_FILES {
            return Err(Finding::in_part(
                "",
                Problem::Limit("a joined file of so many letters; make several".into()),
            )
            .into());
        }
        let is_first = self.file.before == 0;
        let compiled = &template.compiled;
        let file = std::mem::take(&mut self.file);
        let mut machine = Machine::new(file, letter, Mode::Joined, template.limits(), &compiled.places);
        machine.file.section_at = None;
        let snapshot = machine.file.snapshot();
        let done = run_parts(&mut machine, template, self.main, is_first);
        self.file = machine.file;
        self.file.out.clear();
        let made = match done {
            Ok(made) if made.is_kept => made,
            other => {
                self.file.roll_back(snapshot);
                other?;
                return Ok(Rendered::Skipped);
            }
        };
        let used = made.used;
        self.take(made, is_first)?;
        Ok(Rendered::Letter { used })
    }

    /// Takes a letter that is right.
    fn take(&mut self, made: Made, is_first: bool) -> Result<(), JoinError> {
        let compiled = &self.template.compiled;
        self.flush(false)?;
        if is_first {
            self.archive.push(&made.head);
        }
        for relation in made.relations {
            push_relation(&mut self.main_relations, &relation);
        }
        for (at, bytes) in made.parts {
            let part = &compiled.parts[at];
            if let Some(notes) = self.notes.iter_mut().find(|notes| notes.part == at) {
                notes.spool.push(&bytes);
                for relation in made.note_relations.get(&at).into_iter().flatten() {
                    push_relation(&mut notes.relations, relation);
                }
                continue;
            }
            self.keep_header(part, &bytes, made.before, made.header_relations.get(&at));
        }
        self.kept_bytes = self.kept_bytes.max(self.main_relations.len())
            + self.notes.iter().map(|notes| notes.spool.bytes()).sum::<usize>() / 64;
        self.pending = Some(Pending { body: made.body, section_at: made.section_at, section: made.section });
        self.file.before += 1;
        Ok(())
    }

    /// Keeps a header of a letter for the end of the file.
    fn keep_header(&mut self, part: &Part, bytes: &[u8], before: u32, relations: Option<&Vec<u8>>) {
        let Some(header) = part.header else { return };
        let file_name = if before == 0 {
            part.name.rsplit('/').next().unwrap_or_default().to_owned()
        } else {
            format!("{}.xml", header_id(header.number, before))
        };
        let ready = Ready::pack(&format!("word/{file_name}"), bytes);
        self.kept_bytes += bytes.len() / 4;
        self.kept.push(ready);
        if let Some(relations) = relations {
            self.kept.push(Ready::pack(&format!("word/_rels/{file_name}.rels"), relations));
        }
        if before == 0 {
            return;
        }
        let kind = if header.is_footer { "footer" } else { "header" };
        let _ = write!(
            self.types,
            "<Override PartName=\"/word/{file_name}\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml\"/>"
        );
        let relation = format!(
            "<Relationship Id=\"{}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}\" Target=\"{file_name}\"/>",
            header_id(header.number, before)
        );
        self.main_relations.extend_from_slice(relation.as_bytes());
    }

    /// Writes the letter that waits. Behind all but the last one a section ends.
    fn flush(&mut self, is_last: bool) -> Result<(), JoinError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let at = pending.section_at.unwrap_or(pending.body.len());
        self.archive.push(&pending.body[..at]);
        if !is_last && matches!(self.template.compiled.extra, Extra::Word { .. }) {
            match pending.section_at {
                Some(_) => self.archive.push(&pending.section),
                None => {
                    self.archive.push(b"<w:p><w:pPr>");
                    self.archive.push(&pending.section);
                    self.archive.push(b"</w:pPr></w:p>");
                }
            }
        }
        self.archive.push(&pending.body[at..]);
        if is_last {
            self.archive.push(&pending.section);
        }
        self.out.write_all(self.archive.drain())?;
        self.archive.clear();
        Ok(())
    }

    /// Ends the file and gives back where it was written. Without a letter there is none.
    pub fn finish(mut self) -> Result<W, JoinError> {
        if self.pending.is_none() {
            return Err(
                Finding::in_part("", Problem::Package("no letter is in the joined file".into())).into()
            );
        }
        self.flush(true)?;
        let compiled = &self.template.compiled;
        self.archive.push(&static_bytes(self.main));
        self.archive.close();
        for mut notes in std::mem::take(&mut self.notes) {
            let part = &compiled.parts[notes.part];
            notes.spool.push(&static_bytes(part));
            self.archive.copy(&notes.spool.finish());
            let Some(relations) = &part.relations else { continue };
            if relations.ready.is_some() || !notes.relations.is_empty() {
                let text = [relations.head.as_bytes(), &notes.relations, RELATIONS_END.as_bytes()].concat();
                self.archive.add(&relations.name, &text);
            }
        }
        if let Some(relations) = &self.main.relations
            && (relations.ready.is_some() || self.main_relations.len() > relations.head.len())
        {
            self.main_relations.extend_from_slice(RELATIONS_END.as_bytes());
            self.archive.add(&relations.name, &self.main_relations);
        }
        for ready in &self.kept {
            self.archive.copy(ready);
        }
        self.finish_singles();
        add_pictures(&mut self.archive, &compiled.extra, &self.file);
        if self.archive.count() > MOST_FILES || self.archive.written() > LARGEST + (1 << 29) {
            return Err(Finding::in_part(
                "",
                Problem::Limit("a joined file of so many letters; make several".into()),
            )
            .into());
        }
        self.archive.finish();
        self.out.write_all(self.archive.drain())?;
        Ok(self.out)
    }

    /// The files that single letters copy: with what the letters brought.
    fn finish_singles(&mut self) {
        let compiled = &self.template.compiled;
        for ready in &compiled.singles {
            match &compiled.extra {
                Extra::Word { types_name, .. } if ready.name() == *types_name => {
                    self.types.push_str("</Types>");
                    self.archive.add(types_name, self.types.as_bytes());
                }
                Extra::Word { lists: Some(lists), .. }
                    if ready.name() == lists.name && !self.file.lists.is_empty() =>
                {
                    self.archive.add(&lists.name, lists.with(&self.file.lists).as_bytes());
                }
                _ => self.archive.copy(ready),
            }
        }
    }
}

/// What a letter brings to a joined file.
#[derive(Default)]
struct Made {
    is_kept: bool,
    used: usize,
    before: u32,
    head: Vec<u8>,
    body: Vec<u8>,
    section_at: Option<usize>,
    section: Vec<u8>,
    relations: Vec<Relation>,
    /// Other parts by their number.
    parts: Vec<(usize, Vec<u8>)>,
    header_relations: HashMap<usize, Vec<u8>>,
    note_relations: HashMap<usize, Vec<Relation>>,
}

/// Runs all parts for one letter.
fn run_parts<'d>(
    machine: &mut Machine<'d>,
    template: &'d Template,
    main: &'d Part,
    is_first: bool,
) -> Result<Made, Finding> {
    let mut made = Made { before: machine.file.before, ..Made::default() };
    let program = &main.program;
    machine.file.out.clear();
    if is_first {
        if !machine.run(program, &program.head)? {
            return Ok(made);
        }
        made.head = std::mem::take(&mut machine.file.out);
    }
    machine.rewind();
    if !machine.run(program, &program.body)? {
        return Ok(made);
    }
    made.section_at = machine.file.section_at;
    made.body = std::mem::take(&mut machine.file.out);
    if !machine.run(program, &program.section)? {
        return Ok(made);
    }
    made.section = std::mem::take(&mut machine.file.out);
    made.used = machine.used();
    made.relations = std::mem::take(&mut machine.file.relations);
    for (at, part) in template.compiled.parts.iter().enumerate() {
        if part.role == Role::Main {
            continue;
        }
        machine.rewind();
        let program = &part.program;
        let is_notes = part.role == Role::Notes;
        let segments = program.segments();
        // The frame of the notes stands once.
        let chosen =
            if is_notes { if is_first { &segments[..2] } else { &segments[1..2] } } else { &segments[..] };
        for ops in chosen {
            if !machine.run(program, ops)? {
                return Ok(made);
            }
        }
        made.parts.push((at, std::mem::take(&mut machine.file.out)));
        if is_notes {
            made.note_relations.insert(at, std::mem::take(&mut machine.file.relations));
        } else if let Some(relations) = &part.relations
            && (relations.ready.is_some() || !machine.file.relations.is_empty())
        {
            made.header_relations.insert(at, relations_text(&relations.head, &mut machine.file));
        }
    }
    made.is_kept = true;
    Ok(made)
}

/// The end of a part, which is the same in all letters.
fn static_bytes(part: &Part) -> Vec<u8> {
    let mut out = Vec::new();
    for op in &part.program.tail {
        if let Op::Static { at, len } = op {
            out.extend_from_slice(&part.program.pool[*at as usize..(*at + *len) as usize]);
        }
    }
    out
}
