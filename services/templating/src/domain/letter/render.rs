//! One letter, one file. The renderer keeps its memory from letter to letter.
//! Called by previews and by merge jobs that make single files.

use crate::domain::docx::{RELATIONS_END, push_relation};
use crate::domain::finding::Finding;
use crate::domain::package::Archive;
use crate::domain::program::{File, Letter, Machine, Mode};
use crate::domain::template::{Extra, Part, Role, Template};

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// It was made.
    Letter {
        /// How many of its records were used: more than one by NEXT.
        used: usize,
    },
    /// The template leaves it out, by SKIPIF.
    Skipped,
}

/// Makes letters of one template, one file each.
pub struct Renderer<'t> {
    template: &'t Template,
    archive: Archive,
    file: File,
}

impl<'t> Renderer<'t> {
    /// A renderer for a template.
    pub fn new(template: &'t Template) -> Self {
        Self { template, archive: Archive::default(), file: File::default() }
    }

    /// Makes a letter. Its bytes are in `bytes` until the next one; the same data give the same bytes.
    pub fn render(&mut self, letter: Letter<'_>) -> Result<Rendered, Finding> {
        let compiled = &self.template.compiled;
        self.archive.begin(&compiled.skeleton);
        let file = File::new(std::mem::take(&mut self.file.out), media_folder(&compiled.extra));
        let mut machine = Machine::new(file, letter, Mode::Single, self.template.limits(), &compiled.places);
        for ready in &compiled.singles {
            self.archive.copy(ready);
        }
        let mut used = 1;
        for part in &compiled.parts {
            match &part.ready {
                Some(ready) => self.archive.copy(ready),
                None => {
                    machine.rewind();
                    for ops in part.program.segments() {
                        match machine.run(&part.program, ops) {
                            Ok(true) => {}
                            Ok(false) => {
                                self.file = machine.file;
                                return Ok(Rendered::Skipped);
                            }
                            Err(finding) => {
                                self.file = machine.file;
                                return Err(finding);
                            }
                        }
                    }
                    self.archive.add(&part.name, &machine.file.out);
                    machine.file.out.clear();
                    if part.role == Role::Main {
                        used = machine.used();
                    }
                }
            }
            add_relations(&mut self.archive, part, &mut machine.file);
        }
        let file = machine.file;
        add_pictures(&mut self.archive, &compiled.extra, &file);
        self.archive.finish();
        self.file = file;
        Ok(Rendered::Letter { used })
    }

    /// The letter that was made last.
    pub fn bytes(&self) -> &[u8] {
        self.archive.bytes()
    }
}

pub(super) fn media_folder(extra: &Extra) -> &'static str {
    match extra {
        Extra::Word { .. } => "media/",
        Extra::Office(_) => "Pictures/",
    }
}

/// Adds the relations of a part, with those that the letter brought.
fn add_relations(archive: &mut Archive, part: &Part, file: &mut File) {
    let Some(relations) = &part.relations else { return };
    if file.relations.is_empty() {
        if let Some(ready) = &relations.ready {
            archive.copy(ready);
        }
        return;
    }
    archive.add(&relations.name, &relations_text(&relations.head, file));
}

/// A file of relations, with those that were brought; they are taken.
pub(super) fn relations_text(head: &str, file: &mut File) -> Vec<u8> {
    let mut text = head.as_bytes().to_vec();
    for relation in file.relations.drain(..) {
        push_relation(&mut text, &relation);
    }
    text.extend_from_slice(RELATIONS_END.as_bytes());
    text
}

/// Adds the pictures of a file, and to ODT the list in which they must stand.
pub(super) fn add_pictures(archive: &mut Archive, extra: &Extra, file: &File) {
    let folder = if matches!(extra, Extra::Word { .. }) { "word/" } else { "" };
    for (path, picture) in &file.media {
        archive.store(&format!("{folder}{path}"), picture.bytes());
    }
    if let Extra::Office(joint) = extra {
        let pictures =
            file.media.iter().map(|(path, picture)| (path.as_str(), picture.format().media_type()));
        joint.add_manifest(archive, pictures);
    }
}
