//! A compiled template: what is the same in all letters, ready to be copied, and the programs of what differs.
//! Made once by `Template::compile`; letters are made by `letter::Renderer` and `letter::Joiner`.

use super::docx::{self, Lists};
use super::expression::Kinds;
use super::finding::{Finding, Place, Problem};
use super::limits::Limits;
use super::odt;
use super::package::{Package, Ready, Skeleton};
use super::program::{Op, Ops, Program, check as check_ops};
use super::value::Fields;

/// The formats of templates: two of letters, three of messages. The numbers are those of the API and of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Word's.
    Docx = 1,
    /// LibreOffice's.
    Odt = 2,
    /// HTML.
    Html = 3,
    /// MJML.
    Mjml = 4,
    /// Plain text.
    Text = 5,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] = [Self::Docx, Self::Odt, Self::Html, Self::Mjml, Self::Text];

    /// By its number.
    pub fn of(number: i64) -> Option<Format> {
        Self::ALL.into_iter().find(|format| format.number() == number)
    }

    /// Its number.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// Whether messages are made of it, not letters.
    pub fn is_message(self) -> bool {
        !matches!(self, Self::Docx | Self::Odt)
    }

    /// What a content is that says so itself: packages, a DOCTYPE of HTML, `<html>`, `<mjml>`.
    pub fn of_content(content: &[u8]) -> Option<Format> {
        if content.starts_with(b"PK") {
            // ODT files begin with their media type, unpacked.
            return Some(if content.get(30..38) == Some(b"mimetype") { Self::Odt } else { Self::Docx });
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
        let begins =
            |word: &str| content.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes()));
        if begins("<mjml") {
            Some(Self::Mjml)
        } else if begins("<!doctype html") || begins("<html") {
            Some(Self::Html)
        } else {
            None
        }
    }

    /// The ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Docx => "docx",
            Self::Odt => "odt",
            Self::Html => "html",
            Self::Mjml => "mjml",
            Self::Text => "txt",
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Html => "text/html; charset=utf-8",
            Self::Mjml => "text/mjml; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// What a part is in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The letter's own text.
    Main,
    /// A header or footer that differs between letters; in ODT the styles with all of them.
    Header,
    /// Footnotes or endnotes.
    Notes,
}

/// A header of DOCX that differs between letters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// Its number among the parts.
    pub(crate) number: u32,
    /// A footer.
    pub(crate) is_footer: bool,
}

/// A part that is not simply copied.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) role: Role,
    pub(crate) relations: Option<PartRelations>,
    /// The packed file, when single letters all have the same.
    pub(crate) ready: Option<Ready>,
    pub(crate) header: Option<Header>,
}

/// The relations of a part.
#[derive(Debug)]
pub(crate) struct PartRelations {
    pub(crate) name: String,
    pub(crate) head: String,
    /// When a letter adds none; nothing when the template has none either.
    pub(crate) ready: Option<Ready>,
}

impl PartRelations {
    pub(crate) fn new(name: &str, head: &str, end: &str, exists: bool) -> Self {
        let ready = exists.then(|| Ready::pack(name, format!("{head}{end}").as_bytes()));
        Self { name: name.to_owned(), head: head.to_owned(), ready }
    }
}

/// What only one of the formats has.
#[derive(Debug)]
pub(crate) enum Extra {
    /// Word's.
    Word {
        lists: Option<Lists>,
        /// The types of all parts without the end tag.
        types: String,
        types_name: &'static str,
    },
    /// LibreOffice's.
    Office(odt::Joint),
}

/// What a format's compiler gives.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) parts: Vec<Part>,
    pub(crate) skeleton: Skeleton,
    /// Files that single letters copy and joined files write anew.
    pub(crate) singles: Vec<Ready>,
    pub(crate) places: Vec<Place>,
    pub(crate) extra: Extra,
}

/// A compiled template. It may be shared between threads.
#[derive(Debug)]
pub struct Template {
    format: Format,
    limits: Limits,
    pub(crate) compiled: Compiled,
    records: usize,
}

impl Template {
    /// Compiles a template. Everything that is wrong with it is told at once; with a finding there is no template.
    pub fn compile(bytes: &[u8], limits: &Limits) -> Result<Self, Vec<Finding>> {
        let whole = |problem| vec![Finding { place: Place::default(), problem }];
        let package = Package::open(bytes, limits).map_err(whole)?;
        let (format, compiled) = if package.entry("[Content_Types].xml").is_some() {
            (Format::Docx, docx::compile(&package, limits)?)
        } else if package.entry("content.xml").is_some() {
            (Format::Odt, odt::compile(&package, limits)?)
        } else {
            return Err(whole(Problem::Package("this is no DOCX or ODT file".into())));
        };
        let main = compiled.parts.iter().find(|part| part.role == Role::Main);
        let records = 1 + main.map_or(0, |part| part.program.segments().into_iter().map(nexts).sum());
        Ok(Self { format, limits: limits.clone(), compiled, records })
    }

    /// The format of the template and of its letters.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The caps that hold for its letters.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// About how many bytes of memory it holds.
    pub fn weight(&self) -> usize {
        let Compiled { parts, skeleton, singles, .. } = &self.compiled;
        let part =
            |part: &Part| part.program.pool.len() + part.ready.as_ref().map_or(0, Ready::bytes) + 16 * 1024;
        let parts: usize = parts.iter().map(part).sum();
        parts + skeleton.bytes() + singles.iter().map(Ready::bytes).sum::<usize>()
    }

    /// How many records a letter takes at most: more than one on sheets of labels, by NEXT.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Whether joined files can be made of it; otherwise says why not.
    pub fn joins(&self) -> Result<(), Finding> {
        match &self.compiled.extra {
            Extra::Office(joint) => joint.joins(),
            Extra::Word { .. } => Ok(()),
        }
    }

    /// Checks the template against the fields that exist. Nothing: each letter will have all its fields.
    pub fn check(&self, fields: &Fields) -> Vec<Finding> {
        let mut kinds = Kinds::new(fields);
        let mut findings = Vec::new();
        for part in &self.compiled.parts {
            for ops in part.program.segments() {
                check_ops(ops, &mut kinds, &self.compiled.places, &mut findings);
            }
        }
        findings
    }
}

/// Compiles a template and checks it: all that is wrong with it.
pub fn check(bytes: &[u8], fields: &Fields, limits: &Limits) -> Vec<Finding> {
    match Template::compile(bytes, limits) {
        Ok(template) => template.check(fields),
        Err(findings) => findings,
    }
}

/// How many records operations take besides the first.
fn nexts(ops: &Ops) -> usize {
    ops.iter()
        .map(|op| match op {
            Op::Next { .. } => 1,
            Op::If { arms, otherwise } => {
                arms.iter().map(|(_, _, ops)| nexts(ops)).chain([nexts(otherwise)]).max().unwrap_or(0)
            }
            Op::Once { body, .. } | Op::Tail { body, .. } | Op::Picture { body, .. } => nexts(body),
            Op::Whole { head, body, tail } => nexts(head) + nexts(body) + nexts(tail),
            Op::For { body, otherwise, .. } => nexts(body) + nexts(otherwise),
            _ => 0,
        })
        .sum()
}
