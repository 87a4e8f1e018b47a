//! The machine: runs the operations of a part over a letter's data. All that a letter costs is counted here.
//! Called by the renderer for one letter, by the joiner for many.

use std::cell::Cell;
use std::sync::Arc;

use jiff::civil::DateTime;

use super::write::{target, write};
use super::{Mapped, Op, Program, TagId};
use crate::domain::expression::{Context, Expr, Slot, Val, show};
use crate::domain::finding::{Finding, Place, Problem};
use crate::domain::format::locale::Locale;
use crate::domain::limits::Limits;
use crate::domain::picture::Picture;
use crate::domain::value::{Record, Value};

/// What a letter is made of.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'d> {
    /// The records: one, or as many as a label sheet has labels.
    pub records: &'d [Record],
    /// The reader's language.
    pub locale: Locale,
    /// The time that the letter shows as now.
    pub now: DateTime,
    /// The first record's number in its job, from 1.
    pub number: u64,
}

/// Whether a file holds one letter or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One.
    Single,
    /// Many: each after the first gets ids of its own.
    Joined,
}

/// A relation that a part of DOCX has to get.
#[derive(Debug)]
pub struct Relation {
    /// Its id.
    pub id: String,
    /// A picture, not a link.
    pub is_picture: bool,
    /// The target, escaped.
    pub target: Vec<u8>,
}

/// The list's number in a further letter: the template's and the new one.
pub type NewList = (u32, u32);

/// The state of a file that is being written. It outlives the letters of a joined file.
#[derive(Debug, Default)]
pub struct File {
    /// What was written.
    pub out: Vec<u8>,
    /// Relations of the part that is being written.
    pub relations: Vec<Relation>,
    /// Pictures of the file, with their paths as the document names them.
    pub media: Vec<(String, Arc<Picture>)>,
    /// Lists that were given new numbers.
    pub lists: Vec<NewList>,
    /// Where the section's end may stand in `out`.
    pub section_at: Option<usize>,
    /// How many letters stand before this one.
    pub before: u32,
    /// The next number of lists.
    pub next_list: u32,
    /// Folder of pictures, as the document names it.
    pub media_folder: &'static str,
    once: Vec<u64>,
    unique: u32,
    relation_number: u32,
    media_bytes: usize,
}

/// Where a file stood before a letter.
#[derive(Debug)]
pub struct Snapshot {
    media: usize,
    lists: usize,
    once: Vec<u64>,
    next_list: u32,
}

impl File {
    /// An empty file. `out` may bring its memory with it.
    pub fn new(mut out: Vec<u8>, media_folder: &'static str) -> Self {
        out.clear();
        Self { out, media_folder, ..Self::default() }
    }

    /// Remembers where the file stands.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            media: self.media.len(),
            lists: self.lists.len(),
            once: self.once.clone(),
            next_list: self.next_list,
        }
    }

    /// Forgets a letter that does not count.
    pub fn roll_back(&mut self, to: Snapshot) {
        for (_, picture) in self.media.drain(to.media..) {
            self.media_bytes -= picture.bytes().len();
        }
        self.lists.truncate(to.lists);
        self.once = to.once;
        self.next_list = to.next_list;
        self.relations.clear();
        self.out.clear();
    }
}

/// The machine at work on one letter.
pub struct Machine<'d> {
    /// The file.
    pub file: File,
    cx: Context<'d>,
    mode: Mode,
    records: &'d [Record],
    first_number: u64,
    at: usize,
    letter_lists: Vec<NewList>,
    picture: Option<(String, Arc<Picture>)>,
    out_before: usize,
    places: &'d [Place],
}

/// Leaves a run: the letter is left out, or something is wrong.
enum Stop {
    Skip,
    Wrong(Box<Finding>),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Wrong(Box::new(finding))
    }
}

impl<'d> Machine<'d> {
    /// A machine for a letter of a file.
    pub fn new(file: File, letter: Letter<'d>, mode: Mode, limits: &'d Limits, places: &'d [Place]) -> Self {
        let cx = Context {
            record: letter.records.first(),
            locale: letter.locale,
            now: letter.now,
            number: letter.number,
            slots: Vec::new(),
            steps: Cell::new(limits.steps),
            limits,
        };
        Self {
            out_before: file.out.len(),
            file,
            cx,
            mode,
            records: letter.records,
            first_number: letter.number,
            at: 0,
            letter_lists: Vec::new(),
            picture: None,
            places,
        }
    }

    /// How many records were used so far.
    pub fn used(&self) -> usize {
        (self.at + 1).min(self.records.len())
    }

    /// Begins another part: from the first record again.
    pub fn rewind(&mut self) {
        self.at = 0;
        self.cx.record = self.records.first();
        self.cx.number = self.first_number;
        self.out_before = self.file.out.len();
    }

    /// Runs operations. Gives whether the letter stays.
    pub fn run(&mut self, program: &'d Program, ops: &'d [Op]) -> Result<bool, Finding> {
        match self.ops(program, ops) {
            Ok(()) => Ok(true),
            Err(Stop::Skip) => Ok(false),
            Err(Stop::Wrong(finding)) => Err(*finding),
        }
    }

    fn ops(&mut self, program: &'d Program, ops: &'d [Op]) -> Result<(), Stop> {
        for op in ops {
            self.op(program, op)?;
        }
        Ok(())
    }

    fn op(&mut self, program: &'d Program, op: &'d Op) -> Result<(), Stop> {
        match op {
            Op::Static { at, len } => {
                self.file.out.extend_from_slice(&program.pool[*at as usize..(*at + *len) as usize])
            }
            Op::Field { expr, style, tag } => {
                let value = self.eval(expr, *tag)?;
                let text = show(&value, self.cx.locale).map_err(|problem| self.at(*tag, problem))?;
                write(&mut self.file.out, &text, *style).map_err(|problem| self.at(*tag, problem))?;
            }
            Op::If { arms, otherwise } => {
                for (condition, tag, ops) in arms {
                    if self.holds(condition, *tag)? {
                        return self.ops(program, ops);
                    }
                }
                self.ops(program, otherwise)?;
            }
            Op::For { list, tag, body, otherwise } => self.each(program, list, *tag, body, otherwise)?,
            Op::Once { mark, body } => {
                if self.is_first_time(*mark) {
                    self.ops(program, body)?;
                }
            }
            Op::Tail { body, wanted, instead } => {
                self.ops(program, body)?;
                if !self.file.out.ends_with(wanted.as_bytes()) {
                    self.file.out.extend_from_slice(instead.as_bytes());
                }
            }
            Op::Whole { head, body, tail } => {
                let before = self.file.out.len();
                self.ops(program, head)?;
                let begin = self.file.out.len();
                self.ops(program, body)?;
                if self.file.out.len() == begin {
                    self.file.out.truncate(before);
                } else {
                    self.ops(program, tail)?;
                }
            }
            Op::Unique => {
                self.file.unique += 1;
                self.push_text(&self.file.unique.to_string());
            }
            Op::Mapped { kind, id } => self.mapped(*kind, *id),
            Op::Picture { expr, tag, body } => self.picture(program, expr, *tag, body)?,
            Op::PictureLink => {
                if let Some((path, _)) = self.picture.clone() {
                    self.push_text(&path);
                }
            }
            Op::PictureSize { is_width, width, height, scale, unit } => {
                self.picture_size(*is_width, (*width, *height), *scale, unit);
            }
            Op::Link { target, tag } => self.link(target, *tag)?,
            Op::Next { condition, tag } => {
                let goes = match condition {
                    Some(condition) => self.holds(condition, *tag)?,
                    None => true,
                };
                if goes {
                    self.next_record();
                }
            }
            Op::Skip { condition, tag } => {
                if self.holds(condition, *tag)? {
                    return Err(Stop::Skip);
                }
            }
            Op::SectionMark => self.file.section_at = Some(self.file.out.len()),
            Op::Following { first, others } => {
                self.ops(program, if self.file.before == 0 { first } else { others })?;
            }
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), Stop> {
        let most = self.cx.limits.output_bytes;
        if self.file.out.len() - self.out_before > most {
            return Err(Finding {
                place: Place::default(),
                problem: Problem::Limit(format!("the letter has more than {most} bytes")),
            }
            .into());
        }
        Ok(())
    }

    fn at(&self, tag: TagId, problem: Problem) -> Finding {
        Finding { place: self.places[tag as usize].clone(), problem }
    }

    fn eval(&self, expr: &'d Expr, tag: TagId) -> Result<Val<'d>, Finding> {
        self.cx.eval(expr).map_err(|problem| self.at(tag, problem))
    }

    fn holds(&self, expr: &'d Expr, tag: TagId) -> Result<bool, Finding> {
        self.cx.is_true(expr).map_err(|problem| self.at(tag, problem))
    }

    fn each(
        &mut self,
        program: &'d Program,
        list: &'d Expr,
        tag: TagId,
        body: &'d [Op],
        otherwise: &'d [Op],
    ) -> Result<(), Stop> {
        let list = self.eval(list, tag)?;
        let length = match &*list {
            Value::List(items) => items.len(),
            Value::Empty => 0,
            other => {
                let why = format!("for goes over a list, and this is {}", other.noun());
                return Err(self.at(tag, Problem::WrongType(why)).into());
            }
        };
        if length == 0 {
            return self.ops(program, otherwise);
        }
        let items: Box<dyn Iterator<Item = Val<'d>>> = match list {
            Val::Ref(Value::List(items)) => Box::new(items.iter().map(Val::Ref)),
            Val::Own(Value::List(items)) => Box::new(items.into_iter().map(Val::Own)),
            _ => Box::new(std::iter::empty()),
        };
        for (index, value) in items.enumerate() {
            self.cx.pay(1).map_err(|problem| self.at(tag, problem))?;
            self.cx.slots.push(Slot { value, index, length });
            let done = self.ops(program, body);
            self.cx.slots.pop();
            done?;
        }
        Ok(())
    }

    fn is_first_time(&mut self, mark: u32) -> bool {
        let (word, bit) = (mark as usize / 64, 1_u64 << (mark % 64));
        if self.file.once.len() <= word {
            self.file.once.resize(word + 1, 0);
        }
        let is_first = self.file.once[word] & bit == 0;
        self.file.once[word] |= bit;
        is_first
    }

    fn next_record(&mut self) {
        self.at += 1;
        self.cx.record = self.records.get(self.at);
        self.cx.number += 1;
    }

    fn push_text(&mut self, text: &str) {
        self.file.out.extend_from_slice(text.as_bytes());
    }

    fn mapped(&mut self, kind: Mapped, id: u32) {
        let new = match kind {
            _ if self.mode == Mode::Single || self.file.before == 0 => id,
            Mapped::Footnote | Mapped::Endnote => note_id(id, self.file.before),
            Mapped::Header => return self.push_text(&header_id(id, self.file.before)),
            Mapped::List => {
                let known = self.letter_lists.iter().find(|(old, _)| *old == id).map(|(_, new)| *new);
                known.unwrap_or_else(|| {
                    let new = self.file.next_list;
                    self.file.next_list += 1;
                    self.letter_lists.push((id, new));
                    self.file.lists.push((id, new));
                    new
                })
            }
        };
        self.push_text(&new.to_string());
    }

    fn picture(
        &mut self,
        program: &'d Program,
        expr: &'d Expr,
        tag: TagId,
        body: &'d [Op],
    ) -> Result<(), Stop> {
        let picture = match self.eval(expr, tag)? {
            Val::Ref(Value::Picture(picture)) => picture.clone(),
            Val::Own(Value::Picture(picture)) => picture,
            other if matches!(&*other, Value::Empty) => return Ok(()),
            other => {
                let why = format!("a picture is needed here, and this is {}", other.noun());
                return Err(self.at(tag, Problem::WrongType(why)).into());
            }
        };
        let path = self.add_media(picture.clone()).map_err(|problem| self.at(tag, problem))?;
        let name = if self.file.media_folder == "media/" {
            self.add_relation(true, path.into_bytes())
        } else {
            path
        };
        let outer = self.picture.replace((name, picture));
        let done = self.ops(program, body);
        self.picture = outer;
        done
    }

    /// The path of a picture's file; the same picture is one file.
    fn add_media(&mut self, picture: Arc<Picture>) -> Result<String, Problem> {
        if let Some((path, _)) = self.file.media.iter().find(|(_, known)| Arc::ptr_eq(known, &picture)) {
            return Ok(path.clone());
        }
        self.file.media_bytes += picture.bytes().len();
        if self.file.media_bytes > self.cx.limits.picture_bytes {
            return Err(Problem::Limit(format!(
                "pictures of more than {} bytes",
                self.cx.limits.picture_bytes
            )));
        }
        let path = format!(
            "{}kontor{}.{}",
            self.file.media_folder,
            self.file.media.len() + 1,
            picture.format().extension()
        );
        self.file.media.push((path.clone(), picture));
        Ok(path)
    }

    fn add_relation(&mut self, is_picture: bool, target: Vec<u8>) -> String {
        if let Some(known) = self
            .file
            .relations
            .iter()
            .rev()
            .take(50)
            .find(|known| known.is_picture == is_picture && known.target == target)
        {
            return known.id.clone();
        }
        self.file.relation_number += 1;
        let id = format!("kontorR{}", self.file.relation_number);
        self.file.relations.push(Relation { id: id.clone(), is_picture, target });
        id
    }

    fn picture_size(&mut self, is_width: bool, (width, height): (u64, u64), scale: u64, unit: &str) {
        let Some((_, picture)) = &self.picture else { return };
        let (fit_width, fit_height) = picture.fit(width, height);
        let side = if is_width { fit_width } else { fit_height };
        let text = if scale == 1 {
            format!("{side}{unit}")
        } else {
            format!("{}.{:03}{unit}", side / scale, side % scale * 1000 / scale)
        };
        self.push_text(&text);
    }

    fn link(&mut self, expr: &'d Expr, tag: TagId) -> Result<(), Stop> {
        let value = self.eval(expr, tag)?;
        let text = show(&value, self.cx.locale)
            .and_then(|text| target(&text))
            .map_err(|problem| self.at(tag, problem))?;
        let mut escaped = Vec::new();
        crate::domain::xml::push_escaped(&mut escaped, &text);
        let id = self.add_relation(false, escaped);
        self.push_text(&id);
        Ok(())
    }
}

/// The number of a note in a further letter. Templates have fewer notes than that.
pub fn note_id(id: u32, before: u32) -> u32 {
    id + before * 1_000
}

/// The id of the relation to a header in a further letter.
pub fn header_id(number: u32, before: u32) -> String {
    format!("kontorH{before}x{number}")
}
